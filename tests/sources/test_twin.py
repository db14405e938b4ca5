"""The made-up force: it holds together, it is what it says it is, and its truth is the truth."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import shapely

from bluelamp import periods, queueing, settings, tables
from bluelamp.errors import InputOutputError, UsageError
from bluelamp.sources import twin as twin_module
from bluelamp.sources.twin import IMPORTED, Twin, make_twin, people, write_twin

UNTIL = date(2026, 11, 23)
ZONE = "Europe/London"
DRIVING = ["public", "partner", "mandatory_internal"]


@pytest.fixture(scope="module")
def small() -> Twin:
    """Two years of twelve areas: long enough for seasons, football and a festival."""
    return make_twin(areas=12, days=728, seed=3, until=UNTIL)


@pytest.fixture(scope="module")
def county() -> Twin:
    return make_twin(preset="county", days=140, until=UNTIL)


def boundaries(twin: Twin, level: str) -> dict[str, shapely.Polygon]:
    rows = twin.tables["areas"].filter(level=level)
    return dict(zip(rows["area_id"], shapely.from_geojson(rows["boundary"].to_numpy()), strict=True))


def driving(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("origin").is_in(DRIVING))


def local(column: str = "received_at") -> pl.Expr:
    return pl.col(column).dt.convert_time_zone(ZONE)


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ---- the county ----


@pytest.mark.parametrize("areas", [4, 12, 40])
def test_areas_tile_the_county_without_gaps_or_overlaps(areas):
    twin = make_twin(areas=areas, days=14, seed=areas, until=UNTIL)
    cells = boundaries(twin, "area")
    (force,) = boundaries(twin, "force").values()

    assert all(cell.is_valid for cell in cells.values())
    assert force.geom_type == "Polygon"
    assert not force.interiors
    assert sum(cell.area for cell in cells.values()) == pytest.approx(force.area, rel=1e-12)
    assert shapely.union_all(list(cells.values())).symmetric_difference(force).area == pytest.approx(0, abs=1e-12)


def test_districts_hold_together_and_are_the_union_of_their_areas(county):
    cells, rows = boundaries(county, "area"), county.tables["areas"].filter(level="area")
    for district, outline in boundaries(county, "district").items():
        inside = rows.filter(parent_id=district)["area_id"].to_list()
        reached, waiting = {inside[0]}, [inside[0]]
        while waiting:
            here = cells[waiting.pop()]
            near = [each for each in inside if each not in reached and here.intersection(cells[each]).length > 1e-6]
            reached.update(near)
            waiting += near
        assert reached == set(inside), f"{district} is in pieces"
        assert outline.area == pytest.approx(sum(cells[each].area for each in inside), rel=1e-12)


def test_levels_nest_and_centres_lie_inside(county):
    areas = county.tables["areas"]
    assert set(areas.filter(level="area")["parent_id"]) == set(areas.filter(level="district")["area_id"])
    assert set(areas.filter(level="district")["parent_id"]) == set(areas.filter(level="force")["area_id"]) == {"LV"}
    centres = shapely.points(areas["centre_longitude"].to_numpy(), areas["centre_latitude"].to_numpy())
    assert shapely.covers(shapely.from_geojson(areas["boundary"].to_numpy()), centres).all()
    assert areas.filter(level="area")["kind"].value_counts()["kind"].sort().to_list() == ["rural", "urban"]
    assert not areas["is_approximate"].any()


def test_calls_lie_in_the_area_that_they_name(county):
    some = county.tables["incidents"].drop_nulls("longitude").sample(3000, seed=1)
    cells = boundaries(county, "area")
    inside = shapely.covers(
        np.array([cells[area] for area in some["area_id"]]),
        shapely.points(some["longitude"].to_numpy(), some["latitude"].to_numpy()),
    )
    # Points are rounded to a metre, so that a few on the edge may fall on its other side.
    assert inside.mean() > 0.995


def test_every_area_has_one_response_pool_at_every_hour(county):
    pools = county.tables["pools"].filter(role_code="response")
    areas = county.tables["areas"].filter(level="area")["area_id"]
    for hour in range(24):
        runs = (
            pl.when(pl.col("from_hour") < pl.col("to_hour"))
            .then((pl.col("from_hour") <= hour) & (pl.col("to_hour") > hour))
            .otherwise((pl.col("from_hour") <= hour) | (pl.col("to_hour") > hour))
        )
        now = pools.filter(runs)
        assert sorted(now["area_id"]) == sorted(areas)
        assert now["pool_id"].n_unique() == (6 if 7 <= hour < 22 else 3)


# ---- the same force every time ----


def test_same_arguments_give_the_same_bytes_on_one_thread_and_on_two(tmp_path):
    script = (
        "import sys; from datetime import date; from bluelamp.sources.twin import make_twin, write_twin; "
        "write_twin(sys.argv[1], make_twin(areas=5, days=30, seed=11, until=date(2026, 11, 23)))"
    )
    for threads in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / threads)],
            check=True,
            env={**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads},
        )
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")
    assert len(bytes_of(tmp_path / "1")) == 2 + len(IMPORTED) + 10


def test_another_seed_gives_another_force():
    one, other = (make_twin(areas=5, days=20, seed=seed, until=UNTIL) for seed in (1, 2))
    for name in ("areas", "incidents", "duties"):
        assert not one.tables[name].equals(other.tables[name])


# ---- what a planner would count ----


def test_county_is_as_large_as_it_says(county):
    calls = driving(county.tables["incidents"])
    # Twenty weeks of 6,559, give or take the shocks of the days (about 0.8%) and the season of the year's end.
    expected = county.truth["hourly_rates"].filter(
        (pl.col("level") == "force") & (pl.col("hour_starting") < datetime(2026, 11, 23, tzinfo=UTC))
    )["expected_incidents"]
    assert float(expected.sum()) / 20 == pytest.approx(6559, rel=1e-4)
    assert len(calls) / 20 == pytest.approx(6559, rel=0.03)
    assert float((calls["units"] > 0).mean()) == pytest.approx(0.45, abs=0.01)
    assert county.tables["people"].height == 2700
    assert county.tables["people"].filter(role_code="response").height == 1000
    assert county.tables["areas"]["level"].value_counts().sort("level")["count"].to_list() == [121, 6, 1]


def test_export_has_the_faults_that_it_promises(county):
    incidents = county.tables["incidents"]
    attended = incidents.filter(pl.col("units") > 0).drop_nulls("cleared_at")
    assert float(incidents["area_id"].is_null().mean()) == pytest.approx(0.02, abs=0.002)
    assert float(incidents["longitude"].is_null().mean()) == pytest.approx(0.05, abs=0.003)
    assert float(attended["arrived_at"].is_null().mean()) == pytest.approx(0.12, abs=0.006)
    assert attended.filter(pl.col("cleared_at") == pl.col("dispatched_at")).height > 20
    open_logs = incidents.filter(status="open")
    assert 100 < open_logs.height < 0.02 * incidents.height
    assert open_logs["closed_at"].is_null().all()
    end = datetime(2026, 11, 23, tzinfo=UTC)
    times = incidents.select("received_at", "dispatched_at", "arrived_at", "cleared_at", "closed_at")
    assert all(times[name].max() < end for name in times.columns)


def test_day_has_its_peak_in_the_evening_and_a_low_of_about_a_third(county):
    by_hour = driving(county.tables["incidents"]).group_by(hour=local().dt.hour()).len().sort("hour")["len"].to_numpy()
    assert by_hour.argmax() in range(17, 22)
    assert by_hour.argmin() in (4, 5)
    assert 0.25 < by_hour.min() / by_hour.max() < 0.4


def test_saturday_night_runs_past_midnight_in_the_middle_of_the_city(county):
    core = [area["area_id"] for area in county.parameters["areas"] if area["profile"] == "core"]
    nights = (
        driving(county.tables["incidents"])
        .filter(pl.col("area_id").is_in(core), local().dt.hour().is_in([0, 1]))
        .group_by(weekday=local().dt.weekday())
        .len()
        .sort("weekday")["len"]
        .to_numpy()
    )
    # The small hours of Sunday (after Saturday night) against those of Wednesday.
    assert nights[6] > 3 * nights[2]


def test_times_have_heavy_tails_and_urgent_calls_are_met_sooner(county):
    incidents = county.tables["incidents"].drop_nulls("arrived_at").filter(pl.col("cleared_at") > pl.col("arrived_at"))
    minutes = (pl.col("cleared_at") - pl.col("arrived_at")).dt.total_seconds() / 60
    by_class = driving(incidents).group_by("class_code").agg(minutes.mean().alias("mean"), minutes.std().alias("sd"))
    assert (by_class["sd"] > by_class["mean"]).mean() > 0.9
    waited = (pl.col("arrived_at") - pl.col("received_at")).dt.total_seconds() / 60
    median = dict(driving(incidents).group_by("grade_code").agg(waited.median()).iter_rows())
    assert median["1"] < 15 < median["2"] < 60 < median["3"]


def test_few_places_make_most_calls(small):
    # Two years; in the county, calls a place are the same.
    places = small.tables["incidents"].drop_nulls("longitude").group_by("longitude", "latitude").len()["len"]
    most = places.sort(descending=True)[: places.len() // 20].sum()
    assert 0.5 < most / places.sum() < 0.7


def test_officers_find_less_work_of_their_own_on_busy_nights(county):
    incidents = county.tables["incidents"]
    own = incidents.filter(origin="officer_initiated")
    assert own.height / driving(incidents).height == pytest.approx(0.06, abs=0.006)
    # The same officers are there in the small hours of every day; those of Saturday and Sunday are the busy ones.
    nights = own.filter(local().dt.hour() < 3).group_by(weekday=local().dt.weekday()).len().sort("weekday")["len"]
    assert nights[5] + nights[6] < 0.75 * (nights[1] + nights[2])


# ---- the truth ----


@pytest.mark.parametrize("cell", [["area_id", "day"], ["hour_starting"], ["place_id", "day"]])
def test_counts_agree_with_the_truth_and_the_shocks_of_the_days(county, cell):
    """The chi-square of counts against Poisson means: of areas by day, of the force by hour, of districts by day."""
    calls = pl.concat([driving(county.tables["incidents"]), driving(county.truth["future_incidents"])])
    counted = calls.drop_nulls("area_id").group_by("area_id", hour_starting=pl.col("received_at").dt.truncate("1h"))
    shocks = county.truth["day_shocks"]
    expected = (
        county.truth["hourly_rates"]
        .filter(pl.col("level") == "area", pl.col("area_id") != "unknown")
        .with_columns(pl.col("expected_incidents").cast(pl.Float64), day=local("hour_starting").dt.date())
        .join(county.tables["areas"].select("area_id", place_id="parent_id"), on="area_id")
        .join(shocks.filter(level="district").select("place_id", "day", of_district="factor"), on=["place_id", "day"])
        .join(shocks.filter(level="force").select("day", of_force="factor"), on="day")
        .join(counted.len(), on=["area_id", "hour_starting"], how="left")
        .with_columns(drawn=pl.col("expected_incidents") * pl.col("of_district") * pl.col("of_force"))
        .group_by(cell)
        .agg(pl.col("expected_incidents", "drawn", "len").sum())
    )

    def distance(mean: str) -> float:
        return float(expected.select(((pl.col("len") - pl.col(mean)) ** 2 / pl.col(mean)).sum()).item())

    # Against the right means it is one a cell on average, with a variance of 2 + 1 / mean.
    tolerance = 4.5 * float(np.sqrt((2 + 1 / expected["drawn"]).sum()))
    assert abs(distance("drawn") - expected.height) < tolerance
    if "place_id" in cell:
        # Districts are large enough to tell: without the shocks of the days the truth would not fit.
        assert distance("expected_incidents") - expected.height > tolerance


def test_expected_incidents_of_areas_add_up_to_those_of_the_force(county):
    rates = county.truth["hourly_rates"]
    areas = rates.filter(level="area").group_by("hour_starting").agg(pl.col("expected_incidents").sum())
    both = areas.join(rates.filter(level="force"), on="hour_starting")
    # The night of 25 October has an hour more.
    assert both.height == 112 * 24 + 1
    assert np.allclose(both["expected_incidents"], both["expected_incidents_right"], rtol=1e-5)


def test_truth_reaches_a_year_ahead_and_clock_changes_have_their_hours(county):
    force = county.truth["hourly_rates"].filter(level="force")
    by_day = dict(force.group_by(day=local("hour_starting").dt.date()).len().iter_rows())
    assert max(by_day) == UNTIL + timedelta(days=364)
    assert by_day[date(2026, 10, 25)] == 25
    assert by_day[date(2027, 3, 28)] == 23
    assert sorted(hours for hours in by_day.values() if hours != 24) == [23, 25, 25]
    twice = (
        driving(county.tables["incidents"])
        .filter(local().dt.date() == date(2026, 10, 25), local().dt.hour() == 1)["received_at"]
        .dt.hour()
    )
    assert set(twice) == {0, 1}


def test_shocks_have_mean_one_and_the_spread_that_is_promised(small):
    for level, spread in (("force", 0.07), ("district", 0.06)):
        factor = small.truth["day_shocks"].filter(level=level)["factor"]
        assert float(factor.mean()) == pytest.approx(1, abs=0.01)
        assert float(factor.std()) == pytest.approx(spread, abs=0.01)


def test_holidays_and_special_evenings_differ(small):
    force = (
        small.truth["hourly_rates"]
        .filter(level="force")
        .with_columns(day=local("hour_starting").dt.date(), hour=local("hour_starting").dt.hour())
    )

    def rate(day: date, hours: range) -> float:
        return float(force.filter(pl.col("day") == day, pl.col("hour").is_in(list(hours)))["expected_incidents"].sum())

    afternoon, evening = range(10, 18), range(20, 24)
    assert rate(date(2025, 12, 25), afternoon) < 0.85 * rate(date(2025, 12, 18), afternoon)
    assert rate(date(2025, 12, 31), evening) > 1.3 * rate(date(2025, 12, 17), evening)
    # Easter Monday follows a Sunday evening that lives like a Friday's.
    assert rate(date(2026, 4, 5), evening) > 1.05 * rate(date(2026, 4, 19), evening)


def test_football_fills_the_ground(county):
    ground = county.parameters["stadium"]
    rates = county.truth["hourly_rates"].filter(area_id=ground).with_columns(day=local("hour_starting").dt.date())
    saturdays = (
        rates.filter(local("hour_starting").dt.weekday() == 6, local("hour_starting").dt.hour().is_between(12, 19))
        .group_by("day")
        .agg(pl.col("expected_incidents").sum())
    )
    matches = set(county.tables["events"].filter(kind="sport")["starts_at"].dt.date())
    at_home = saturdays.filter(pl.col("day").is_in(list(matches)))["expected_incidents"]
    away = saturdays.filter(~pl.col("day").is_in(list(matches)))["expected_incidents"]
    assert min(len(at_home), len(away)) >= 6
    assert at_home.min() > 1.5 * away.max()


def test_service_times_are_those_of_the_truth(county):
    """Unit-hours that the priors foresee against those that were worked, and each common class by itself."""
    calls = (
        driving(county.tables["incidents"])
        .filter(pl.col("received_at") < datetime(2026, 11, 16, tzinfo=UTC))
        .join(county.tables["service_times"], on=["class_code", "grade_code"])
    )
    foreseen = pl.col("share_deployed") * pl.col("units_per_deployment") * pl.col("minutes_per_unit")
    worked = (pl.col("cleared_at") - pl.col("dispatched_at")).dt.total_seconds() / 60 * pl.col("units")
    total = calls.select(foreseen.sum().alias("foreseen"), worked.sum().alias("worked"))
    # Half a per cent of jobs last no time.
    assert total["worked"][0] / total["foreseen"][0] == pytest.approx(0.995, abs=0.02)
    minutes = (pl.col("cleared_at") - pl.col("dispatched_at")).dt.total_seconds() / 60
    cells = (
        calls.drop_nulls("cleared_at")
        .filter(pl.col("cleared_at") > pl.col("dispatched_at"))
        .group_by("class_code", "grade_code")
        .agg(minutes.mean().alias("mean"), minutes.std().alias("sd"), pl.len(), pl.col("minutes_per_unit").first())
    )
    common = cells.filter(pl.col("len") > 500)
    error = (common["mean"] - common["minutes_per_unit"]) / (common["sd"] / common["len"].sqrt())
    assert common.height > 25
    assert float(error.abs().max()) < 5


def test_future_follows_history(county):
    history, future = county.tables["incidents"], county.truth["future_incidents"]
    assert future["received_at"].min() >= datetime(2026, 11, 23, tzinfo=UTC)
    assert future["received_at"].max() < datetime(2027, 1, 18, tzinfo=UTC)
    assert not set(future["incident_id"]) & set(history["incident_id"])
    assert future["closed_at"].null_count() == 0


# ---- people and duties ----


def test_pattern_puts_one_team_on_each_duty_every_day():
    for day in range(400):
        at = UNTIL + timedelta(days=day)
        assert sorted(people.duty_of(team, at) for team in range(5)) == [0, 1, 2, 3, 3]
    one_team = "".join(str(people.duty_of(0, UNTIL + timedelta(days=day))) for day in range(20))
    assert "0011223333" in one_team


def test_duties_keep_to_the_pattern(county):
    duties = (
        county.tables["duties"]
        .filter(role_code="response")
        .join(county.tables["people"].select("person_id", "team", home="pool_id"), on="person_id")
    )
    start = local("starts_at").dt.time().cast(pl.String)
    teams = duties.group_by(start.alias("start"), day=local("starts_at").dt.date()).agg(pl.col("team").n_unique())
    assert teams["team"].unique().to_list() == [1]
    assert teams.height == 3 * 112
    nights = duties.filter(local("starts_at").dt.hour() == 22)
    assert set(nights["pool_id"]) == {"R-N1", "R-N2", "R-N3"}
    days = duties.filter(local("starts_at").dt.hour() != 22)
    assert (days["pool_id"] == days["home"]).all()
    hours = (duties["ends_at"] - duties["starts_at"]).dt.total_minutes() / 60
    clocks_back = duties.filter(local("starts_at").dt.date() == date(2026, 10, 24))
    assert set(hours) == ({9.5} if clocks_back.is_empty() else {9.5, 10.5})


def test_night_pool_covers_the_districts_of_its_officers(county):
    pools = county.tables["pools"].filter(role_code="response")
    areas_of = {pool: set(rows["area_id"]) for (pool,), rows in pools.group_by("pool_id")}
    homes = county.tables["people"].select("person_id", home="pool_id")
    pairs = county.tables["duties"].filter(pl.col("pool_id").str.starts_with("R-N")).join(homes, on="person_id")
    for night, home in pairs.select("pool_id", "home").unique().iter_rows():
        assert areas_of[home] <= areas_of[night]


def test_three_in_ten_are_away(county):
    response = county.tables["duties"].filter(role_code="response").height
    assert response / (1000 * 0.6 * 112) == pytest.approx(0.7, abs=0.02)


def test_cover_is_mostly_enough_but_short_on_weekend_nights_in_the_city(county):
    """Officers on duty against what Erlang's formula asks for the expected work: nine in ten met in 6.4 minutes."""
    short = _share_short(county)
    day = [share for (pool, _), share in short.items() if pool.startswith("R-D")]
    city = max(("R-N1", "R-N2", "R-N3"), key=lambda pool: short[pool, "weekend"])
    assert max(day) < 0.1
    assert short[city, "weekend"] > 0.6
    assert max(short[pool, "week"] for pool in ("R-N1", "R-N2", "R-N3")) < 0.15


def _share_short(twin: Twin) -> dict[tuple[str, str], float]:
    """Give the share of hours with too few officers by pool, for the small hours of weekends and all others."""
    calls = driving(twin.tables["incidents"])
    attended = calls.filter(pl.col("units") > 0).drop_nulls("cleared_at")
    minutes = (attended["cleared_at"] - attended["dispatched_at"]).dt.total_seconds() / 60
    mean = float((minutes * attended["units"]).sum() / attended["units"].sum())
    units = float(attended["units"].sum()) / calls.height
    hours = periods.hours_between(ZONE, datetime(2026, 11, 23, tzinfo=UTC), datetime(2027, 1, 18, tzinfo=UTC))
    parts = periods.local_parts(hours, ZONE)
    is_night = ((parts["hour"] >= 22) | (parts["hour"] < 7)).to_numpy()
    is_weekend = (parts["weekday"].is_in([6, 7]) & (parts["hour"] < 3)).to_numpy()
    duties = twin.tables["duties"].filter(role_code="response")
    found = {}
    for (pool, from_hour), rows in twin.tables["pools"].filter(role_code="response").group_by("pool_id", "from_hour"):
        rates = (
            twin.truth["hourly_rates"]
            .filter(pl.col("area_id").is_in(rows["area_id"].to_list()), pl.col("hour_starting").is_in(hours.implode()))
            .group_by("hour_starting")
            .agg(pl.col("expected_incidents").sum())
            .sort("hour_starting")["expected_incidents"]
            .to_numpy()
            .astype(float)
        )
        load = queueing.carried_load(rates * units, mean).max_of_hour
        runs = is_night if from_hour == 22 else ~is_night
        needed = queueing.units_for_target(load, 6.4, mean, 0.9) * np.where(is_night, 2, 1)
        # A late duty that runs into the night counts for the night pool of its district.
        districts = [pool] if from_hour == 7 else [pool, *_day_pools(twin, rows["area_id"].to_list())]
        here = duties.filter(pl.col("pool_id").is_in(districts))
        starts, ends = (np.sort(here[name].dt.epoch("s").to_numpy()) for name in ("starts_at", "ends_at"))
        at = hours.dt.epoch("s").to_numpy()
        on_duty = np.searchsorted(starts, at, side="right") - np.searchsorted(ends, at + 3600, side="left")
        for name, part in (("weekend", runs & is_weekend), ("week", runs & ~is_weekend)):
            if part.any():
                found[str(pool), name] = float((on_duty < needed)[part].mean())
    return found


def _day_pools(twin: Twin, areas: list[str]) -> list[str]:
    pools = twin.tables["pools"].filter(pl.col("area_id").is_in(areas), role_code="response", from_hour=7)
    return pools["pool_id"].unique().to_list()


# ---- tables, files, mistakes ----


def test_tables_and_settings_are_valid_and_point_at_the_files_written(small, tmp_path):
    write_twin(tmp_path, small)
    read = settings.read(tmp_path)
    assert read.force.time_zone == ZONE
    assert set(read.sources) == set(IMPORTED) == set(small.tables)
    for name in IMPORTED:
        tables.check(small.tables[name], name)
        file = tmp_path / str(read.sources[name].file)
        text = pl.read_csv(file, infer_schema=False)
        typed, unreadable = tables.parse(text, name)
        assert unreadable.is_empty()
        assert typed.equals(small.tables[name]), name
    classes = set(small.tables["incidents"]["class_code"]) - {"patrol"}
    assert classes <= set(small.tables["service_times"]["class_code"])
    assert pl.read_parquet(tmp_path / "truth" / "hourly_rates.parquet").equals(small.truth["hourly_rates"])
    assert "Nothing here is real" in (tmp_path / "README.txt").read_text(encoding="utf-8")


def test_every_class_is_one_that_the_product_knows(small):
    import tomllib

    known = tomllib.loads((Path(twin_module.__file__).parents[1] / "classes.toml").read_text(encoding="utf-8"))
    assert set(small.tables["incidents"]["class_code"]) <= set(known)


def test_more_incidents_can_be_asked_of_the_same_people():
    usual, busy = (make_twin(areas=5, days=28, until=UNTIL, weekly_incidents=number) for number in (None, 2000))
    assert driving(busy.tables["incidents"]).height / 4 == pytest.approx(2000, rel=0.06)
    assert busy.tables["people"].equals(usual.tables["people"])


def test_all_mistakes_in_the_size_are_told_at_once():
    with pytest.raises(UsageError) as told:
        make_twin(areas=1, days=3, seed=-1, until=UNTIL, weekly_incidents=0)
    assert len(told.value.problems) == 4
    with pytest.raises(UsageError, match="Did you mean 'county'"):
        make_twin(preset="conty", until=UNTIL)


def test_a_folder_that_cannot_be_written_is_named(small, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputOutputError, match="can't be written"):
        write_twin(tmp_path / "file" / "force", small)
