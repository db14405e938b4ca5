"""A made-up force's forecast beside its truth: the rates, what holidays and events do, and the best that could be.

The truth is what `bluelamp twin` writes into `truth/`: the expected incidents of every hour of the force from the first
day to a year ahead, those of areas for the weeks around the first day to come, and the variances of the days' shocks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import measure
import numpy as np
import polars as pl
from forecast_trials import OURS, Ground, Stand, came_in, crps_of_counts, learn, piece

from bluelamp import forecast, periods
from bluelamp.forecast import Origin, RateModel
from bluelamp.scoring import Floats, Integers

YEAR = 364
# What a day is compared with: the same weekday so many weeks before and after.
BESIDE = (-3, -2, -1, 1, 2, 3)
# Evenings that are on no list of holidays, so that no method knows of them.
UNKNOWN_EVENINGS = {(10, 31): "Halloween", (11, 5): "Bonfire Night"}


def compare_with_truth(ground: Ground, truth: Path, pieces: Path) -> dict[str, pl.DataFrame]:
    """Give 'rates' (errors of rates by origin), 'ideal' (scores of whoever knows the rates) and 'effects'."""
    told = pl.read_parquet(truth / "hourly_rates.parquet")
    numbers = json.loads((truth / "parameters.json").read_text())
    force = told.filter(level="force").select("hour_starting", true="expected_incidents")
    rates, ideal = [], []
    for stand in ground.stands():
        for method in stand.methods:
            measure.note(f"truth: {stand.day} {method}")
            made = piece(
                pieces,
                f"{stand.day}_{method}_rates",
                lambda stand=stand, method=method: force_rates(stand.origin, learn(stand, method)),
            )
            both = made.join(force, on="hour_starting", how="left")
            rates.append(both.with_columns(origin=pl.lit(stand.day), method=pl.lit(method)))
        ideal.append(score_ideal(stand, force, _variance(numbers)).with_columns(origin=pl.lit(stand.day)))
    measure.note("truth: effects of a year ahead")
    effects = piece(pieces, "effects", lambda: find_effects(ground, told, numbers))
    return {"rates": pl.concat(rates), "ideal": pl.concat(ideal), "effects": effects}


def _variance(numbers: dict) -> float:  # type: ignore[type-arg]
    """The relative variance of a force's day that nobody can know: of its own shock, and of its districts'."""
    sizes: dict[str, float] = {}
    for area in numbers["areas"]:
        sizes[area["district"]] = sizes.get(area["district"], 0.0) + area["weight"]
    shares = np.array(list(sizes.values())) / sum(sizes.values())
    force, district = (numbers["demand"][name] ** 2 for name in ("force_day_cv", "district_day_cv"))
    return float(force + district * (shares**2).sum() * (1 + force))


def force_rates(origin: Origin, model: RateModel, area: str | None = None) -> pl.DataFrame:
    """Give the expected incidents of every coming hour, of the force or of one area, with the number of its day."""
    coming = origin.coming
    bounds = np.searchsorted(coming.day_of_hour, np.arange(len(coming.days) + 1))
    rows = slice(None) if area is None else [origin.series.area_ids.index(area)]
    found = [model.rates(coming, int(first), int(last))[rows].sum(axis=(0, 1)) for first, last in pairwise(bounds)]
    return pl.DataFrame({"hour_starting": coming.hours, "day": coming.day_of_hour, "rate": np.concatenate(found)})


def score_ideal(stand: Stand, force: pl.DataFrame, variance: float) -> pl.DataFrame:
    """Score whoever knows the true rates and how much days differ, but not how this day will: nobody can do better."""
    coming = stand.origin.coming
    true = pl.DataFrame({"hour_starting": coming.hours}).join(force, on="hour_starting", how="left")["true"].to_numpy()
    hours = len(true)
    local_hour = coming.slot % 24
    spans: dict[str, Integers] = {
        "hour": np.arange(hours), "shift": 3 * coming.day_of_hour + local_hour // 8, "day": coming.day_of_hour
    }  # fmt: skip
    found = []
    for span, time in spans.items():
        times = int(time.max()) + 1
        came = came_in(stand, stand.truth.levels[0], 0, hours, time, times)[None]
        mean = np.bincount(time, weights=true, minlength=times)[None]
        day = np.zeros(times, dtype=np.int64)
        day[time] = coming.day_of_hour
        kept = np.bincount(time, weights=~stand.truth.usable, minlength=times) == 0
        cells = {"incidents": came, "absolute": np.abs(mean - came), "crps": crps_of_counts(mean, variance, came)}
        rows = pl.DataFrame({"week": day // 7} | {name: values[0] for name, values in cells.items()})
        found.append(
            rows.filter(pl.Series(kept)).group_by("week", maintain_order=True).agg(pl.all().sum())
            .with_columns(level=pl.lit("force"), place=pl.lit(stand.places["force"][0]), span=pl.lit(span))
        )  # fmt: skip
    return pl.concat(found)


# ---- holidays and events ----


def find_effects(ground: Ground, told: pl.DataFrame, numbers: dict) -> pl.DataFrame:  # type: ignore[type-arg]
    """Give what each holiday and event of the coming year does to the hours that it touches, truly and as forecast.

    An effect is the sum of these hours over that of the same hours of the weeks beside them, less those that are
    special themselves.
    """
    origin = _stand_at_the_end(ground)
    model = origin.learn(OURS, 260)
    coming = origin.coming
    local = coming.day_of_hour * 24 + coming.slot % 24

    def by_local_hour(level: str, place: str) -> tuple[Floats, Floats]:
        true = told.filter(level=level, area_id=place).select("hour_starting", true="expected_incidents")
        made = force_rates(origin, model, None if level == "force" else place)
        both = made.join(true, on="hour_starting", how="left").with_columns(pl.col("true").fill_null(float("nan")))
        out = np.full((2, 24 * len(coming.days)), np.nan)
        out[:, local] = both["rate"].to_numpy(), both["true"].to_numpy()
        return out[0], out[1]

    labels = np.repeat(np.array(coming.label_of_day), 24)
    evenings = _evenings(coming.days)
    kinds = {kind: np.zeros(len(labels), dtype=bool) for kind in coming.force_kinds}
    for kind, is_on in zip(coming.force_kinds, coming.force_event, strict=True):
        kinds[kind][local] = is_on
    festival = _hours_of(origin, "festival", local, len(labels))
    special = (labels != "") | (evenings != "") | festival
    forecast_rate, true_rate = by_local_hour("force", origin.series.force_id)
    rows: list[tuple[str, str, float, float, float]] = []

    def tell(kind: str, name: str, mask: np.ndarray, avoid: np.ndarray, rates: tuple[Floats, Floats]) -> None:
        found = [effect(each, mask, avoid) for each in rates]
        if all(np.isfinite(each) for each in found):
            rows.append((kind, name, float(mask.sum()), found[1], found[0]))

    force = (forecast_rate, true_rate)
    for label in dict.fromkeys(labels[labels != ""].tolist()):
        tell("holiday", label, labels == label, special, force)
    for name in dict.fromkeys(evenings[evenings != ""].tolist()):
        tell("on no list", name, evenings == name, special, force)
    for kind, is_on in kinds.items():
        tell("whole force", kind, is_on & ~special, special | is_on, force)
    tell("local, seen at the force", "festival", festival, special, force)
    stadium = numbers["stadium"]
    sport = _hours_of(origin, "sport", local, len(labels))
    around = np.zeros_like(sport)
    for hours in range(-3, 4):
        around |= np.roll(sport, hours)
    at_the_ground = by_local_hour("area", stadium)
    tell("local, in its area", "sport", sport & np.isfinite(at_the_ground[1]), around | special, at_the_ground)
    near = around & ~sport & np.isfinite(at_the_ground[1])
    tell("local, in its area", "sport, three hours before and after", near, around | special, at_the_ground)
    return pl.DataFrame(rows, schema=["kind", "name", "hours", "true", "forecast"], orient="row")


def _stand_at_the_end(ground: Ground) -> Origin:
    """Stand where the record ends, with a year to come."""
    known, force = ground.known, ground.known.settings.force
    zone = periods.zone(force.time_zone)
    day = (known.data_until - timedelta(microseconds=1)).astimezone(zone).date() + timedelta(days=1)
    return forecast.stand_at(
        day, known.demand, known.areas, known.events, known.outages, known_until=known.data_until, force_id=force.id,
        time_zone=force.time_zone, weeks=260, days=YEAR, country=force.country, subdivision=force.subdivision,
    )  # fmt: skip


def _evenings(days: Sequence) -> np.ndarray:  # type: ignore[type-arg]
    names = np.array([UNKNOWN_EVENINGS.get((day.month, day.day), "") for day in days])
    found = np.repeat(names, 24)
    found[np.tile(np.arange(24), len(days)) < 18] = ""
    return found


def _hours_of(origin: Origin, kind: str, local: Integers, size: int) -> np.ndarray:
    """Say in which local hours a kind of local event is on anywhere."""
    found = np.zeros(size, dtype=bool)
    if kind in origin.coming.event_kinds:
        number = 1 + origin.coming.event_kinds.index(kind)
        found[local] = (origin.coming.event_of == number).any(axis=0)
    return found


def effect(rates: Floats, mask: np.ndarray, avoid: np.ndarray) -> float:
    """Give the sum of the hours of a mask over what the same hours of the weeks beside them lead to expect.

    Hours to avoid, and hours without a rate, are not compared with; hours that have nothing left to be compared with
    do not count.
    """
    hours = np.flatnonzero(mask & np.isfinite(rates))
    seen = due = 0.0
    for hour in hours:
        beside = [hour + 168 * weeks for weeks in BESIDE if 0 <= hour + 168 * weeks < len(rates)]
        usual = [rates[each] for each in beside if not avoid[each] and np.isfinite(rates[each])]
        if usual:
            seen, due = seen + rates[hour], due + float(np.mean(usual))
    return seen / due if due else float("nan")
