"""The scoreboard: scores that can be worked out by hand, and a switch that noise trips and a sound method does not."""

from __future__ import annotations

import json
import shutil
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp import extensions, plan, scoreboard, standing, tables
from bluelamp.cli import app
from bluelamp.forecast import NAIVE, slot_mean
from bluelamp.scoreboard import Scoreboard, fileable, make_scoreboard
from bluelamp.scoreboard._scores import LEVELS, weights
from bluelamp.store import Store
from bluelamp.store import filed as filing
from tests.drawn import drawn
from tests.forecast.made import LONDON, areas_in, demand_of, forecast_of, hours_of, midnight

TWO = areas_in({"n1": "north", "s1": "south"})
ONE = areas_in({"n1": "north"})
MONDAY = date(2025, 1, 6)
NO_OUTAGE = tables.empty("outages")


@dataclass(frozen=True)
class Made:
    """A forecast filed in memory."""

    line: Mapping[str, Any]
    table: pl.DataFrame

    def rows(self) -> pl.DataFrame | None:
        return self.table


def line_of(number: int, made_at: datetime, rows: pl.DataFrame, method: str) -> dict[str, Any]:
    first: datetime = rows["hour_starting"].min()  # type: ignore[assignment]
    return {"number": number, "made_at": made_at.isoformat(), "first_at": first.isoformat(), "method": method}


def flat(
    method: str, first_day: int, days: int, mean: float, *, level: str = "force", place: str = "F"
) -> pl.DataFrame:
    """A forecast of so many each hour, sure of it, from a day on."""
    hours = hours_of(first_day + days).filter(hours_of(first_day + days) >= midnight(first_day))
    starts = [midnight(day) for day in range(first_day, first_day + days)]
    days_starting = pl.Series(starts, dtype=hours.dtype)
    whole = pl.concat(
        pl.DataFrame({"span": span, "hour_starting": at, "mean": value})
        for span, at, value in (("hour", hours, mean), ("day", days_starting, 24 * mean))
    )
    return whole.select(
        pl.lit(method).alias("method"), pl.lit(level).alias("level"), pl.lit(place).alias("area_id"), "span",
        "hour_starting", "mean", *(pl.col("mean").cast(pl.Int64).alias(name) for name in LEVELS),
    )  # fmt: skip


def board(filed: list[Made], demand: pl.DataFrame, until: datetime, **changed: Any) -> Scoreboard:
    wanted = {"method": "ours", "force_id": "F", "time_zone": LONDON, **changed}
    areas, outages = wanted.pop("areas", ONE), wanted.pop("outages", NO_OUTAGE)
    return make_scoreboard(filed, demand, outages, areas, data_until=until, **wanted)


def steady(days: int, each: int = 4) -> pl.DataFrame:
    return demand_of(hours_of(days), {("n1",): each})


# ---- scores ----


def filed_once(mean: float = 5.0, first_day: int = 0, days: int = 7, number: int = 1, ahead: int = 1) -> Made:
    rows = flat("ours", first_day, days, mean)
    return Made(line_of(number, midnight(first_day) - timedelta(hours=24 * ahead - 23), rows, "ours"), rows)


def score_of(found: Scoreboard, **where: str) -> dict[str, Any]:
    return found.tables["scoreboard_scores"].filter(**where).row(0, named=True)


def test_weights_of_the_quantiles_are_the_shares_that_they_stand_for():
    assert sum(weights().values()) == pytest.approx(1)
    assert weights()["p50"] == pytest.approx(0.25)


def test_a_forecast_without_spread_is_scored_by_how_far_it_lay_off():
    found = score_of(board([filed_once(5.0)], steady(7), midnight(7)), span="hour", horizon="latest")
    # Without spread, twice the weighted pinball loss is 2 Σ w (1 − τ) = the distance, because weights are symmetric.
    assert (found["scrps"], found["wape"], found["bias"]) == pytest.approx((0.25, 0.25, 0.25))
    assert (found["forecasts"], found["incidents"], found["coverage_80"]) == (168, 672, 0.0)
    right = score_of(board([filed_once(4.0)], steady(7), midnight(7)), span="day", horizon="latest")
    assert (right["scrps"], right["coverage_50"], right["forecasts"]) == (0.0, 1.0, 7)


def test_the_score_is_near_the_crps_of_the_whole_distribution():
    chance = np.random.default_rng(3)
    drawn_of = chance.poisson(20, 100_000)
    quantiles = np.quantile(drawn_of, list(LEVELS.values()), method="inverted_cdf").astype(int)
    came = chance.poisson(20, 168)
    rows = flat("ours", 0, 7, 20.0).filter(span="hour").with_columns(
        pl.lit(int(each)).alias(name) for name, each in zip(LEVELS, quantiles, strict=True)
    )  # fmt: skip
    demand = demand_of(hours_of(7), {("n1",): came})
    found = score_of(board([Made(line_of(1, midnight(0), rows, "ours"), rows)], demand, midnight(7)), span="hour",
                     horizon="latest")  # fmt: skip
    apart = np.abs(drawn_of[:50_000] - drawn_of[50_000:]).mean() / 2
    crps = np.mean([np.abs(drawn_of - each).mean() - apart for each in came])
    assert found["scrps"] == pytest.approx(crps / came.mean(), rel=0.05)


def test_nothing_is_scored_before_it_has_passed_and_nothing_in_an_outage():
    half = score_of(board([filed_once()], steady(7), midnight(3) + timedelta(hours=6)), span="hour", horizon="latest")
    assert half["forecasts"] == 78
    outage = drawn(
        "outages", "starts_at | ends_at | rule | incidents", "2025-01-07T06:00Z | 2025-01-07T09:00Z | declared | 0"
    )
    found = board([filed_once()], steady(7), midnight(7), outages=outage)
    assert score_of(found, span="hour", horizon="latest")["forecasts"] == 165
    assert score_of(found, span="day", horizon="latest")["forecasts"] == 6
    assert board([filed_once()], steady(7), midnight(0)).tables["scoreboard_scores"].is_empty()


def test_of_a_day_the_latest_filed_before_it_counts_and_all_count_by_how_far_ahead():
    early, late = filed_once(5.0, days=14), filed_once(4.0, first_day=7, days=7, number=2)
    found = board([early, late], steady(14), midnight(14))
    assert score_of(found, span="hour", horizon="latest")["scrps"] == pytest.approx(0.125)
    assert score_of(found, span="hour", horizon="days_8_28")["scrps"] == pytest.approx(0.25)
    assert score_of(found, span="hour", horizon="days_2_7")["forecasts"] == 2 * 6 * 24
    assert score_of(found, span="day", horizon="day_1")["wape"] == pytest.approx(0.125)


def test_only_whole_days_that_begin_after_it_was_made_are_filed():
    rows = flat("ours", 0, 7, 4.0)
    kept = fileable(rows, midnight(2) + timedelta(hours=7), LONDON)
    assert kept["hour_starting"].min() == midnight(3)
    assert kept.filter(span="day").height == 4
    assert fileable(rows, midnight(7), LONDON).is_empty()


def test_clock_changes_and_other_methods_do_no_harm():
    rows = flat("ours", 80, 7, 4.0)  # the last Sunday of March lies in it
    filed = [Made(line_of(1, midnight(79), rows, "ours"), rows), Made(line_of(2, midnight(79), rows, "theirs"), rows)]
    found = score_of(board(filed, steady(87), midnight(87)), span="hour", horizon="latest")
    assert (found["forecasts"], found["bias"]) == (167, 0.0)
    assert board(filed[1:], steady(87), midnight(87)).tables["scoreboard_scores"].is_empty()


# ---- the switch, through forecasts of the real family ----

WEEKS, BASE = 28, 70


def _fit_noise(history: Any, series: Any) -> Any:
    """Know all but the hours of the north: these are others each time."""
    model = slot_mean.fit(history, series)
    factor = np.exp(np.random.default_rng(len(history.calendar.days)).normal(0, 0.8, model.slot_rates.shape[2]))
    here = np.array([area == "n1" for area in series.area_ids])
    return replace(model, slot_rates=np.where(here[:, None, None], model.slot_rates * factor, model.slot_rates))


@pytest.fixture(scope="module")
def noise() -> Iterator[str]:
    """Another package that offers a forecaster 'noise'."""
    module = types.ModuleType("noisy_package")
    module.fit = _fit_noise  # type: ignore[attr-defined]
    extensions.members.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "noisy_package", module)
        point = EntryPoint("noise", "noisy_package", "bluelamp.forecast")
        patch.setattr(extensions, "entry_points", lambda *, group: [point] if group == point.group else [])
        yield "noise"
    extensions.members.cache_clear()


def world() -> pl.DataFrame:
    chance = np.random.default_rng(8)
    hours = hours_of(BASE + 7 * WEEKS)
    shape = np.resize(1 + 0.5 * np.sin(np.arange(24) / 24 * 2 * np.pi), len(hours))
    return demand_of(hours, {("n1",): chance.poisson(1.5 * shape), ("s1",): chance.poisson(12 * shape)})


@pytest.fixture(scope="module")
def weekly(noise: str) -> list[Made]:
    """A forecast by noise of the coming week, each Sunday evening, each knowing only what had come."""
    filed, demand = [], world()
    for week in range(WEEKS):
        starts = midnight(BASE + 7 * week)
        made = forecast_of(demand, TWO, starts, method=noise, paths=40, path_days=7, days=7, beside=NAIVE)
        assert made.beside is not None
        rows = fileable(made.beside, starts - timedelta(hours=1), LONDON)
        # Of districts alone: what one of them does would be seen in the force, too.
        rows = rows.filter(level="district")
        filed.append(Made(line_of(week + 1, starts - timedelta(hours=1), rows, noise), rows))
    return filed


def test_noise_trips_the_switch_where_it_is_and_nowhere_else(weekly):
    until = midnight(BASE + 7 * WEEKS)
    found = board(weekly, world(), until, method="noise", areas=TWO)
    places = {row["area_id"]: row for row in found.tables["scoreboard_places"].iter_rows(named=True)}
    north = places["north"]
    assert north["in_use"] in NAIVE
    assert north["since"] < until
    assert places["south"]["in_use"] == "noise"
    assert found.instead == {"north": north["in_use"]}
    (words,) = scoreboard.say_switched(found.tables["scoreboard_places"], LONDON)
    assert words.startswith(f"For district north, {north['in_use']} stands in for noise since Monday")
    # The week in which it was switched is the first in which the bets reached 20.
    weeks = found.tables["scoreboard_weeks"].filter(area_id="north", against="slot_mean_8").sort("week_starting")
    switched = weeks["in_use_after"].to_list().index(north["in_use"])
    assert weeks["e_value_of_place"][switched] >= 20
    assert max(weeks["e_value_of_place"][:switched]) < 20


def test_a_sound_method_is_left_alone(weekly):
    sound = [
        Made(
            {**each.line, "method": "sound"}, each.table.with_columns(pl.col("method").replace("slot_mean_26", "sound"))
        )
        for each in weekly
    ]
    sound = [replace(each, table=each.table.filter(pl.col("method") != "noise")) for each in sound]
    found = board(sound, world(), midnight(BASE + 7 * WEEKS), method="sound", areas=TWO)
    assert found.instead == {}
    assert found.tables["scoreboard_places"]["weeks"].to_list() == [WEEKS] * 2
    assert found.tables["scoreboard_places"]["e_value"].max() < 5


# ---- real plans ----


def incidents_of(demand: pl.DataFrame) -> pl.DataFrame:
    """The incidents of each hour, spread over it."""
    rows = demand.sort("hour_starting", "area_id").with_columns(
        second=pl.int_ranges(pl.col("incidents")) * 3600 // pl.col("incidents")
    )
    rows = rows.explode("second").with_row_index("number")
    return tables.check(
        rows.select(
            incident_id="I" + pl.col("number").cast(pl.String), area_id="area_id", class_code=pl.lit("x"),
            received_at=pl.col("hour_starting") + pl.duration(seconds="second"), grade_code=pl.lit("1"),
            origin=pl.lit("public"),
        ),
        "incidents",
    )  # fmt: skip


def force_in(folder: Path, demand: pl.DataFrame, method: str) -> None:
    folder.mkdir()
    (folder / "force.toml").write_text(
        '[force]\nid = "F"\nname = "Two"\ntime_zone = "Europe/London"\n'
        f'[forecast]\nmethod = "{method}"\npaths = 40\npath_days = 7\ndays = 7\n'
    )
    for name, rows in (("areas", TWO), ("incidents", incidents_of(demand))):
        with Store(folder).writing(name, source_name="made") as batch:
            batch.add(tables.check(rows, name))


def test_a_plan_takes_the_method_that_stands_in_files_the_other_in_shadow_and_says_so(weekly, tmp_path):
    until = midnight(BASE + 7 * WEEKS)
    folder = tmp_path / "two"
    force_in(folder, world(), "noise")
    for each in weekly:
        made_at = datetime.fromisoformat(each.line["made_at"])
        about = dict.fromkeys(("made_at", "data_until", "forecast_from", "first_at", "last_at"), made_at)
        filing.file(folder, about | {"used": {}, "software_version": "0", "method": "noise"}, each.table)
    run_id = plan.plan(folder, now=lambda: until - timedelta(minutes=5))
    store = Store(folder)
    districts = store.result("forecast").filter(pl.col("level") == "district").select("area_id", "method").unique()
    named = dict(districts.iter_rows())
    assert named["north"] in NAIVE
    assert named["south"] == "noise"
    assert any("stands in for noise" in note for note in json.loads(store.latest_run()["notes"]))
    latest = filing.read(folder)[-1]
    assert latest.line["used"] == {"north": named["north"]}
    rows = latest.rows()
    assert rows is not None
    assert set(rows["method"]) == {"noise", *NAIVE}, "what was switched off is filed in shadow"
    shown = CliRunner().invoke(app, ["scoreboard", str(folder), "--run", run_id])
    assert shown.exit_code == 0, shown.output
    assert f"For district north, {named['north']} stands in for noise" in shown.output
    assert "Every one is as it was filed" in shown.output


@pytest.fixture(scope="module")
def filed_force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A force whose forecast was filed twice, a week apart, and that knows what came in the first of these weeks."""
    folder = tmp_path_factory.mktemp("forces") / "two"
    demand = world()
    first, second = midnight(BASE), midnight(BASE + 7)
    force_in(folder, demand.filter(pl.col("hour_starting") < first), "slot_mean")
    plan.plan(folder, now=lambda: first - timedelta(minutes=5))
    with Store(folder).writing("incidents", source_name="more") as batch:
        batch.add(incidents_of(demand.filter(pl.col("hour_starting") < second)))
    plan.plan(folder, now=lambda: second - timedelta(minutes=5))
    return folder


def test_every_plan_files_its_forecast_and_scores_those_before(filed_force):
    found = standing.read_standing(filed_force)
    assert found.faults == []
    assert found.filed["sequence"].to_list() == [1, 2]
    assert (found.filed["made_at"] < found.filed["first_at"]).all()
    assert found.filed["first_at"].to_list() == [midnight(BASE), midnight(BASE + 7)]
    scores = found.tables["scoreboard_scores"].filter(level="force", span="day", horizon="latest")
    assert set(scores["method"]) == {"slot_mean", *NAIVE}
    assert set(scores["forecasts"]) == {7}
    assert found.tables["scoreboard_places"]["weeks"].to_list() == [1, 1, 1]
    assert "The first 4 weeks only show how much weeks differ: 1 week so far." in found.sentences
    first = standing.read_standing(filed_force, Store(filed_force).runs()["run_id"][0])
    assert any("No filed forecast's time has passed yet" in each for each in first.sentences)


def test_a_run_that_is_killed_before_it_is_there_files_its_forecast_once(filed_force, tmp_path, monkeypatch):
    folder = tmp_path / "two"
    shutil.copytree(filed_force, folder)
    with Store(folder).writing("incidents", source_name="more") as batch:
        batch.add(incidents_of(world().filter(pl.col("hour_starting") < midnight(BASE + 14))))

    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_run", killed)
        with pytest.raises(SystemExit):
            plan.plan(folder, now=lambda: midnight(BASE + 14) - timedelta(minutes=5))
    made = plan.plan(folder, now=lambda: midnight(BASE + 14) - timedelta(minutes=3))
    assert [each.number for each in filing.read(folder)] == [1, 2, 3]
    assert (
        Store(folder).artefact(filing.COPY, made).read_bytes()
        == (folder / "filed" / "log.jsonl").read_bytes().splitlines()[2]
    )
    assert standing.read_standing(folder).faults == []


def test_a_view_of_an_earlier_time_is_not_filed_and_says_so(filed_force):
    calls = Store(filed_force).read("incidents")
    for forecast_from, as_of, words in (
        (midnight(BASE), None, "it begins before the data ends"),
        (None, midnight(BASE), "it is a view of an earlier moment"),
    ):
        (said,) = plan._why_not_filed(calls, forecast_from, as_of, LONDON)
        assert words in said
    assert plan._why_not_filed(calls, None, None, LONDON) == []
    assert plan._why_not_filed(calls, midnight(BASE + 9), None, LONDON) == []


def test_a_plan_all_of_whose_days_have_begun_is_not_filed(filed_force):
    before = [each.seal for each in filing.read(filed_force)]
    plan.plan(filed_force, now=lambda: midnight(BASE + 30))
    assert [each.seal for each in filing.read(filed_force)] == before
    assert any("has filed no forecast" in each for each in standing.read_standing(filed_force).sentences)


def test_the_command_line_says_what_was_tampered_with_and_ends_with_its_exit_code(filed_force):
    seal = filing.read(filed_force)[0].seal
    fine = CliRunner().invoke(app, ["scoreboard", str(filed_force), "--seal", seal[:12], "--json"])
    assert fine.exit_code == 0
    told = json.loads(fine.stdout)
    assert told["faults"] == []
    assert {"scoreboard_scores", "scoreboard_places", "filed"} < set(told)
    path = filing.read(filed_force)[0].path
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        result = CliRunner().invoke(app, ["scoreboard", str(filed_force)])
        assert "Forecast 1, filed on" in result.output
        assert "is not what was filed" in str(result.exception)
    finally:
        path.write_bytes(content)
