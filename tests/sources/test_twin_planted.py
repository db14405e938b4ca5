"""What is planted in the made-up force: it is there as strong as it is said to be, and nothing else changes."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import shapely
from typer.testing import CliRunner

from bluelamp import settings
from bluelamp.cli import app
from bluelamp.errors import UsageError
from bluelamp.sources import twin as twin_module
from bluelamp.sources.twin import Peak, Twin, demand, geography, incidents, make_twin, planted, write_twin

UNTIL = date(2026, 11, 23)
ZONE = "Europe/London"
NUMBERS = tomllib.loads(Path(twin_module.__file__).with_name("truth.toml").read_text(encoding="utf-8"))
POINT = ["longitude", "latitude"]
METRES_IN_A_DEGREE = 111_300.0  # of latitude, on the ellipsoid near 55° north


@pytest.fixture(scope="module")
def busy() -> Twin:
    """A year of twelve areas with many incidents, so that shares can be told from chance."""
    return make_twin(areas=12, days=364, seed=3, until=UNTIL, weekly_incidents=6000)


@pytest.fixture(scope="module")
def even() -> Twin:
    return make_twin(areas=12, days=364, seed=3, until=UNTIL, weekly_incidents=6000, points="even", planted=False)


def all_incidents(twin: Twin) -> pl.DataFrame:
    """History and future, with the local day and hour of receipt."""
    rows = pl.concat([twin.tables["incidents"], twin.truth["future_incidents"]])
    local = pl.col("received_at").dt.convert_time_zone(ZONE)
    return rows.with_columns(day=local.dt.date(), hour=local.dt.hour().cast(pl.Int64))


def metres(other_longitude: pl.Expr, other_latitude: pl.Expr) -> pl.Expr:
    east = (pl.col("longitude") - other_longitude) * other_latitude.radians().cos()
    return (east**2 + (pl.col("latitude") - other_latitude) ** 2).sqrt() * METRES_IN_A_DEGREE


def boundaries(twin: Twin) -> dict[str, shapely.Polygon]:
    rows = twin.tables["areas"].filter(level="area")
    return dict(zip(rows["area_id"], shapely.from_geojson(rows["boundary"].to_numpy()), strict=True))


def area_at_its_hours(twin: Twin, hotspot: dict) -> pl.DataFrame:
    """The incidents of a hotspot's class in its area, in the hours and days in which it is there, and `is_inside`."""
    begins, ends = hotspot["from_hour"], hotspot["to_hour"]
    is_after_midnight = (pl.col("hour") < ends) & (ends <= begins)
    is_open = (pl.col("hour") >= begins) & ((pl.col("hour") < ends) | (ends <= begins)) | is_after_midnight
    night = pl.col("day") - pl.when(is_after_midnight).then(pl.duration(days=1)).otherwise(pl.duration())
    there = metres(pl.lit(hotspot["longitude"]), pl.lit(hotspot["latitude"])) <= hotspot["radius_m"] * 1.003
    return (
        all_incidents(twin)
        .filter(pl.col("class_code") == hotspot["class_code"], pl.col("area_id") == hotspot["area_id"])
        .drop_nulls(POINT)
        .with_columns(
            is_inside=there,
            is_open=is_open
            & night.is_between(hotspot["first_day"], hotspot["last_day"])
            & night.dt.weekday().is_in(hotspot["weekdays"]),
        )
    )


# ---- nothing but points ----


@pytest.mark.parametrize("how", [{"planted": False}, {"points": "even"}, {"points": "even", "planted": False}])
def test_points_alone_depend_on_how_they_lie(how):
    one, other = (make_twin(areas=8, days=90, seed=2, until=UNTIL, **each) for each in ({}, how))
    assert one.settings == other.settings
    for name, frame in one.tables.items():
        told = [column for column in frame.columns if column not in POINT]
        assert frame.select(told).equals(other.tables[name].select(told)), name
    for name in ("hourly_rates", "day_shocks"):
        assert one.truth[name].equals(other.truth[name])
    for mine, theirs in (
        (one.tables["incidents"], other.tables["incidents"]),
        (one.truth["future_incidents"], other.truth["future_incidents"]),
    ):
        assert mine.drop(POINT).equals(theirs.drop(POINT))
        assert (mine["longitude"].is_null() == theirs["longitude"].is_null()).all()
        assert (mine["longitude"] != theirs["longitude"]).any()


def test_what_is_lived_does_not_depend_on_points():
    one, other = (
        make_twin(areas=4, days=28, seed=5, until=UNTIL, feed_days=6, **how)
        for how in ({}, {"points": "even", "planted": False})
    )
    for name in ("unit_intervals", "grade_history", "committed", "deployable", "worked"):
        assert one.truth[name].equals(other.truth[name]), name
    where = [*POINT, "true_longitude", "true_latitude", "place_token"]
    assert one.truth["current_incidents"].drop(where).equals(other.truth["current_incidents"].drop(where))


def test_places_alone_move_no_point(busy):
    usual = make_twin(areas=12, days=364, seed=3, until=UNTIL, weekly_incidents=6000, planted=False)
    moved = pl.concat([busy.truth["hotspot_incidents"]["incident_id"], busy.truth["near_repeats"]["incident_id"]])
    assert moved.is_unique().all()
    still = ~pl.col("incident_id").is_in(moved.implode())
    assert all_incidents(busy).filter(still).equals(all_incidents(usual).filter(still))
    known = usual.truth["places"].select(pl.struct(pl.col(POINT)))["longitude"]
    at = all_incidents(usual).drop_nulls(POINT).select(pl.struct(pl.col(POINT)))["longitude"]
    assert at.is_in(known.implode()).all()


@pytest.mark.parametrize("points", ["places", "even"])
def test_nothing_is_planted_where_nothing_is_asked_for(points):
    twin = make_twin(areas=6, days=40, seed=4, until=UNTIL, points=points, planted=False)
    for name in ("hotspots", "hotspot_addresses", "hotspot_incidents", "near_repeats", "peaks"):
        assert twin.truth[name].is_empty(), name
    assert twin.truth["places"].is_empty() == (points == "even")


# ---- hotspots ----


@pytest.mark.parametrize("way", planted.WAYS)
def test_a_hotspot_takes_the_share_that_it_is_said_to_take(way, busy):
    """Counts inside each circle against `share_inside`; at other hours against the share that is usual there."""
    size = {"areas": 12, "days": 364, "seed": 3, "until": UNTIL, "weekly_incidents": 6000}
    twin = busy if way == "places" else make_twin(**size, points=way)
    distance = cells = 0.0
    repeating = NUMBERS["planted"]["near_repeats"]
    for hotspot in twin.truth["hotspots"].iter_rows(named=True):
        if hotspot["class_code"] in repeating:
            continue  # near-repeats move some of these as well
        there = area_at_its_hours(twin, hotspot)
        usual = (hotspot["share_inside"] - hotspot["share"]) / (1 - hotspot["share"])
        for is_open, share in ((True, hotspot["share_inside"]), (False, usual)):
            rows = there.filter(is_open=is_open)
            expected, variance = rows.height * share, rows.height * share * (1 - share)
            if expected > 5:
                distance += (rows["is_inside"].sum() - expected) ** 2 / variance
                cells += 1
    assert cells >= 6
    # A chi-square of so many cells.
    assert abs(distance - cells) < 4 * np.sqrt(2 * cells)


def test_those_at_a_hotspot_are_at_its_addresses_in_its_hours(busy):
    at = busy.truth["hotspot_incidents"].join(all_incidents(busy), on="incident_id")
    assert at.height == busy.truth["hotspot_incidents"].height > 500
    addresses = busy.truth["hotspot_addresses"]
    assert addresses.group_by("hotspot_id").len()["len"].unique().to_list() == [12]
    assert at.drop_nulls(POINT).join(addresses, on=["hotspot_id", *POINT], how="anti").is_empty()
    taken = 0
    for hotspot in busy.truth["hotspots"].iter_rows(named=True):
        there = area_at_its_hours(busy, hotspot)
        mine = at.filter(pl.col("hotspot_id") == hotspot["hotspot_id"], pl.col("class_code") == hotspot["class_code"])
        found = there.join(mine.select("incident_id"), on="incident_id")
        assert found["is_open"].all()
        assert found["is_inside"].all()
        taken += found.height
    assert taken == at.drop_nulls([*POINT, "area_id"]).height


def test_a_hotspot_is_many_times_as_dense_as_its_area(busy):
    hotspots = busy.truth["hotspots"]
    area = dict(busy.tables["areas"].select("area_id", "area_km2").iter_rows())
    circle = np.pi * (hotspots["radius_m"] / 1000) ** 2
    times = hotspots["share_inside"] * pl.Series([area[each] for each in hotspots["area_id"]]) / circle
    assert np.allclose(times, hotspots["times_area_mean"], rtol=1e-3)
    assert hotspots["times_area_mean"].min() > 5
    assert (hotspots["share_inside"] >= hotspots["share"]).all()
    # About the size of an H3 hexagon of resolution 9 (0.105 km²), and not larger.
    assert circle.max() < 0.105


def test_as_many_come_to_hotspots_as_are_expected(busy):
    counted = busy.truth["hotspot_incidents"].join(all_incidents(busy), on="incident_id")
    both = busy.truth["hotspots"].join(
        counted.group_by("hotspot_id", "class_code").len(), on=["hotspot_id", "class_code"]
    )
    weeks = ((pl.col("last_day") - pl.col("first_day")).dt.total_days() + 1) / 7
    expected = float(both.select((pl.col("weekly_incidents") * weeks).sum()).item())
    # The days' shocks (9 % a day) and seasons come on top of chance.
    assert both["len"].sum() == pytest.approx(expected, rel=0.06)


def test_most_hotspots_last_and_some_begin_or_end(busy):
    lives = busy.truth["hotspots"].unique("hotspot_id")
    first, last = UNTIL - timedelta(days=364), UNTIL + timedelta(days=incidents.FUTURE_DAYS - 1)
    begun, ended = lives.filter(pl.col("first_day") > first), lives.filter(pl.col("last_day") < last)
    assert min(begun.height, ended.height) >= 1
    assert begun.height + ended.height < lives.height
    assert begun.join(ended, on="hotspot_id").is_empty()
    days = pl.concat([begun["first_day"], ended["last_day"]])
    assert days.min() > first + timedelta(days=90)
    assert days.max() < UNTIL - timedelta(days=60)


def test_kinds_of_hotspots_have_classes_of_their_own():
    kinds = NUMBERS["planted"]["hotspots"]
    classes = [name for what in kinds.values() for name in what["classes"]]
    assert len(set(classes)) == len(classes)
    twin = make_twin(areas=40, days=14, seed=7, until=UNTIL)
    wanted = {kind: max(1, round(what["per_area"] * 40)) for kind, what in kinds.items()}
    each = twin.truth["hotspots"].unique("hotspot_id")["kind"].value_counts()
    assert dict(each.iter_rows()) == wanted


# ---- points without anything planted ----


def test_even_points_are_uniform_in_every_area(even):
    """The chi-square of counts in a grid over each area against the parts of the area that the cells cover."""
    points = all_incidents(even).drop_nulls([*POINT, "area_id"])
    distance = cells = 0.0
    for area_id, outline in boundaries(even).items():
        here = points.filter(pl.col("area_id") == area_id)
        west, south, east, north = outline.bounds
        edges = np.linspace(west, east, 7), np.linspace(south, north, 7)
        counts, *_ = np.histogram2d(here["longitude"], here["latitude"], bins=edges)
        # Degrees of longitude shorten northwards.
        shrink = np.cos(np.radians(edges[1][:-1] / 2 + edges[1][1:] / 2))
        parts = np.array(
            [
                [
                    outline.intersection(shapely.box(x, y, x2, y2)).area
                    for y, y2 in zip(edges[1], edges[1][1:], strict=False)
                ]
                for x, x2 in zip(edges[0], edges[0][1:], strict=False)
            ]
        )
        expected = parts * shrink
        expected *= here.height / expected.sum()
        used = expected > 5
        distance += float(((counts - expected)[used] ** 2 / expected[used]).sum())
        cells += used.sum()
    assert cells > 200
    assert abs(distance - cells) < 4 * np.sqrt(2 * cells)


def test_usual_places_share_an_area_as_the_truth_says(busy):
    """The shares of places against the incidents that nothing planted has moved."""
    usual = make_twin(areas=12, days=364, seed=3, until=UNTIL, weekly_incidents=6000, planted=False)
    sums = usual.truth["places"].group_by("area_id").agg(pl.col("share").sum())
    assert np.allclose(sums["share"], 1)
    counted = all_incidents(usual).drop_nulls([*POINT, "area_id"]).group_by("area_id", *POINT).len()
    per_area = counted.group_by("area_id").agg(total=pl.col("len").sum())
    both = (
        usual.truth["places"]
        .group_by("area_id", *POINT)
        .agg(pl.col("share").sum())
        .join(counted, on=["area_id", *POINT], how="left")
        .join(per_area, on="area_id")
        .with_columns(pl.col("len").fill_null(0), expected=pl.col("share") * pl.col("total"))
        .filter(pl.col("expected") > 10)
    )
    distance = float(both.select(((pl.col("len") - pl.col("expected")) ** 2 / pl.col("expected")).sum()).item())
    assert both.height > 300
    assert abs(distance - both.height) < 4 * np.sqrt(2 * both.height)


# ---- near-repeats ----


def pairs_of(twin: Twin) -> pl.DataFrame:
    rows = all_incidents(twin).select("incident_id", "received_at", "class_code", "area_id", *POINT)
    near = rows.rename({name: f"near_{name}" for name in rows.columns})
    return twin.truth["near_repeats"].join(rows, on="incident_id").join(near, on="near_incident_id")


def test_a_near_repeat_lies_near_an_earlier_one_of_its_class_and_area(busy):
    pairs = pairs_of(busy)
    assert pairs.height == busy.truth["near_repeats"].height > 1000
    assert set(pairs["class_code"]) == set(NUMBERS["planted"]["near_repeats"])
    assert (pairs["class_code"] == pairs["near_class_code"]).all()
    placed = pairs.drop_nulls(["area_id", "near_area_id"])
    assert (placed["area_id"] == placed["near_area_id"]).all()
    between = (pairs["received_at"] - pairs["near_received_at"]).dt.total_seconds() / 86400
    assert np.allclose(between, pairs["days"])
    assert between.min() >= 0
    assert between.max() <= 14
    pointed = pairs.drop_nulls([*POINT, "near_longitude"])
    apart = pointed.select(metres(pl.col("near_longitude"), pl.col("near_latitude"))).to_series()
    assert float((apart - pointed["metres"]).abs().max()) < 3
    assert float((apart - pointed["metres"]).abs().mean()) < 1


def test_near_repeats_are_as_many_and_as_near_as_is_said(busy):
    at_hotspots = busy.truth["hotspot_incidents"]["incident_id"]
    for name, what in NUMBERS["planted"]["near_repeats"].items():
        rows = all_incidents(busy).filter(pl.col("class_code") == name).drop_nulls("area_id").sort("received_at")
        since = pl.col("received_at") - pl.col("received_at").shift(1).over("area_id")
        could = rows.filter(since <= timedelta(days=what["within_days"])).filter(
            ~pl.col("incident_id").is_in(at_hotspots.implode())
        )
        found = could.join(busy.truth["near_repeats"], on="incident_id")
        spread = np.sqrt(what["share"] * (1 - what["share"]) / could.height)
        assert found.height / could.height == pytest.approx(what["share"], abs=4 * spread + 0.005)
        # Some of the longer distances would lead out of the area.
        assert 0.85 * what["mean_metres"] < found["metres"].mean() < what["mean_metres"] * (1 + 4 / found.height**0.5)


def test_the_time_to_a_near_repeat_falls_exponentially():
    """Where many come every day, the chances are those of an exponential cut off after fourteen days."""
    twin = make_twin(areas=4, days=42, seed=6, until=UNTIL, weekly_incidents=20_000)
    full = pairs_of(twin).filter(
        pl.col("received_at") > datetime(2026, 10, 28, tzinfo=UTC), pl.col("class_code") == "burglary"
    )
    # The mean of an exponential with mean 4 between 0 and 14.
    mean = 4 - 14 * np.exp(-14 / 4) / (1 - np.exp(-14 / 4))
    busiest = full.filter(pl.col("area_id") == full["area_id"].mode().first())
    assert busiest.height > 400
    assert busiest["days"].mean() == pytest.approx(mean, abs=4 * busiest["days"].std() / busiest.height**0.5)


@pytest.mark.parametrize(("is_planted", "low", "high"), [(True, 1.5, 10), (False, 0.8, 1.2)])
def test_burglaries_are_near_each_other_in_place_and_time_where_they_are_planted(is_planted, low, high):
    """Pairs within 200 m and a fortnight against those that times in any order would have (Knox 1964)."""
    twin = make_twin(areas=12, days=364, seed=3, until=UNTIL, planted=is_planted)
    rows = all_incidents(twin).filter(class_code="burglary").drop_nulls(POINT)
    at = rows["received_at"].dt.epoch("s").to_numpy() / 86400
    x, y = rows["longitude"].to_numpy() * np.cos(np.radians(54.9)), rows["latitude"].to_numpy()
    apart = np.hypot(x[:, None] - x, y[:, None] - y) * METRES_IN_A_DEGREE
    first, second = np.nonzero(np.triu(apart <= 200, 1))
    random = np.random.default_rng(1)

    def close(times: np.ndarray) -> int:
        return int((np.abs(times[first] - times[second]) <= 14).sum())

    by_chance = np.mean([close(random.permutation(at)) for _ in range(40)])
    assert by_chance > 40
    assert low < close(at) / by_chance < high


# ---- inside ----


@pytest.mark.parametrize("fixture", ["busy", "even"])
def test_moved_points_stay_in_their_areas(fixture, request):
    twin = request.getfixturevalue(fixture)
    moved = all_incidents(twin).drop_nulls([*POINT, "area_id"])
    if fixture == "busy":
        ids = pl.concat([twin.truth["hotspot_incidents"]["incident_id"], twin.truth["near_repeats"]["incident_id"]])
        moved = moved.filter(pl.col("incident_id").is_in(ids.implode()))
    outlines = boundaries(twin)
    inside = shapely.contains_xy(
        np.array([outlines[area] for area in moved["area_id"]]), *moved.select(POINT).to_numpy().T
    )
    assert inside.all()


def shaped(outlines: list[shapely.Geometry], days: int = 28) -> tuple[demand.Truth, geography.Places, pl.DataFrame]:
    """A truth of four areas of the given shapes (km on the plane), its places and its calls."""

    def random_of(*part: str | int) -> np.random.Generator:
        return np.random.default_rng([sum(str(word).encode()) for word in part])

    county = geography.draw_county(4, NUMBERS["force"], NUMBERS["profiles"], random_of("county"))
    county = replace(county, outlines=outlines)
    calendar = demand.Calendar.of(ZONE, UNTIL, days)
    truth = demand.tell_truth(county, calendar, NUMBERS, 4000, random_of("shocks"))
    work = incidents.ask_for_work(truth, NUMBERS)
    places = geography.draw_places(county, 100, 2.0, random_of("places"))
    units = np.full((len(county.district_ids), 24), 20.0)
    return truth, places, incidents.draw_calls(truth, work, NUMBERS, places, units, random_of)


def random_of(*part: str | int) -> np.random.Generator:
    return np.random.default_rng([7, *(sum(str(word).encode()) for word in part)])


@pytest.mark.parametrize(("way", "is_planted"), [("places", True), ("even", True), ("even", False)])
def test_points_stay_inside_areas_with_holes_and_islands(way, is_planted):
    ring = shapely.box(0, 0, 6, 6).difference(shapely.box(1, 1, 5, 5))
    islands = shapely.union_all([shapely.box(10 + 2 * at, 0, 10.9 + 2 * at, 0.9) for at in range(4)])
    strip = shapely.box(0, 8, 20, 8.12)  # narrower than a hotspot
    tiny = shapely.Point(3, 3).buffer(0.05)
    truth, places, calls = shaped([ring, islands, strip, tiny])

    put = planted.set_points(way, is_planted, calls, truth, places, NUMBERS["planted"], random_of)

    degrees = [geography.in_degrees(truth.county, outline) for outline in truth.county.outlines]
    named = dict(zip(truth.county.area_ids, degrees, strict=True))
    moved = put.calls
    if way == "places":
        rows = pl.concat([put.at_hotspots["drawn"], put.near_repeats["drawn"]])
        moved = moved.filter(pl.col("drawn").is_in(rows.implode()))
        assert put.hotspots["radius_m"].max() <= 150
    assert moved.height > 50
    assert set(moved["true_area_id"]) == set(named)
    assert shapely.contains_xy(
        np.array([named[area] for area in moved["true_area_id"]]),
        *moved.select("true_longitude", "true_latitude").to_numpy().T,
    ).all()
    assert put.calls.drop(POINT, "true_longitude", "true_latitude").equals(
        calls.drop(POINT, "true_longitude", "true_latitude")
    )


@pytest.mark.parametrize("is_planted", [True, False])
@pytest.mark.parametrize("way", planted.WAYS)
def test_the_smallest_force_with_hardly_an_incident_can_be_made(way, is_planted, tmp_path):
    twin = make_twin(areas=4, days=14, seed=1, until=UNTIL, weekly_incidents=2, points=way, planted=is_planted)
    write_twin(tmp_path, twin)
    assert twin.tables["incidents"].height < 30
    assert pl.read_parquet(tmp_path / "truth" / "hotspots.parquet").is_empty() != is_planted


def test_the_same_seed_plants_the_same_and_another_seed_does_not():
    one, again, other = (make_twin(areas=6, days=60, seed=seed, until=UNTIL) for seed in (1, 1, 2))
    for name in ("places", "hotspots", "hotspot_addresses", "hotspot_incidents", "near_repeats"):
        assert one.truth[name].equals(again.truth[name]), name
        assert not one.truth[name].equals(other.truth[name]), name
    assert one.tables["incidents"].equals(again.tables["incidents"])


# ---- in the exports ----


def test_logs_and_offences_of_the_feeds_lie_at_the_planted_points():
    twin = make_twin(areas=6, days=60, seed=5, until=UNTIL, feed_days=42, weekly_incidents=1500)
    logs = twin.truth["current_incidents"].select("incident_id", "area_id", "true_longitude", "true_latitude")
    at = twin.truth["hotspot_incidents"].join(logs, on="incident_id")
    assert at.height > 50
    addresses = twin.truth["hotspot_addresses"].rename({"longitude": "true_longitude", "latitude": "true_latitude"})
    assert at.join(addresses, on=["hotspot_id", "true_longitude", "true_latitude"], how="anti").is_empty()
    offences = twin.feeds.tables["records_offences.csv"].drop_nulls("incident_id").join(logs, on="incident_id")
    assert offences.height > 100
    assert (offences["longitude"] == offences["true_longitude"]).all()
    assert (offences["latitude"] == offences["true_latitude"]).all()
    known = pl.concat([twin.tables["incidents"]["incident_id"], twin.truth["future_incidents"]["incident_id"]])
    for name in ("incident_id", "near_incident_id"):
        assert twin.truth["near_repeats"][name].is_in(known.implode()).all()


# ---- peaks ----

PEAK = Peak("robbery", "D1", date(2026, 11, 1), date(2026, 12, 20), (5, 6), 20, 4, 8.0)


@pytest.fixture(scope="module")
def peaked() -> tuple[Twin, Twin]:
    """A force with a peak and the same one without."""
    size = {"areas": 8, "days": 120, "seed": 3, "until": UNTIL, "weekly_incidents": 6000}
    return make_twin(**size, peaks=[PEAK]), make_twin(**size)


def test_a_peak_is_told_night_by_night(peaked):
    windows = peaked[0].truth["peaks"]
    nights = [date(2026, 11, 1) + timedelta(days=day) for day in range(50)]
    assert windows.height == len([day for day in nights if day.isoweekday() in (5, 6)])
    starts, ends = (windows[name].dt.convert_time_zone(ZONE) for name in ("starts_at", "ends_at"))
    assert set(starts.dt.hour()) == {20}
    assert set(ends.dt.hour()) == {4}
    assert set(starts.dt.weekday()) == {5, 6}
    assert np.allclose(windows["more_incidents"], 7 * windows["usual_incidents"])
    assert peaked[1].truth["peaks"].is_empty()
    assert set(peaked[0].tables["events"]["kind"]) == set(peaked[1].tables["events"]["kind"])


def test_a_peak_adds_what_it_says_and_takes_nothing(peaked):
    with_peak, without = (all_incidents(twin) for twin in peaked)
    for name in ("burglary", "domestic", "robbery"):
        counts = [
            rows.filter(pl.col("class_code") == name).group_by(pl.col("received_at").dt.truncate("1h")).len()
            for rows in (without, with_peak)
        ]
        both = counts[0].join(counts[1], on="received_at", how="full", suffix="_with").fill_null(0)
        more = (both["len_with"].cast(pl.Int64) - both["len"].cast(pl.Int64)).to_list()
        assert min(more) >= 0
        expected = float(peaked[0].truth["peaks"]["more_incidents"].sum()) if name == "robbery" else 0.0
        assert sum(more) == pytest.approx(expected, abs=4 * expected**0.5 + 0.05 * expected)


def test_the_truth_about_rates_has_the_peak_in_it(peaked):
    rates = [twin.truth["hourly_rates"].filter(level="force")["expected_incidents"].sum() for twin in peaked]
    assert rates[0] - rates[1] == pytest.approx(peaked[0].truth["peaks"]["more_incidents"].sum(), rel=0.05)


def test_the_usual_peaks_come_before_every_christmas_and_on_two_coming_fridays():
    twin = make_twin(areas=6, days=800, seed=3, until=UNTIL, peaks="usual")
    windows = twin.truth["peaks"].with_columns(day=pl.col("starts_at").dt.convert_time_zone(ZONE).dt.date())
    theft, robbery = (windows.filter(pl.col("class_code") == name) for name in ("theft", "robbery"))
    assert set(theft["day"].dt.year()) == {2024, 2025, 2026}
    assert theft.group_by("peak_id").len()["len"].to_list() == [29, 29, 29]
    assert robbery["day"].to_list() == [date(2026, 12, 4), date(2026, 12, 11)]
    assert len(twin.parameters["made_with"]["peaks"]) == 5


def test_all_that_is_wrong_with_peaks_is_told_at_once():
    wrong = [
        replace(PEAK, class_code="robery"),
        replace(PEAK, place_id="D99", times=1.0),
        replace(PEAK, from_hour=24, weekdays=(0,)),
        replace(PEAK, first_day=date(2030, 1, 1), last_day=date(2030, 2, 1)),
    ]
    with pytest.raises(UsageError) as told:
        make_twin(areas=4, days=30, until=UNTIL, peaks=wrong)
    assert len(told.value.problems) == 6
    assert "Did you mean 'robbery'" in told.value.problems[0]


# ---- the command line ----


def test_the_command_line_writes_what_was_planted(tmp_path):
    size = ["--areas", "4", "--days", "28", "--until", "2026-11-23"]
    result = CliRunner().invoke(
        app, ["twin", str(tmp_path / "calm"), *size, "--points", "even", "--not-planted", "--peaks"]
    )
    assert result.exit_code == 0, result.output
    truth = tmp_path / "calm" / "truth"
    assert pl.read_parquet(truth / "hotspots.parquet").is_empty()
    assert not pl.read_parquet(truth / "peaks.parquet").is_empty()
    made = json.loads((truth / "parameters.json").read_text(encoding="utf-8"))["made_with"]
    assert (made["points"], made["planted"]) == ("even", False)
    assert {peak["class_code"] for peak in made["peaks"]} == {"theft", "robbery"}
    readme = " ".join((tmp_path / "calm" / "README.txt").read_text(encoding="utf-8").split())
    assert "No hotspots and no near-repeats are planted" in readme
    assert "Peaks: " in readme
    assert set(settings.read(tmp_path / "calm").sources) == set(twin_module.IMPORTED)
    with pytest.raises(UsageError) as told:
        make_twin(areas=4, days=3, until=UNTIL, points="place")
    assert len(told.value.problems) == 2
    assert "Did you mean 'places'" in told.value.problems[1]
