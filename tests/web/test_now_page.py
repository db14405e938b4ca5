"""The screen on the wall: its figures are those of the tables, it says how old they are, and it names nobody's log."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.store import Store
from bluelamp.web.app import make_app
from bluelamp.web.kept_fresh import Kept
from bluelamp.web.now_page import NAMES, Look, render_now_page
from tests.web.served import copied, with_accounts

HOUR_CELL = re.compile(r'<td class="number" data-key="(\S+) (\S+)" data-field="(\w+)" data-value="([^"]*)"')
CELL = re.compile(r'data-table="(\w+)" data-key="([^"]+)" data-value="([^"]*)"')


@pytest.fixture(scope="module")
def client(watched_force: Path) -> TestClient:
    app = make_app(watched_force)
    at = app.state.published.look.get().value.near.at
    app.state.wall.clock = lambda: at + timedelta(minutes=4)
    return TestClient(app)


@pytest.fixture(scope="module")
def look(client: TestClient) -> Look:
    return client.app.state.published.look.get().value  # type: ignore[attr-defined]


def shown(look: Look, now: datetime | None = None, **asked: object) -> str:
    return render_now_page(
        Kept(look), force_name="Lantern", time_zone="Europe/London", now=now or look.near.at, **asked
    )  # type: ignore[arg-type]


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_every_figure_of_the_hours_is_that_of_the_table(client):
    rows = {
        (row["hour_starting"], row["grade_code"]): row
        for row in client.get("/now/next_dispatch.json?level=force").json()
    }
    cells = HOUR_CELL.findall(client.get("/now").text)
    assert {field for _, _, field, _ in cells} == {
        "calls_mean", "share_late", "units_on_duty", "units_at_work_mean", "logs_waiting_mean"
    }  # fmt: skip
    assert len({at for at, *_ in cells}) == 12
    for at, grade, field, value in cells:
        assert float(value) == rows[at, grade][field]


def test_logs_units_and_what_is_handed_over_are_those_of_their_tables(client):
    page = client.get("/now?hours=24").text
    logs = pl.DataFrame(client.get("/now/open_logs.json?level=force").json())
    units = pl.DataFrame(client.get("/now/units_now.json").json())
    backlog = {
        (row["at"], row["grade_code"], row["minutes_from"]): row["logs_mean"]
        for row in client.get("/now/backlog.json?level=force").json()
    }
    seen = {"open_logs": 0, "units_now": 0, "backlog": 0}
    for table, key, value in CELL.findall(page):
        seen[table] += 1
        if table == "open_logs" and key.endswith(" all"):
            assert int(value) == logs.filter(grade_code=key.removesuffix(" all"))["logs_waiting"].sum()
        elif table == "units_now" and key.endswith((" Free", " At scene")):
            place, stage = key.rsplit(" ", 1)[0].removesuffix(" At"), key.rsplit(" ", 1)[1]
            mine = units.filter(stage={"Free": "available", "scene": "at_scene"}[stage])
            whole = mine.filter(level="force") if place == "force" else mine.filter(level="pool", place_id=place)
            assert int(value) == whole["units"].sum()
        elif table == "backlog":
            at, grade, minutes = key.split()
            assert float(value) == backlog[at, grade, int(minutes)]
    assert all(seen.values()), seen
    assert f"{logs['logs_waiting'].sum()} open log" in words_of(page)


def test_units_are_free_again_when_the_table_says(look):
    page = shown(look)
    told = {float(left) for left in re.findall(r'data-left="([^"]+)"', page)}
    at_scene = look.near.units.filter(level="force", stage="at_scene").drop_nulls("minutes_left")
    left = (at_scene["minutes_left"] * at_scene["units_told"]).sum() / at_scene["units_told"].sum()
    assert any(left == pytest.approx(each) for each in told)
    free_at = (look.near.at + timedelta(minutes=left)).astimezone(UTC) + timedelta(hours=1)
    assert f"~{free_at:%H:%M}" in page.replace("~Mon ", "~")


def test_the_headline_is_where_most_calls_of_the_most_urgent_grade_will_be_late(look):
    page = shown(look)
    known = look.near.hours.filter(
        pl.col("level") == "pool", pl.col("hour_starting") < pl.col("hour_starting").min() + timedelta(hours=12),
        pl.col("grade_code") == "1", pl.col("share_late") > 0.1,
    )  # fmt: skip
    assert known.height, "the made-up force has no late call, so that this tests nothing"
    row = known.sort(pl.col("calls_mean") * pl.col("share_late"), descending=True).row(0, named=True)
    local = row["hour_starting"] + timedelta(hours=1)
    title = re.search(r'<h2 id="headline-title".*?</h2>', page, re.S)
    assert title is not None
    where = f" in {row['place_id']}" if look.near.hours.filter(level="pool")["place_id"].n_unique() > 1 else ""
    assert words_of(title[0]) == (f"Grade 1: most late calls at {local:%H:%M}{where}, {100 * row['share_late']:.0f}%")
    assert "Promised: 10% late at most" in page


def test_the_picture_names_the_pool_where_most_calls_will_be_late(look):
    hours = look.near.hours
    first = hours["hour_starting"].min()
    pool = hours.filter(level="pool")["place_id"][0]
    other = hours.filter(level="pool", place_id=pool).with_columns(place_id=pl.lit("R-X9"))
    is_it = (pl.col("place_id") == "R-X9") & (pl.col("grade_code") == "1") & (pl.col("hour_starting") == first)
    told = pl.concat([hours, other]).with_columns(
        share_late=pl.when(is_it).then(0.77).when(pl.col("level") == "pool").then(0.01).otherwise("share_late"),
        calls_mean=pl.when(is_it).then(5.0).otherwise("calls_mean"),
    )  # fmt: skip
    page = shown(replace(look, near=replace(look.near, hours=told)))
    assert page.count(">R-X9 77<") == 2
    assert len(re.findall(r">R-X9 \d+<", page)) == 2
    assert "R-X9 77" not in shown(replace(look, near=replace(look.near, hours=told)), pool="R-X9")


def test_where_nothing_will_be_late_it_says_so_and_what_comes_closest(look):
    calm = replace(look, near=replace(look.near, hours=look.near.hours.with_columns(
        share_late=pl.when(pl.col("share_late").is_not_null()).then(0.02)
    )))  # fmt: skip
    page = words_of(shown(calm))
    assert "No grade is likely to be late more often than promised" in page
    assert "The closest: grade 1" in page


def test_one_pool_may_be_asked_for_and_a_wrong_one_gets_a_sentence(client, look):
    pool = look.near.hours.filter(level="pool")["place_id"][0]
    page = client.get(f"/now?pool={pool}&hours=6").text
    rows = {
        (row["hour_starting"], row["grade_code"]): row
        for row in client.get(f"/now/next_dispatch.json?level=pool&place_id={pool}").json()
    }
    cells = HOUR_CELL.findall(page)
    assert len({at for at, *_ in cells}) == 6
    assert all(float(value) == rows[at, grade][field] for at, grade, field, value in cells)
    theirs = [area for area, of in look.near.pool_of_area.items() if of == pool]
    waiting = look.near.logs.filter(pl.col("level") == "area", pl.col("place_id").is_in(theirs))["logs_waiting"].sum()
    assert f"{waiting} open log" in words_of(page)
    assert f"/now?hours=6&amp;pool={pool}&amp;theme=light" not in page
    refused = client.get(f"/now?pool={pool}x")
    assert refused.status_code == 400
    assert f"Did you mean &#x27;{pool}&#x27;" in refused.text
    assert client.get("/now?hours=25").status_code == 422


@pytest.mark.parametrize(
    ("age", "kind", "words"),
    [
        (timedelta(minutes=20), None, None),
        (timedelta(minutes=21), "stale", "Nothing has come in for 21 min: this is how things stood at"),
        (timedelta(hours=24), "stale", "Nothing has come in for 24 h"),
        (timedelta(hours=25), "old", "Do not work from this screen: nothing has come in for 25 h"),
        (-timedelta(hours=2), "stale", "2 h 0 min ahead of this machine's clock"),
    ],
)
def test_it_says_how_old_its_data_is_and_loudly_after_a_day(look, age, kind, words):
    page = shown(look, look.near.at + age)
    assert ('id="stale"' in page) == (kind is not None)
    if kind:
        assert f'class="stale is-{kind}"' in page
        assert words in words_of(page)
    assert ("As of " in words_of(page)) == (kind == "old")


def test_hours_that_are_over_are_left_out_until_nothing_else_is_left(look):
    first = look.near.hours["hour_starting"].min()
    later = HOUR_CELL.findall(shown(look, first + timedelta(hours=5, minutes=10)))
    assert min(at for at, *_ in later) == f"{first + timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}"
    assert len({at for at, *_ in later}) == 12
    few = HOUR_CELL.findall(shown(look, first + timedelta(hours=20, minutes=10)))
    assert len({at for at, *_ in few}) == 4
    none = shown(look, first + timedelta(days=3))
    assert len({at for at, *_ in HOUR_CELL.findall(none)}) == 12
    assert "12 hours from " in words_of(none)


def moved(look: Look, to: datetime) -> Look:
    """Give the same as if the first hour had been another."""
    near = look.near
    by = to - near.hours["hour_starting"].min()
    return replace(look, near=replace(
        near, at=near.at + by, hours=near.hours.with_columns(pl.col("hour_starting") + by),
        backlog=near.backlog.with_columns(pl.col("at") + by), logs=near.logs.with_columns(pl.col("at") + by),
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("begins", "labels"),
    [
        (datetime(2026, 10, 24, 23, tzinfo=UTC), ["00:00", "01:00 BST", "01:00 GMT", "02:00"]),
        (datetime(2027, 3, 28, 0, tzinfo=UTC), ["00:00", "02:00", "03:00", "04:00"]),
    ],
)
def test_on_the_nights_of_a_clock_change_each_hour_has_a_name_of_its_own(look, begins, labels):
    page = shown(moved(look, begins), begins + timedelta(minutes=10))
    rows = re.findall(r'<th scope="row" class="when">([^<]+)</th><td class="number" data-key="\S+ all"', page)
    assert rows[:4] == labels
    assert len(rows) == len(set(rows)) == 12
    assert ("BST" if begins.month == 10 else "GMT") in words_of(page)


def test_a_force_without_a_run_is_told_what_makes_one(tmp_path: Path):
    folder = tmp_path / "bare"
    write_twin(folder, make_twin(areas=4, days=14, seed=1, until=date(2026, 10, 19), weekly_incidents=50))
    client = TestClient(make_app(folder))
    page = client.get("/now")
    assert page.status_code == 200
    assert "'bluelamp plan" in words_of(page.text)
    assert client.get("/now/open_logs.json").status_code == 404


def test_without_duties_and_a_status_log_it_says_what_is_not_known(called_force: Path):
    client = TestClient(make_app(called_force))
    page = words_of(client.get("/now").text)
    assert "There is no status log, so that nobody knows what units are doing." in page
    assert "Nobody knows yet who is on duty" in page
    assert client.get("/now/units_now.json").json() == []


def test_where_logs_do_not_tell_who_was_sent_nobody_is_said_to_wait(look):
    near = replace(look.near, logs=look.near.logs.clear(), units=look.near.units.clear())
    page = words_of(shown(replace(look, near=near)))
    assert "so that nobody knows what waits" in page
    assert "have no unit" not in page


def test_while_newer_figures_are_made_and_where_they_could_not_be_it_says_so(look):
    kept = Kept(look, is_old=True)
    asked = {"force_name": "L", "time_zone": "Europe/London", "now": look.near.at}
    page = render_now_page(kept, **asked)
    assert 'data-renewing="1"' in page
    assert "newer figures are being worked out" in page
    page = words_of(render_now_page(Kept(look, problem="The <run> is gone."), **asked))
    assert "could not be worked with, so that these are earlier figures: The <run> is gone." in page


def test_a_name_is_never_read_as_markup(look):
    bad = "<script>x</script>"
    pools = look.near.hours.filter(level="pool")["place_id"].unique().to_list()
    near = replace(
        look.near,
        hours=look.near.hours.with_columns(pl.col("place_id").replace({pools[0]: bad})),
        notes=[bad],
    )
    page = render_now_page(
        Kept(replace(look, near=near)), force_name=bad, time_zone="Europe/London", now=near.at, pool=bad
    )
    assert "<script>x" not in page


def test_no_log_unit_or_person_can_be_read_from_it(client, watched_force):
    page = client.get("/now?hours=24").text
    store = Store(watched_force)
    for table, column in (("incidents", "incident_id"), ("unit_status", "unit_id"), ("people", "person_id")):
        names = store.read(table)[column].drop_nulls().unique()
        assert names.len()
        assert not [name for name in names if re.search(rf"\b{re.escape(name)}\b", page)]


@pytest.mark.parametrize("name", NAMES)
def test_its_tables_have_addresses(client, look, name):
    assert len(client.get(f"/now/{name}.json").json()) == look.table(name).height > 0
    assert client.get(f"/now/{name}.csv").text.startswith("level,")
    assert f"/now/{name}.csv" in client.get("/now").text


@pytest.mark.parametrize("name", ["next_dispatch", "backlog"])
def test_what_is_simulated_is_among_the_tables_too(client, name):
    assert client.get(f"/tables/{name}.csv").text == client.get(f"/now/{name}.csv").text


def test_a_screen_on_the_wall_sees_it_without_addresses_that_are_not_for_it(watched_force, tmp_path):
    _, client = with_accounts(copied(watched_force, tmp_path / "force"))
    viewer, analyst, chief = client("viewer"), client("analyst"), client("chief")
    assert viewer.get("/now").status_code == 200
    assert "/now/" not in viewer.get("/now").text
    assert viewer.get("/now/next_dispatch.csv").status_code == 403
    assert "/now/open_logs.csv" in analyst.get("/now").text
    assert "/now/next_dispatch.csv" in chief.get("/now").text
    assert "/now/open_logs.csv" not in chief.get("/now").text
    assert chief.get("/now/open_logs.csv").status_code == 403
    assert client("peer_force").get("/now").status_code == 403


def test_how_it_looks_and_whether_it_holds_still_is_in_the_address(client):
    assert '<html lang="en" data-theme="dark">' in client.get("/now").text
    assert '<html lang="en" data-theme="light">' in client.get("/now?theme=light").text
    assert 'http-equiv="refresh" content="60"' in client.get("/now").text
    assert "http-equiv" not in client.get("/now?hold=true").text
    assert client.get("/now?theme=pink").status_code == 422


def test_a_district_is_shown_its_own_logs_and_the_hours_of_the_pool_that_covers_it(client, look):
    district, name = next(iter(look.districts.names.items()))
    page = client.get(f"/now?district={district}&hours=24").text
    coverage = Store(client.app.state.published.folder).result("coverage").filter(level="area")
    theirs = look.districts.areas[district]
    rows = look.near.hours.filter(level="pool")
    cells = HOUR_CELL.findall(page)
    assert cells
    for at, grade, field, value in cells:
        begins = datetime.fromisoformat(at)
        covering = coverage.filter(pl.col("place_id").is_in(list(theirs)), hour_starting=begins)["pool_id"].unique()
        assert covering.len() == 1, "in the made-up force one pool covers a district"
        row = rows.filter(hour_starting=begins, grade_code=grade, place_id=covering[0]).row(0, named=True)
        assert float(value) == row[field]
    waiting = look.near.logs.filter(pl.col("place_id").is_in(list(theirs)))["logs_waiting"].sum()
    assert f"{waiting} open log" in words_of(page)
    assert f"Open logs are those of {name} alone" in words_of(page)


def test_units_of_a_district_are_those_of_the_pools_that_cover_it_in_these_hours(client, look):
    for district, by_hour in look.districts.pools.items():
        page = shown(look, district=district)
        named = {key.split()[0] for table, key, _ in CELL.findall(page) if table == "units_now"} - {"force"}
        assert named <= set(by_hour.values())
        assert named


def test_a_place_that_is_not_there_or_two_at_once_are_refused(client, look):
    district = next(iter(look.districts.names))
    pool = look.near.hours.filter(level="pool")["place_id"][0]
    assert "There is no district 'D99'" in unescape(client.get("/now?district=D99").text)
    both = client.get(f"/now?district={district}&pool={pool}")
    assert both.status_code == 400
    assert "not both" in both.text


def test_the_district_stays_in_every_address_of_the_page(client, look):
    district = next(iter(look.districts.names))
    page = unescape(client.get(f"/now?district={district}&theme=light").text)
    assert f'id="hours-6" href="/now?hours=6&district={district}&theme=light"' in page
    assert 'id="place-all" href="/now?theme=light"' in page
