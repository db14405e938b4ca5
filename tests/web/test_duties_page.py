"""The page of named duties: who is on the sheet and what each can do, for those who may know, and never why not."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import polars as pl
import pytest

from bluelamp import periods, tables
from bluelamp import settings as settings_
from bluelamp.errors import UsageError
from bluelamp.state import accounts
from bluelamp.store import Store
from bluelamp.web.duties_page import render_duties_page
from tests.drawn import drawn
from tests.web.served import PASSWORD, copied, with_accounts

ROW = re.compile(r'<tr data-key="([^"]+)">(.*?)</tr>', re.S)
ZONE = "Europe/London"


@pytest.fixture(scope="module")
def served(small_force: Path, tmp_path_factory: pytest.TempPathFactory):
    return with_accounts(copied(small_force, tmp_path_factory.mktemp("duties") / "lantern", is_written=True))


@pytest.fixture(scope="module")
def store(small_force: Path) -> Store:
    return Store(small_force)


def rows_of(page: str, table: str) -> dict[str, str]:
    within = page[page.index(f'data-table="{table}"') :]
    return {unescape(key): row for key, row in ROW.findall(within[: within.index("</table>")])}


def of_day(duties: pl.DataFrame, day: date) -> pl.DataFrame:
    return duties.filter(pl.coalesce("duty_day", periods.duty_day(pl.col("starts_at"), ZONE, 7)) == day)


def test_a_planner_sees_who_is_on_the_sheet_with_what_each_can_not_do(served, store):
    _, client = served
    duties, people = store.read("duties"), store.read("people")
    day = store.latest_run()["forecast_from"].astimezone(periods.zone(ZONE)).date()
    pool = of_day(duties, day)["pool_id"].drop_nulls().sort()[0]
    page = client("planner").get(f"/duties?day={day}&pool={pool}").text
    shown = rows_of(page, "duties")
    theirs = of_day(duties, day).filter(pool_id=pool)
    planned = theirs.filter(pl.col("kind").ne_missing("worked"))
    assert set(shown) <= set(theirs["duty_id"])
    assert {person for person in theirs["person_id"] if f">{person}<" in page} == set(theirs["person_id"])
    assert planned.height
    limits = dict(people.select("person_id", "may_drive_on_response").iter_rows())
    for row in theirs.filter(pl.col("duty_id").is_in(list(shown))).iter_rows(named=True):
        assert ("not driving on response" in shown[row["duty_id"]]) is (limits[row["person_id"]] is False)


def test_the_kind_of_an_absence_is_nowhere(served, store):
    app, client = served
    day = store.latest_run()["forecast_from"].astimezone(periods.zone(ZONE)).date()
    rows = of_day(store.read("duties"), day).sort("duty_id").head(40)
    kinds = ["leave", "sickness", "training", "court", "secondment"]
    absences = rows.select("person_id", "starts_at", "ends_at").with_row_index("absence_id").with_columns(
        pl.format("a{}", "absence_id").alias("absence_id"),
        kind=pl.Series([kinds[number % 5] for number in range(rows.height)]),
    )  # fmt: skip
    with Store(app.state.published.folder).writing("absences", source_name="absences.csv") as batch:
        batch.add(absences.select(tables.table("absences").columns))
    planner = client("planner")
    page = planner.get(f"/duties?day={day}").text
    for pool in rows["pool_id"].drop_nulls().unique():
        page += planner.get(f"/duties?day={day}&pool={pool}").text
    assert page.count("<td>away</td>") >= rows.filter(pl.col("kind").ne_missing("worked")).height
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    for kind in kinds:
        assert not any(kind in cell for cell in cells), kind
    assert "sickness" not in page


def test_a_supervisor_sees_the_own_teams_alone_and_others_nobody(served, store):
    app, client = served
    people, duties = store.read("people"), store.read("duties")
    pool, team = people.drop_nulls(["pool_id", "team"]).sort("pool_id", "team").select("pool_id", "team").row(0)
    accounts.add(
        app.state.admission.state, "own.team", "supervisor", "LV", password=PASSWORD, teams=(f"{pool}/{team}",)
    )
    theirs = set(people.filter(pool_id=pool, team=team)["person_id"])
    day = next(
        each for each in pl.date_range(date(2026, 10, 19), date(2026, 11, 20), eager=True)
        if set(of_day(duties, each)["person_id"]) & theirs
    )  # fmt: skip
    page = client("own.team").get(f"/duties?day={day}").text
    named = set(re.findall(r'<th scope="row">([^<]+)</th>', page))
    assert named & theirs
    assert not named & (set(people["person_id"]) - theirs)
    assert "/tables/duties.csv" not in page
    for role in ("viewer", "analyst", "chief", "auditor", "administrator", "peer_force"):
        assert client(role).get("/duties").status_code == 403, role
        home = client(role).get("/account").text
        assert 'href="/duties"' not in home, role
    assert 'href="/duties"' in client("planner").get("/account").text


def test_a_planner_of_one_district_sees_the_pools_that_cover_it(served, store):
    app, client = served
    from bluelamp.reading import read_table

    folder = app.state.published.folder
    areas, pools = read_table(folder, "areas"), read_table(folder, "pools")
    district = areas.filter(level="district")["area_id"].sort()[0]
    accounts.add(app.state.admission.state, "one.sheet", "planner", "LV", password=PASSWORD, districts=(district,))
    inside = set(areas.filter(parent_id=district)["area_id"])
    covering = set(pools.filter(pl.col("area_id").is_in(list(inside)))["pool_id"])
    others = set(store.read("duties")["pool_id"].drop_nulls()) - covering
    assert others
    sheets = rows_of(client("one.sheet").get("/duties").text, "sheets")
    assert sheets
    assert {key.split()[0] for key in sheets} <= covering


def _drawn(name: str, text: str) -> pl.DataFrame:
    return drawn(name, *text.strip().splitlines())


def sheet(day: date | None = None, *, twice: bool = False, **asked):
    duties = _drawn(
        "duties",
        """
        duty_id | person_id | role_code | pool_id | starts_at         | ends_at           | kind
        d1      | p1        | response  | R-1     | 2026-11-23T07:00Z | 2026-11-23T15:00Z | planned
        d2      | p1        | response  | R-1     | 2026-11-23T08:00Z | 2026-11-23T15:00Z | worked
        d3      | p2        | response  | R-1     | 2026-11-23T23:00Z | 2026-11-24T07:00Z | planned
        d4      | p3        | response  | R-1     | 2026-11-24T02:00Z | 2026-11-24T06:00Z | planned
        d5      | p3        | response  | R-1     | 2026-11-24T07:00Z | 2026-11-24T15:00Z | planned
        """,
    )
    if twice:  # p1 worked the evening, too
        again = duties.filter(duty_id="d2").with_columns(
            duty_id=pl.lit("d6"), starts_at=pl.col("starts_at") + timedelta(hours=8),
            ends_at=pl.col("ends_at") + timedelta(hours=4),
        )  # fmt: skip
        duties = pl.concat([duties, again])
    people = _drawn(
        "people",
        """
        person_id | role_code | pool_id | team | may_be_deployed | may_drive_on_response | valid_to
        p1        | response  | R-1     | A    | true            | false                 | 2026-11-23
        p2        | response  | R-1     | A    | false           |                       |
        p3        | response  | R-1     | B    | true            | true                  |
        """,
    )
    away = pl.DataFrame(
        {"person_id": ["p2"], "starts_at": [duties["starts_at"].max() - timedelta(hours=3)],
         "ends_at": [duties["ends_at"].max()]}
    )  # fmt: skip
    settings = settings_.parse('[force]\nid = "X"\nname = "X"\ntime_zone = "Europe/London"\n')
    return render_duties_page(duties, people, away, settings, day=day, **asked)


def test_a_worked_duty_takes_the_place_of_the_planned_one_and_a_night_belongs_to_its_first_day():
    shown = rows_of(sheet(date(2026, 11, 23)), "duties")
    assert list(shown) == ["d2", "d3", "d4"]
    assert "not driving on response" in shown["d2"]
    assert "not sent to incidents" in shown["d3"]
    assert "driving" not in shown["d3"], "what is not known is not said to be a limit"
    assert "no limit known" in shown["d4"], "one flag of three is not given"
    assert ">away<" in shown["d3"]
    assert ">yes<" in shown["d4"]


def test_people_are_counted_once_however_many_duties_they_have():
    page = sheet(date(2026, 11, 23))
    assert "3 duties on the sheet of Monday 23 November, of 3 people; 1 person is away" in page
    assert "Of those who are there, 1 may not drive on response." in page
    split = sheet(date(2026, 11, 23), twice=True)
    assert "4 duties on the sheet of Monday 23 November, of 3 people; 1 person is away" in split
    assert "Of those who are there, 1 may not drive on response." in split


def test_a_day_or_pool_without_duties_is_refused():
    with pytest.raises(UsageError, match="They reach from 2026-11-23 to 2026-11-24"):
        sheet(date(2026, 12, 1))
    with pytest.raises(UsageError, match="Pool 'R-9' has no duties"):
        sheet(date(2026, 11, 23), pool="R-9")
