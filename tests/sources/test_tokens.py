"""Callers and places: kept as tokens alone, the same for the same value, whatever a column map points them at."""

import stat
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluelamp import intake
from bluelamp.errors import BadSettings
from bluelamp.sources import tokens
from bluelamp.store import Store

SECRET = bytes(range(32))
MAP = """
title = "Calls"
table = "incidents"
time_zone = "force"
[columns]
received_at = "at"
opening_code = "code"
caller_token = "phone"
place_token = { columns = ["house", "street"] }
"""
FORCE = """
[force]
id = "west"
name = "West"
time_zone = "Europe/London"
[sources.incidents]
file = "calls.csv"
map = "calls.toml"
"""


def made(*values: str | None, what: str = "caller_token", secret: bytes = SECRET) -> list[str | None]:
    return tokens.make_tokens(pl.Series(values, dtype=pl.String), what, secret).to_list()


def a_force(folder: Path, *rows: str, header: str = "at,code,phone,house,street,name") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "force.toml").write_text(FORCE)
    (folder / "calls.toml").write_text(MAP)
    (folder / "calls.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_one_number_gives_one_token_however_it_is_spaced():
    first, second, other = made("07700 900123", "(07700) 900-123", "07700 900124")
    assert first == second != other


def test_one_place_gives_one_token_however_it_is_cased_but_house_numbers_count():
    first, second, other = made("1, High St", "1 HIGH  ST.", "11 High St", what="place_token")
    assert first == second != other


def test_nobody_is_never_one_caller():
    assert made("withheld", "Anonymous", "0000000", "unknown", "N/A", "", None) == [None] * 7


def test_another_secret_and_another_field_give_other_tokens():
    token = made("07700900123")
    assert token != made("07700900123", secret=bytes(32))
    assert token != made("07700900123", what="place_token")


@settings(deadline=None)
@given(st.text(min_size=1))
def test_a_token_of_its_own_is_given_back_as_it_is_and_gives_nothing_away(value):
    (token,) = made(value)
    if token is not None:
        assert tokens.is_token(pl.Series([token])).all()
        assert made(token) == [token]
        assert token != value


def test_what_only_looks_like_a_token_is_no_token():
    forged = "c:" + "0" * 24
    assert made(forged) != [forged]


def test_an_import_stores_neither_number_nor_address_anywhere(tmp_path):
    folder = a_force(
        tmp_path / "force",
        "2026-01-01 10:00,A,07700 900123,1,Quay Street,Ann Other",
        "not a time,A,07700900123,1,Quay Street,Ann Other",
        "2026-01-01 11:00,A,07700900123,1,Quay Street,Ann Other,too many",
    )
    done = intake.import_extract(folder, folder / "calls.csv")
    (folder / "calls.csv").unlink()

    aside = Store(folder).quarantined().sort("row_number")
    assert done.batch["rows_quarantined"] == aside.height == 2
    caller = Store(folder).read("incidents")["caller_token"].item()
    assert caller in aside["raw_row"][0]
    assert aside["raw_row"][1] is None
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for told in (b"900123", b"Quay", b"Other"):
        assert told not in everything


def test_the_same_value_gives_the_same_token_in_a_later_import(tmp_path):
    folder = a_force(tmp_path / "force", "2026-01-01 10:00,A,07700 900123,1,High St,")
    intake.import_extract(folder, folder / "calls.csv")
    a_force(folder, "2026-01-02 10:00,B,07700900123,1,HIGH ST,")
    intake.import_extract(folder, folder / "calls.csv")

    stored = Store(folder).read("incidents")
    assert stored.height == 2
    assert stored["caller_token"].n_unique() == stored["place_token"].n_unique() == 1


def test_the_secret_is_the_forces_own_and_for_its_owner_alone(tmp_path):
    found = []
    for name in ("east", "west"):
        folder = a_force(tmp_path / name, "2026-01-01 10:00,A,07700 900123,1,High St,")
        intake.import_extract(folder, folder / "calls.csv")
        assert stat.S_IMODE((folder / tokens.SECRET_FILE).stat().st_mode) == 0o600
        found.append(Store(folder).read("incidents")["caller_token"].item())
    assert found[0] != found[1]


def test_no_secret_is_made_where_no_token_is(tmp_path):
    folder = a_force(tmp_path / "force", "2026-01-01 10:00,A,,,,")
    intake.import_extract(folder, folder / "calls.csv")
    assert not (folder / tokens.SECRET_FILE).exists()


def test_a_lost_secret_is_told_and_no_second_one_is_made(tmp_path):
    folder = a_force(tmp_path / "force", "2026-01-01 10:00,A,07700 900123,1,High St,")
    intake.import_extract(folder, folder / "calls.csv")
    (folder / tokens.SECRET_FILE).unlink()
    with pytest.raises(BadSettings, match=r"tokens\.key' is missing.*Put it back from a backup"):
        intake.import_extract(folder, folder / "calls.csv")
    (folder / tokens.SECRET_FILE).write_text("something else")
    with pytest.raises(BadSettings, match="is not what was written there"):
        intake.import_extract(folder, folder / "calls.csv")


def test_rows_without_a_number_of_their_own_are_numbered_without_the_caller(tmp_path):
    rows = ["2026-01-01 10:00,A,07700 900123,1,High St,", "2026-01-01 10:00,A,07700 900124,1,High St,"]
    ids = []
    for name in ("east", "west"):
        folder = a_force(tmp_path / name, *rows)
        intake.import_extract(folder, folder / "calls.csv")
        ids.append(set(Store(folder).read("incidents")["incident_id"]))
    assert len(ids[0]) == 2
    assert not ids[0] & ids[1]
