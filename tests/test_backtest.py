"""The backtest: what a method is scored on, what it may know, and that a stopped one goes on as if it had not been."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bluelamp import backtest as flow
from bluelamp import cli, forecast, intake, settings, tables
from bluelamp.backtest import NAIVE, _kept, backtest, read
from bluelamp.backtest._summary import summarise
from bluelamp.backtest._trial import INSIDE, PIT, SPANS, SUMS, lay_out_truth, score_method
from bluelamp.errors import BadData, NoInput, UsageError
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.store import tried_peaks
from tests.drawn import drawn
from tests.forecast.made import LONDON, MONDAY, areas_in, demand_of, hours_of, midnight

AREAS = areas_in({"a": "D1", "b": "D1", "c": "D2"})
WEEKS = 12
NOTHING = tables.empty("outages")


def world(seed: int = 1, days: int = 7 * WEEKS + 56, rate: float = 1.0) -> pl.DataFrame:
    """Demand of three areas and two classes, Poisson with an hour of the week of its own."""
    chance, hours = np.random.default_rng(seed), hours_of(days)
    shape = rate * (1 + 0.5 * np.sin(np.arange(len(hours)) * 2 * np.pi / 24))
    return demand_of(
        hours,
        {
            ("a", "x"): chance.poisson(shape), ("a", "y"): chance.poisson(0.2 * shape),
            ("b", "x"): chance.poisson(0.5 * shape), ("c", "y"): chance.poisson(0.7 * shape),
        },
    )  # fmt: skip


def stand(
    demand: pl.DataFrame,
    outages: pl.DataFrame = NOTHING,
    days: int = 56,
    until: datetime = datetime(2030, 1, 1, tzinfo=UTC),
) -> forecast.Origin:
    return forecast.stand_at(
        MONDAY + timedelta(weeks=WEEKS), demand, AREAS, tables.empty("events"), outages,
        known_until=until,
        force_id="F", time_zone=LONDON, weeks=52, days=days,
    )  # fmt: skip


def score(demand: pl.DataFrame, method: str = "slot_mean_8", outages: pl.DataFrame = NOTHING, paths: int = 50):
    origin = stand(demand, outages)
    truth = lay_out_truth(origin, demand, outages, 52)
    return score_method(origin, truth, origin.learn(method, 52), paths, seed=1)


@pytest.fixture(scope="module")
def scored() -> pl.DataFrame:
    return score(world())[0]


@pytest.fixture(scope="module")
def force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up force of six areas and 26 weeks, so that two origins have eight weeks on both sides."""
    folder = tmp_path_factory.mktemp("forces") / "lantern"
    write_twin(folder, make_twin(areas=6, days=200, seed=5, until=date(2026, 11, 23)))
    for table, path, map_name in intake.extracts_of(folder):
        if table in ("incidents", "areas", "events"):
            intake.import_extract(folder, path, table=table, map_name=map_name)
    return folder


@pytest.fixture
def fresh(force: Path, tmp_path: Path) -> Path:
    """The same force without a backtest."""
    folder = tmp_path / "lantern"
    shutil.copytree(force, folder, ignore=shutil.ignore_patterns("backtest", "extracts"))
    return folder


SMALL = {"origins": 2, "paths": 20, "methods": ["slot_mean", "slot_mean_8", "slot_mean_52", "last_week"]}


@pytest.fixture(scope="module")
def found(force: Path) -> flow.Backtest:
    return backtest(force, **SMALL)


# ---- What is scored ----


def test_every_incident_that_came_is_scored_once_at_each_level_and_sum(scored):
    demand = world()
    came = demand.filter(pl.col("hour_starting") >= stand(demand).starts_at)["incidents"].sum()
    totals = scored.group_by("level", "span").agg(pl.col("incidents").sum(), pl.col("forecasts").sum())
    assert totals.height == 4 * 4
    assert set(totals["incidents"]) == {came}
    # 56 spring days begin on the day of a clock change or after it.
    hours = len(stand(demand).coming.hours)
    times = {"hour": hours, "shift": 3 * 56, "day": 56, "week": 8}
    places = {"force": 1, "district": 2, "area": 3, "area_class": 6}
    for level, span, _, forecasts in totals.iter_rows():
        assert forecasts == places[level] * times[span]


def test_horizons_are_kept_apart(scored):
    days = scored.filter(level="force", span="day").group_by("horizon").agg(pl.col("forecasts").sum())
    assert dict(days.iter_rows()) == {"day_1": 1, "days_2_7": 6, "days_8_28": 21, "days_29_56": 28}
    weeks = scored.filter(level="force", span="week").group_by("horizon").agg(pl.col("forecasts").sum())
    assert dict(weeks.iter_rows()) == {"days_2_7": 1, "days_8_28": 3, "days_29_56": 4}
    assert scored.filter(span="day", level="force")["week_ahead"].sort().to_list() == [1, 1, 2, 3, 4, 5, 6, 7, 8]


def test_the_sums_are_those_of_the_paths_scored_one_by_one(scored):
    demand = world()
    origin = stand(demand)
    crps, inside = 0.0, 0
    for day, _ in origin.draw(origin.learn("slot_mean_8", 52), 50, 1):
        starts, ends = origin.coming.hours[day.first], origin.coming.hours[day.last - 1]
        came_today = demand.filter(pl.col("hour_starting").is_between(starts, ends))
        for number, area in enumerate("abc"):
            came = came_today.filter(area_id=area)["incidents"].sum()
            of_area = day.series // len(origin.series.cells) == number
            paths = np.bincount(day.path[of_area], minlength=50)
            crps += np.abs(paths - came).mean() - np.abs(paths[:, None] - paths).sum() / (2 * 50 * 49)
            low, high = np.sort(paths)[[4, 44]]
            inside += int(low <= came <= high)
    rows = scored.filter(level="area", span="day")
    assert rows["crps"].sum() == pytest.approx(crps)
    assert rows["inside_80"].sum() == inside


def test_every_forecast_falls_in_one_bin_of_the_pit_and_intervals_lie_in_each_other(scored):
    bins = scored.select(total=pl.sum_horizontal(PIT))["total"]
    assert bins.to_list() == scored["forecasts"].to_list()
    narrow, middle, wide = (scored[name] for name in INSIDE)
    assert (narrow <= middle).all()
    assert (middle <= wide).all()
    assert (wide <= scored["forecasts"]).all()


def test_a_forecast_of_a_steady_world_is_nearly_right():
    # Twelve weeks of many incidents: noise alone is left.
    rows = score(world(rate=20.0), "slot_mean", paths=100)[0].filter(level="force", span="day")
    assert rows["crps"].sum() == pytest.approx(rows["crps_claimed"].sum(), rel=0.25)
    assert rows["expected"].sum() == pytest.approx(rows["incidents"].sum(), rel=0.02)
    # Errors of a good forecast are 1/√2 of those of the week before.
    assert rows["scaled_absolute"].sum() / rows["scaled"].sum() == pytest.approx(2**-0.5, rel=0.2)


def test_the_days_of_all_districts_have_an_energy_score(scored):
    days = scored.filter(level="district", span="day")
    assert days["vectors"].sum() == 56
    assert days["energy"].sum() > days["crps"].sum() / 2
    assert scored.filter(pl.col("span") != "day")["energy"].sum() == 0


OUT = drawn(
    "outages",
    "starts_at            | ends_at              | rule",
    "2025-04-08T22:00:00Z | 2025-04-09T01:00:00Z | declared",
)


def test_hours_in_an_outage_are_left_out_with_every_sum_that_they_lie_in(scored):
    """The outage goes from 23:00 to 02:00 by the clock: it takes three hours, two shifts, two days and a week."""
    masked = score(world(), outages=OUT)[0]
    for span, missing in zip(SPANS, (3, 2, 2, 1), strict=True):
        whole, left = (
            rows.filter(level="force", span=span)["forecasts"].sum() for rows in (scored, masked)
        )  # fmt: skip
        assert whole - left == missing


def test_hours_in_an_outage_of_the_history_are_masked_for_the_method():
    demand = world()
    cut = datetime(2025, 3, 3, tzinfo=UTC)
    during = pl.col("hour_starting").is_between(cut, cut + timedelta(days=14), closed="left")
    out = drawn(
        "outages",
        "starts_at            | ends_at              | rule",
        "2025-03-03T00:00:00Z | 2025-03-17T00:00:00Z | declared",
    )
    told, untold = (score(demand.filter(~during), outages=outages)[0] for outages in (out, NOTHING))
    expected = [rows.filter(level="force", span="day")["expected"].sum() for rows in (told, untold)]
    assert expected[0] > 1.2 * expected[1]


def test_an_area_or_a_class_that_was_never_seen_counts_in_the_levels_that_know_it():
    demand = world()
    late = demand.filter(pl.col("hour_starting") > stand(demand).starts_at).head(1)
    new_class = late.with_columns(class_code=pl.lit("z"), incidents=pl.lit(1000, dtype=pl.Int64), area_id=pl.lit("a"))
    new_area = late.with_columns(area_id=pl.lit("unknown"), incidents=pl.lit(500, dtype=pl.Int64))
    rows = score(pl.concat([demand, new_class, new_area]))[0].filter(span="day")
    before = score(demand)[0].filter(span="day")
    more = {
        level: rows.filter(level=level)["incidents"].sum() - before.filter(level=level)["incidents"].sum()
        for level in ("force", "district", "area", "area_class")
    }
    assert more == {"force": 1500, "district": 1000, "area": 1000, "area_class": 0}


# ---- What is known ----


@pytest.mark.parametrize("method", ["slot_mean", *NAIVE])
def test_nothing_after_the_origin_is_used(method):
    demand = world()
    cut = stand(demand).starts_at
    later = demand.filter(pl.col("hour_starting") >= cut)
    shuffled = later.with_columns(later["incidents"].shuffle(seed=3) * 7, later["hour_starting"].shuffle(seed=4))
    other = pl.concat([demand.filter(pl.col("hour_starting") < cut), shuffled])
    drawn_paths = []
    for known in (demand, other):
        origin = stand(known, days=7)
        model = origin.learn(method, 52)
        drawn_paths.append([(day.path, day.series, day.hour, rates) for day, rates in origin.draw(model, 20, 1)])
    for one, two in zip(*drawn_paths, strict=True):
        assert all((a == b).all() for a, b in zip(one, two, strict=True))


def test_outages_of_the_history_are_found_from_what_came_before_alone(force, monkeypatch):
    seen = []
    find = flow.incidents.find_outages
    monkeypatch.setattr(
        flow.incidents,
        "find_outages",
        lambda calls, *rest: seen.append(calls["received_at"].max()) or find(calls, *rest),
    )
    ground = flow._settle(force, settings.read(force))
    days = flow._days_of(ground, 2, 28)
    for day in days:
        flow._stand_on(ground, day, ["slot_mean"], 52)
    assert len(seen) == 3
    for day, latest in zip(days, seen[1:], strict=True):
        assert latest < datetime(day.year, day.month, day.day, 1, tzinfo=UTC)


def test_the_chosen_method_learns_from_the_weeks_that_were_asked_for(monkeypatch, fresh):
    asked = []
    learn = forecast.Origin.learn

    def watch(self, method, weeks):
        asked.append((method, weeks))
        return learn(self, method, weeks)

    monkeypatch.setattr(forecast.Origin, "learn", watch)
    backtest(fresh, origins=1, paths=20, methods=["slot_mean", "slot_mean_8"], weeks=10)
    assert asked == [("slot_mean", 10), ("slot_mean_8", 52)]


# ---- Origins ----


def test_the_last_origin_has_all_its_eight_weeks_and_others_lie_four_weeks_apart(found):
    # The record ends with 22 November.
    assert found.about["origins"] == ["2026-08-31", "2026-09-28"]
    until = found.scores["week_starting"].max() + timedelta(days=7)
    assert until <= datetime(2026, 11, 23, tzinfo=UTC)


def test_a_method_that_needs_more_weeks_than_there_are_is_left_out_and_told(found):
    assert set(found.scores["method"]) == {"slot_mean", "slot_mean_8", "last_week"}
    assert "slot_mean_52 needs a record of 52 weeks, half of them seen; none of 2 origins had it." in found.sentences


def test_origins_without_enough_before_them_are_left_out_and_told(fresh):
    several = backtest(fresh, **SMALL | {"origins": 6, "methods": ["slot_mean_8"]})
    assert several.about["origins"] == ["2026-07-06", "2026-08-03", "2026-08-31", "2026-09-28"]
    assert several.sentences[0] == (
        "4 of 6 origins can be used. Of the others, 2 had less than 8 weeks of record before it."
    )


def test_a_record_that_is_too_short_is_told_day_by_day(tmp_path):
    folder = tmp_path / "short"
    write_twin(folder, make_twin(areas=4, days=70, seed=5, until=date(2026, 11, 23)))
    for table, path, map_name in intake.extracts_of(folder):
        if table == "incidents":
            intake.import_extract(folder, path, table=table, map_name=map_name)
    with pytest.raises(BadData, match="No day can be forecast and scored") as raised:
        backtest(folder, **SMALL)
    assert raised.value.problems[1] == "2026-09-28: less than 8 weeks of record before it."


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"every": 10}, "10 days apart: whole weeks"),
        ({"origins": 0}, "At least one origin"),
        ({"paths": 5}, "5 paths are too few"),
        ({"methods": ["slot_men"]}, "Did you mean 'slot_mean'"),
    ],
)
def test_what_can_not_be_done_is_told_before_anything_is(force, wanted, words):
    with pytest.raises(UsageError, match=words):
        backtest(force, **wanted)


def test_a_force_without_incidents_or_without_a_backtest_says_what_to_do(tmp_path):
    (tmp_path / "force.toml").write_text('[force]\nid = "N"\nname = "North"\ntime_zone = "Europe/London"\n')
    with pytest.raises(NoInput, match="bluelamp import"):
        backtest(tmp_path)
    with pytest.raises(NoInput, match="bluelamp backtest"):
        read(tmp_path)


# ---- Stopped and gone on ----


class Killed(BaseException):
    """What stops a backtest in a test."""


def test_a_stopped_backtest_goes_on_where_it_was_and_ends_the_same_to_the_last_digit(fresh, found, monkeypatch):
    done = []
    score_one = flow._Stand.score

    def until_the_third(self, method, *rest):
        if len(done) == 2:
            raise Killed
        done.append((self.day, method))
        return score_one(self, method, *rest)

    monkeypatch.setattr(flow._Stand, "score", until_the_third)
    with pytest.raises(Killed):
        backtest(fresh, **SMALL)
    with pytest.raises(NoInput):
        read(fresh)
    again = []
    monkeypatch.setattr(
        flow._Stand,
        "score",
        lambda self, method, *rest: again.append((self.day, method)) or score_one(self, method, *rest),
    )
    finished = backtest(fresh, **SMALL)
    assert len(again) == 6 - 2
    assert not set(again) & set(done)
    for name in flow.NAMES:
        assert tables.fingerprint(finished.table(name), name) == tables.fingerprint(found.table(name), name)


def test_a_finished_backtest_is_only_read(force, found, monkeypatch):
    monkeypatch.setattr(flow, "_stand_on", lambda *_: pytest.fail("work was done again"))
    again = backtest(force, **SMALL)
    assert again.scores.equals(found.scores)
    assert again.about == found.about
    assert again.sentences == read(force).sentences == found.sentences


@pytest.mark.parametrize("harm", ["cut", "remove"])
def test_a_piece_that_is_harmed_is_made_again(fresh, found, harm):
    backtest(fresh, **SMALL)
    piece = sorted((fresh / "backtest").glob("*/*_scores.parquet"))[0]
    piece.write_bytes(piece.read_bytes()[:100]) if harm == "cut" else piece.unlink()
    with pytest.raises(NoInput):
        read(fresh)
    assert backtest(fresh, **SMALL).scores.equals(found.scores)


def test_what_an_older_version_kept_without_peaks_is_read_and_says_nothing_of_them(fresh, found):
    backtest(fresh, **SMALL)
    for piece in (fresh / "backtest").glob("*/*_peaks.parquet"):
        piece.unlink()
    again = read(fresh)
    assert again.scores.equals(found.scores)
    assert again.peaks.is_empty()
    assert not any("Before (backtest" in words for words in again.sentences)
    assert backtest(fresh, **SMALL).peaks.is_empty(), "what was finished is only read"


def test_what_was_said_of_peaks_is_kept_for_those_who_tell_of_peaks_to_come(force, found):
    kept = tried_peaks.read(force)
    assert kept.equals(found.peaks.filter(method="slot_mean"))
    assert set(kept["what"]) == {"above_usual", "unusual", "highest", "share", "share_in_range"}
    assert set(kept["counted"]) == {"incidents"}
    highest = kept.filter(what="highest", level="force", measure="incidents").row(0, named=True)
    assert highest["told"] == 2 * 3, "three shifts of a week at each of two origins"
    assert any(words.startswith("Before (backtest, incidents)") for words in found.sentences)


def test_other_demand_settings_or_code_are_another_backtest(force, monkeypatch):
    ground = flow._settle(force, settings.read(force))
    first = flow._key(ground, 20, 52, 52)
    assert flow._key(ground, 20, 52, 52) == first
    assert flow._key(ground, 21, 52, 52) != first
    assert flow._key(ground, 20, 26, 52) != first
    more = ground.demand.with_columns(pl.col("incidents") + 1)
    assert flow._key(flow._Ground(**vars(ground) | {"demand": more}), 20, 52, 52) != first
    assert flow._key(ground, 20, 52, 60) != first
    monkeypatch.setattr(_kept, "hash_code", lambda: "other")
    assert flow._key(ground, 20, 52, 52) != first


def test_what_is_kept_holds_counts_alone(force, found):
    for piece in (force / "backtest").glob("*/*.parquet"):
        assert "incident_id" not in pl.read_parquet(piece).columns


# ---- What it says ----


def two_methods(ratio: float, weeks: int = 40, noise: float = 0.01) -> pl.DataFrame:
    """Scores of two methods by force-day: the first's CRPS is that share of the other's, give or take."""
    chance = np.random.default_rng(1)
    rows = []
    for week in range(weeks):
        starts = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(weeks=week)
        for method, factor in (("mine", ratio), ("slot_mean_26", 1.0)):
            rows.append(
                dict.fromkeys(SUMS, 1.0)
                | {"method": method, "origin_at": starts, "level": "force", "span": "day", "horizon": "days_2_7"}
                | {"week_ahead": 1, "week_starting": starts, "crps": factor * (1 + noise * chance.normal())}
            )
    return pl.DataFrame(rows)


@pytest.mark.parametrize(("ratio", "noise"), [(0.95, 0.02), (1.0, 0.02), (1.08, 0.02)])
def test_a_difference_comes_with_an_interval_that_holds_the_truth(ratio, noise):
    row = summarise(two_methods(ratio, noise=noise), ["slot_mean_26"], seed=1).filter(method="mine", horizon="all")
    (row,) = row.iter_rows(named=True)
    assert row["against"] == "slot_mean_26"
    assert row["difference_low"] < ratio - 1 < row["difference_high"]
    assert row["difference_high"] - row["difference_low"] < 0.04


def test_few_weeks_have_a_difference_without_an_interval():
    (row,) = (
        summarise(two_methods(0.9, weeks=7), ["slot_mean_26"], 1).filter(method="mine", horizon="all").rows(named=True)
    )
    assert row["difference"] == pytest.approx(-0.1, abs=0.02)
    assert row["difference_low"] is None


def test_methods_are_compared_at_the_origins_that_both_had():
    rows = two_methods(1.0, noise=0.0)
    # The other method was there for the second half alone; in the first, all was ten times worse.
    half = rows["origin_at"].unique().sort()[20]
    some = pl.concat(
        [rows.filter(pl.col("origin_at") >= half),
         rows.filter(pl.col("origin_at") < half, method="mine").with_columns(pl.col("crps") * 10)]
    )  # fmt: skip
    (row,) = summarise(some, ["slot_mean_26"], 1).filter(method="mine", horizon="all").rows(named=True)
    assert row["difference"] == pytest.approx(0)
    assert row["origins"] == 40


def test_the_summary_is_made_of_ratios_of_sums(found):
    some = found.scores.filter(method="slot_mean", level="area", span="shift")
    (row,) = found.summary.filter(method="slot_mean", level="area", span="shift", horizon="all").rows(named=True)
    assert row["scrps"] == pytest.approx(some["crps"].sum() / some["incidents"].sum(), abs=1e-5)
    assert row["coverage_80"] == pytest.approx(some["inside_80"].sum() / some["forecasts"].sum(), abs=1e-5)
    assert row["wape"] == pytest.approx(some["absolute"].sum() / some["incidents"].sum(), abs=1e-5)
    assert row["bias"] == pytest.approx(some["expected"].sum() / some["incidents"].sum() - 1, abs=1e-5)
    assert row["origins"] == 2


def test_weak_spots_are_ranked_by_what_is_lost_and_add_up_to_all(found):
    spots = found.weak_spots.filter(method="slot_mean")
    hours = spots.filter(kind="hour_of_week")
    assert hours.height == 168
    assert (
        hours["incidents"].sum()
        == found.scores.filter(method="slot_mean", level="force", span="hour")["incidents"].sum()
    )
    assert hours.sort("rank")["lost"].to_list() == sorted(hours["lost"], reverse=True)
    assert spots.filter(kind="area").height == len(set(spots.filter(kind="area")["spot"])) >= 6
    assert (
        "Summer Bank Holiday" in " ".join(spots.filter(kind="special_day")["spot"])
        or spots.filter(kind="special_day").height
    )


def test_the_sentences_say_how_many_origins_there_were_and_who_is_better(found):
    told = " ".join(found.sentences)
    assert "2 origins, from 31 August 2026 to 28 September 2026" in told
    assert "So few origins say little" in told
    assert "slot_mean is " in told
    assert "A day of the force was off by" in told


def test_the_command_prints_scores_and_the_tables_are_read_by_name(force, found):
    runner = CliRunner()
    asked = ["backtest", str(force), "--origins", "2", "--paths", "20"]
    for method in SMALL["methods"]:
        asked += ["--method", method]
    printed = runner.invoke(cli.app, asked)
    assert printed.exit_code == 0, printed.output
    assert "force by hour" in printed.stdout
    assert "slot_mean against the best naive" in printed.stdout
    told = json.loads(runner.invoke(cli.app, [*asked, "--json"]).stdout)
    assert told["sentences"] == found.sentences
    for name in flow.NAMES:
        as_csv = runner.invoke(cli.app, ["table", name, str(force), "--csv"])
        assert as_csv.stdout == tables.to_csv(found.table(name), name)
    refused = runner.invoke(cli.app, ["table", "backtest_scores", str(force), "--run", "r1"])
    assert isinstance(refused.exception, UsageError)


def test_the_summary_can_be_made_again_from_the_scores_that_are_published(found):
    again = summarise(found.scores, found.about["naive"], found.about["seed"])
    for column in ("scrps", "difference", "difference_low", "coverage_95", "energy"):
        assert again[column].to_list() == pytest.approx(found.summary[column].to_list(), abs=1e-5)


def test_an_origin_whose_history_turned_out_to_be_broken_is_not_used(force):
    ground = flow._settle(force, settings.read(force))
    day = flow._days_of(ground, 1, 28)[0]
    assert flow._stand_on(ground, day, ["slot_mean"], 52).refused == ""
    starts = datetime(day.year, day.month, day.day, tzinfo=UTC)
    late = pl.DataFrame(
        {
            "starts_at": [starts - timedelta(days=200)],
            "ends_at": [starts - timedelta(days=7)],
            "rule": ["few_incidents"],
        },
    )
    known = flow._Ground(**vars(ground) | {"outages": late})
    assert flow._stand_on(known, day, ["slot_mean"], 52).refused == "less than 8 weeks before it that can be believed"


def test_hours_after_the_feed_stopped_are_no_history():
    demand = world()
    stopped = midnight(7 * WEEKS - 5)
    known = demand.filter((pl.col("hour_starting") < stopped) | (pl.col("hour_starting") >= midnight(7 * WEEKS)))
    origin = stand(known, until=stopped)
    assert origin.history(52).calendar.ends_at == stopped
    steady = stand(demand)
    for method in ("slot_mean_8", "slot_mean"):
        due = [each.learn(method, 52).slot_rates.sum() for each in (origin, steady)]
        assert due[0] == pytest.approx(due[1], rel=0.02)


def test_an_origin_at_the_end_of_an_outage_is_not_used(force):
    ground = flow._settle(force, settings.read(force))
    day = flow._days_of(ground, 1, 28)[0]
    starts = datetime(day.year, day.month, day.day, tzinfo=UTC)
    silent = pl.col("received_at").is_between(starts - timedelta(days=9), starts + timedelta(days=3))
    stopped = flow._Ground(**vars(ground) | {"calls": ground.calls.filter(~silent)})
    assert flow._stand_on(stopped, day, ["slot_mean"], 52).refused == "an outage just before it"


def test_a_method_that_never_had_enough_is_not_the_one_held_against_the_others(fresh):
    some = backtest(fresh, origins=1, paths=20, methods=["slot_mean_52", "slot_mean_8", "last_week"])
    assert some.lines()[0].split("  ")[1:4] == ["slot_mean_8", "last_week", "slot_mean_8 against the best naive"]
    with pytest.raises(BadData, match="No day can be forecast and scored") as raised:
        backtest(fresh, origins=1, paths=20, methods=["slot_mean_52"])
    assert raised.value.problems == ("2026-09-28: no method has a record long enough.",)


def test_methods_scored_one_by_one_are_scored_on_the_same_cells(fresh, found):
    backtest(fresh, **SMALL | {"methods": ["slot_mean_8"]}, weeks=10)
    again = backtest(fresh, **SMALL | {"methods": ["slot_mean", "slot_mean_8"]}, weeks=10)
    counted = again.scores.group_by("method").agg(pl.col("forecasts").sum(), pl.col("scaled").sum()).drop("method")
    assert counted.height == 2
    assert counted.unique().height == 1


@pytest.mark.parametrize(("first", "hours"), [(date(2025, 7, 28), 56 * 24 + 1), (date(2025, 1, 6), 56 * 24 - 1)])
def test_nights_on_which_the_clock_changes_are_scored_as_they_are(first, hours):
    """The first has 25 hours, the second 23; both have three shifts, and make up a day."""
    some = hours_of(63 + 56, first)
    demand = demand_of(some, {("a", "x"): np.random.default_rng(1).poisson(2, len(some))})
    day = first + timedelta(days=63)
    origin = forecast.stand_at(
        day, demand, AREAS, tables.empty("events"), NOTHING, known_until=datetime(2030, 1, 1, tzinfo=UTC),
        force_id="F", time_zone=LONDON, weeks=52, days=56,
    )  # fmt: skip
    truth = lay_out_truth(origin, demand, NOTHING, 52)
    rows = score_method(origin, truth, origin.learn("slot_mean_8", 52), 20, seed=1)[0].filter(level="force")
    assert dict(rows.group_by("span").agg(pl.col("forecasts").sum()).iter_rows()) == {
        "hour": hours, "shift": 168, "day": 56, "week": 8,
    }  # fmt: skip
    assert rows["incidents"].sum() == 4 * demand.filter(pl.col("hour_starting") >= origin.starts_at)["incidents"].sum()


def test_a_force_without_districts_or_with_one_area_is_scored_at_the_levels_it_has():
    some = hours_of(7 * WEEKS + 56)
    demand = demand_of(some, {("only",): np.random.default_rng(1).poisson(1, len(some))})
    origin = forecast.stand_at(
        MONDAY + timedelta(weeks=WEEKS), demand, areas_in({"only": None}), tables.empty("events"), NOTHING,
        known_until=datetime(2030, 1, 1, tzinfo=UTC), force_id="F", time_zone=LONDON, weeks=52, days=56,
    )  # fmt: skip
    truth = lay_out_truth(origin, demand, NOTHING, 52)
    rows = score_method(origin, truth, origin.learn("slot_mean", 52), 20, seed=1)[0]
    crps = rows.filter(span="day").group_by("level").agg(pl.col("crps").sum())
    assert crps["crps"].n_unique() == 1
    told = summarise(rows.with_columns(method=pl.lit("slot_mean")), [], 1)
    assert flow.levels_told(told) == ["force"]


def test_an_hour_of_an_event_is_told_by_its_kind():
    demand = world()
    origin = stand(demand)
    events = drawn(
        "events",
        "event_id | kind     | starts_at            | ends_at              | event_name",
        "e1       | festival | 2025-04-05T10:00:00Z | 2025-04-05T16:00:00Z | Fair",
    )
    told = forecast.stand_at(
        origin.day, demand, AREAS, events, NOTHING, known_until=origin.starts_at, force_id="F", time_zone=LONDON,
        weeks=52, days=56,
    )  # fmt: skip
    truth = lay_out_truth(told, demand, NOTHING, 52)
    spots = score_method(told, truth, told.learn("slot_mean_8", 52), 20, seed=1)[1].filter(kind="special_day")
    assert spots["spot"].to_list() in (["event: festival"], ["festival"])
    assert spots["forecasts"].to_list() == [6]
