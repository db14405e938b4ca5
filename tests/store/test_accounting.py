"""Every row that comes in is accounted for: new, updated, unchanged, a duplicate or set aside."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bluelamp import tables
from bluelamp.errors import BadData, InputOutputError
from bluelamp.store import Counts, Store, accounting, delta, folder
from bluelamp.store.accounting import Door, Shelf
from tests.store.children import events
from tests.store.telling import names_of, take


def test_a_first_import_accepts_every_row(store):
    assert take(store, events([1, 2, 3])) == Counts(accepted=3)
    assert store.read("events").equals(events([1, 2, 3]))


def test_the_same_file_twice_changes_nothing(store):
    take(store, events([1, 2, 3]))
    assert take(store, events([1, 2, 3])) == Counts(unchanged=3)
    assert store.history("events").height == 3


def test_a_row_twice_in_a_file_is_a_duplicate_in_one_chunk_and_in_two(store):
    assert take(store, events([1, 1, 2])) == Counts(accepted=2, duplicate=1)
    assert take(store, events([3]), events([3])) == Counts(accepted=1, duplicate=1)


def test_a_known_row_twice_in_a_file_is_unchanged_once_and_then_a_duplicate(store):
    take(store, events([1]))
    assert take(store, events([1, 1]), events([1])) == Counts(unchanged=1, duplicate=2)


def test_new_content_updates_a_key_and_keeps_the_old_version(store):
    take(store, events([1, 2]))
    assert take(store, events([2], version=1)) == Counts(updated=1)
    assert names_of(store) == {"e0000001": "version 0", "e0000002": "version 1"}
    history = store.history("events").filter(pl.col("event_id") == "e0000002")
    assert history["event_name"].to_list() == ["version 0", "version 1"]
    assert history["is_update"].to_list() == [False, True]
    assert history["batch_id"].to_list() == store.batches()["batch_id"].to_list()


def test_a_version_seen_long_ago_is_unchanged_and_does_not_come_back(store):
    take(store, events([1]))
    take(store, events([1], version=1))
    assert take(store, events([1])) == Counts(unchanged=1)
    assert names_of(store) == {"e0000001": "version 1"}


def test_the_later_row_of_a_key_wins_within_a_file(store):
    assert take(store, events([1]), events([1], version=1)) == Counts(accepted=1, updated=1)
    one_chunk = pl.concat([events([2]), events([2], version=1), events([2], version=2)])
    assert take(store, one_chunk) == Counts(accepted=1, updated=2)
    assert names_of(store) == {"e0000001": "version 1", "e0000002": "version 2"}


def test_rows_differ_when_one_has_a_value_and_the_other_none(store):
    empty = events([1]).with_columns(area_id=pl.lit(None, dtype=pl.String))
    take(store, empty)
    assert take(store, empty) == Counts(unchanged=1)
    assert take(store, empty.with_columns(area_id=pl.lit(""))) == Counts(updated=1)


def test_keys_of_several_columns_may_hold_empty_ones(store):
    people = pl.DataFrame(
        {"person_id": ["p1", "p1", "p2"], "role_code": ["response"] * 3, "valid_from": ["2026-01-01", None, None]},
    ).with_columns(pl.col("valid_from").str.to_date())
    people = people.select(
        pl.col(name) if name in people.columns else pl.lit(None, dtype=type_).alias(name)
        for name, type_ in tables.table("people").polars_schema.items()
    )
    for expected in (Counts(accepted=3), Counts(unchanged=3)):
        with store.writing("people", source_name="people.csv") as batch:
            assert batch.add(people) == expected
    with store.writing("people", source_name="people.csv") as batch:
        batch.add(people.with_columns(role_code=pl.lit("dog_handler")))
    assert store.read("people")["role_code"].to_list() == ["dog_handler"] * 3


def test_rows_whose_hashes_collide_are_all_kept(store, monkeypatch):
    monkeypatch.setattr(
        accounting, "_hash_of", lambda frame, keys: pl.zeros(frame.height, pl.UInt64, eager=True).to_numpy()
    )
    assert take(store, events(list(range(50)))) == Counts(accepted=50)
    again = pl.concat([events([3, 70, 3]), events([4], version=1)])
    assert take(store, again) == Counts(accepted=1, updated=1, unchanged=1, duplicate=1)
    assert store.read("events").height == 51


class Ledgerless:
    """The rules of accounting, as slowly and plainly as they can be written."""

    def __init__(self) -> None:
        self.versions: dict[str, list[tuple]] = {}

    def take(self, rows: list[tuple]) -> Counts:
        read, counts = set(), {"accepted": 0, "updated": 0, "unchanged": 0, "duplicate": 0}
        for row in rows:
            known = self.versions.setdefault(row[0], [])
            if row in read:
                verdict = "duplicate"
            elif row in known:
                verdict = "unchanged"
            else:
                verdict = "updated" if known else "accepted"
                known.append(row)
            read.add(row)
            counts[verdict] += 1
        return Counts(**counts)


numbers_and_versions = st.tuples(st.integers(0, 7), st.integers(0, 3))

files_of_chunks = st.lists(st.lists(st.lists(numbers_and_versions, max_size=9), min_size=1, max_size=4), max_size=5)


def rows_of(chunk: list[tuple[int, int]]) -> pl.DataFrame:
    return pl.concat([events([]), *(events([number], version) for number, version in chunk)])


@settings(max_examples=60, deadline=None)
@given(files_of_chunks)
def test_accounting_is_that_of_the_plain_rules(files):
    plain, stored = Ledgerless(), []
    for chunks in files:
        shelf = Shelf(
            pl.Series([each.height for each in stored], dtype=pl.Int64),
            pl.Series([accounting.key_range(each, "events")[0] for each in stored], dtype=pl.String),
            pl.Series([accounting.key_range(each, "events")[1] for each in stored], dtype=pl.String),
            lambda number, columns, files=tuple(stored): files[number].select(columns),
        )
        door, counts, kept = Door("events", shelf), Counts(), []
        for chunk in chunks:
            rows, told = door.judge(rows_of(chunk))
            counts += told
            kept.append(rows)
            if len(kept) % 2 == 0 and rows.height and kept[-2].height:
                whole = pl.concat(kept[-2:])
                door.written(2, lambda whole=whole: whole.select(tables.table("events").columns))
        assert counts == plain.take([row for chunk in chunks for row in rows_of(chunk).rows()])
        stored += [each for each in kept if each.height]


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_a_range_of_numbers_holds_each_of_them_and_neither_its_first_nor_its_last_whole(ids):
    first, last = accounting.key_range(named(ids), "events")
    assert first is not None
    assert last is not None
    ordered = pl.Series(ids).sort()
    assert first != ordered[0] or not first
    assert last != ordered[-1] or not last
    read = []

    def note(number: int, columns: list[str]) -> pl.DataFrame:
        read.append(number)
        return named(ids).select(columns)

    for each in ids:
        read.clear()
        Door("events", Shelf(pl.Series([len(ids)]), pl.Series([first]), pl.Series([last]), note)).judge(named([each]))
        assert read, "a file that holds the key is read"


def named(ids: list[str]) -> pl.DataFrame:
    return events(list(range(len(ids)))).with_columns(event_id=pl.Series(ids, dtype=pl.String))


@pytest.mark.parametrize(
    ("name", "column", "range_of"),
    [
        ("unit_status", "status_at", ("2026-03-01T08:00:00+00:00", "2026-03-01T10:00:00+00:00")),
        ("incidents", "incident_id", ("2026-11", "2026-29")),
        ("vehicles", "pool_id", ("R", "R")),
    ],
)
def test_files_are_passed_over_by_the_instant_of_their_key_or_the_beginning_of_its_numbers(name, column, range_of):
    instant = datetime(2026, 3, 1, 8, tzinfo=UTC)
    rows = {
        "status_at": [instant, instant + timedelta(hours=2)],
        "incident_id": ["2026-1144", "2026-2910"],
        "pool_id": ["R11", "R12"],
    }
    given_ = {key: values for key, values in rows.items() if key in tables.table(name).columns}
    frame = pl.DataFrame(given_, schema_overrides=tables.table(name).polars_schema)
    assert accounting.ranged_column(name) == column
    assert accounting.key_range(frame, name) == range_of


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files_of_chunks)
def test_what_is_read_is_the_last_version_of_each_key_in_the_order_of_import(tmp_path_factory, files):
    store, plain = Store(tmp_path_factory.mktemp("force")), Ledgerless()
    for chunks in files:
        counts = take(store, *map(rows_of, chunks))
        assert counts == plain.take([row for chunk in chunks for row in rows_of(chunk).rows()])
    assert sorted(store.read("events").rows()) == sorted(each[-1] for each in plain.versions.values())
    assert sorted(store.history("events").select(tables.table("events").columns).rows()) == sorted(
        row for each in plain.versions.values() for row in each
    )
    place = {row: number for number, row in enumerate(store.history("events").drop(folder_columns()).rows())}
    assert [place[row] for row in store.read("events").rows()] == sorted(
        place[row] for row in store.read("events").rows()
    )


def folder_columns() -> list[str]:
    return ["batch_id", delta.POSITION, delta.IS_UPDATE]


def test_a_condition_never_brings_a_replaced_row_back(store):
    take(store, events([1, 2]))
    take(store, events([1], version=1))
    assert store.read("events", where=pl.col("event_name") == "version 0")["event_id"].to_list() == ["e0000002"]
    assert store.read("events", columns=["event_name"], where=pl.col("event_id") == "e0000001").rows() == [
        ("version 1",)
    ]


def test_rows_that_were_joined_before_they_were_added_are_accounted_for(store):
    with store.writing("events", source_name="feed.csv") as batch:
        batch.add(events([1, 2, 3]))
        batch.count_duplicates(2)
    assert (batch.batch["rows_read"], batch.batch["rows_accepted"], batch.batch["rows_duplicate"]) == (5, 3, 2)
    assert store.verify() == []


def test_rows_of_another_shape_are_refused_with_every_reason(store):
    wrong = events([1]).rename({"kind": "kinds"}).with_columns(starts_at=pl.lit("noon"))
    with pytest.raises(BadData) as told, store.writing("events", source_name="x") as batch:
        batch.add(wrong)
    assert "'kind' is missing" in str(told.value)
    assert "Did you mean 'kind'?" in str(told.value)
    assert "'starts_at' has type String" in str(told.value)
    assert store.batches().is_empty()


def test_an_import_opens_only_files_whose_keys_it_may_meet(store, monkeypatch):
    for first in (0, 100, 200):
        take(store, events(list(range(first, first + 50))))
    opened = []
    read = folder._read_file
    monkeypatch.setattr(folder, "_read_file", lambda path, *rest: opened.append(path) or read(path, *rest))
    assert take(store, events([120, 130, 160])) == Counts(accepted=1, unchanged=2)
    assert len(set(opened)) == 1


def test_rows_held_at_times_near_those_of_a_chunk_are_given_and_files_of_other_times_stay_unread(tmp_path):
    def presses(day: int) -> pl.DataFrame:
        rows = [
            {"unit_id": "U1", "status_at": datetime(2026, 3, day, hour, tzinfo=UTC), "status": "available"}
            for hour in range(24)
        ]
        return pl.DataFrame(rows, schema=tables.table("unit_status").polars_schema)

    store = Store(tmp_path)
    for day in (1, 2, 20):
        with store.writing("unit_status", source_name=f"{day}.csv") as batch:
            assert batch.held_near(presses(day), timedelta(0), ["status_at"]).is_empty()
            batch.add(presses(day))
    far = store.history("unit_status")["batch_id"][0]
    (file,) = (tmp_path / "store" / "unit_status").glob(f"*{far}/*.parquet")
    file.unlink()
    with store.writing("unit_status", source_name="again.csv") as batch:
        near = batch.held_near(presses(3).head(2), timedelta(hours=2), ["unit_id", "status_at"])
        assert near.rows() == [("U1", datetime(2026, 3, 2, hour, tzinfo=UTC)) for hour in (22, 23)]
        assert batch.held_near(presses(3).clear(), timedelta(hours=2), ["unit_id"]).is_empty()
        with pytest.raises(InputOutputError):
            batch.held_near(presses(1), timedelta(hours=2), ["unit_id"])
        batch.let_go()
