"""Hotspots: where offences of each class are most to be expected, by shift, and how far such maps have been right.

A family: each method is a file that offers `fit(past) -> Fitted`, which learns from the weeks before one week and gives
the offences to expect in it by cell and shift. Ranking cells, scoring maps on weeks held out and choosing the one to
show are the same for all of them and are done here. Places only: nothing here knows of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from bluelamp import aoristic, extensions, geography, grids, periods, scoring, tables
from bluelamp.errors import count_of, did_you_mean, one_of
from bluelamp.grids import Grid
from bluelamp.hotspots._capture import SHARES
from bluelamp.hotspots._feedback import EVEN, FITTED, simulate_feedback
from bluelamp.hotspots._past import History, Past
from bluelamp.hotspots._trial import Trial, try_methods
from bluelamp.settings import OffendingPart

__all__ = [
    "ALL", "COUNTS", "EVEN", "FITTED", "HARM", "SHARES", "Ground", "History", "bound_ratio", "choose", "count_by_area",
    "gather_offences", "lay_grid", "lay_ground", "lay_history", "make_hotspots", "methods", "score_maps",
    "simulate_feedback", "weigh_harm",
]  # fmt: skip

ALL, HARM = "all", "harm"
COUNTS = "counts"
# Places are listed up to this share of the ground.
LISTED_SHARE = SHARES[-1]
# Below so many offences in the whole history a class has no map of its own.
LEAST_OFFENCES = 50
_COUNTED_WEEKS = 52
# Weeks are drawn again in blocks; with fewer than three blocks there is no interval.
_DRAWS, _BLOCK, _LEAST_WEEKS = 2_000, 4, 12
OFFENCE_COLUMNS = {
    "longitude": pl.Float64(), "latitude": pl.Float64(), "area_id": pl.String(), "from_at": periods.INSTANT,
    "to_at": periods.INSTANT, "class_code": pl.String(), "code": pl.String(),
}  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """Offences on the ground of a force, also by harm where it has weights; nothing where there is no ground."""

    history: History | None
    harm: History | None
    notes: list[str]


def methods() -> list[str]:
    """Name the members of the family, the plain count map first."""
    return [COUNTS, *(name for name in extensions.members("hotspots") if name != COUNTS)]


def lay_ground(
    offences: pl.DataFrame,
    calls: pl.DataFrame,
    areas: pl.DataFrame,
    outages: pl.DataFrame,
    weights: pl.DataFrame,
    *,
    offending: OffendingPart,
    origins: Sequence[str],
    before: datetime,
    time_zone: str,
    streets: Mapping[str, Any] | None = None,
) -> Ground:
    """Lay a force's offending out on its ground, up to a local midnight.

    `offending` are the settings of that name, `streets` the GeoJSON that they speak of. `calls` are incidents as they
    count. Raises BadData where the streets do not lie in the force.
    """
    grid = lay_grid(areas, offending, streets)
    if grid is None:
        return Ground(None, None, ["There are no hotspots, because no area of the force has a boundary."])
    rows, notes = gather_offences(offences, calls, offending.classes, origins)
    rows = rows.filter(pl.coalesce("from_at", "to_at") < before)
    if grid.kind == "area":
        rows = rows.with_columns(area_id=pl.coalesce(geography.assign_areas(rows, areas), "area_id"))

    def lay(weight: pl.Series | None) -> tuple[History, list[str]]:
        return lay_history(
            rows, grid, outages, before=before, weeks=offending.weeks, shift_starts=offending.shift_starts,
            time_zone=time_zone, weight=weight,
        )  # fmt: skip

    history, told = lay(None)
    notes += told
    harm = None
    if not weights.is_empty() and not rows.is_empty():
        weight, told = weigh_harm(rows, weights)
        notes += told
        harm, _ = lay(weight)
    return Ground(history, harm, notes)


def lay_grid(areas: pl.DataFrame, offending: OffendingPart, streets: Mapping[str, Any] | None = None) -> Grid | None:
    """Lay the cells that the settings ask for; none where no area has a boundary."""
    if areas.filter((pl.col("level") == "area") & pl.col("boundary").is_not_null()).is_empty():
        return None
    if offending.cells == "area":
        return grids.take_areas(areas)
    if offending.cells == "street":
        return grids.take_streets(streets or {}, areas, offending.street_id_property)
    return grids.lay_hexagons(areas, offending.resolution)


def gather_offences(
    offences: pl.DataFrame, calls: pl.DataFrame, classes: Sequence[str], origins: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    """Give the places and times of offending: recorded offences where the force has them, else incidents of crime.

    Only origins that drive demand count: what officers found while out is left out, and so is an offence that was
    recorded from such an incident, because a map that counted them would send officers back to where it sent them
    before. Columns are those of `OFFENCE_COLUMNS`.
    """
    own = calls.filter(~pl.col("origin").is_in(list(origins)))
    if not offences.is_empty():
        notes = _say_unknown(classes, offences, "offence")
        rows = offences.filter(pl.col("class_code").is_in(list(classes)))
        kept = rows.join(own.select("incident_id"), on="incident_id", how="anti", maintain_order="left")
        left_out, what = rows.height - kept.height, "offence"
        kept = kept.rename({"offence_code": "code"})
    else:
        notes = _say_unknown(classes, calls, "incident")
        rows = calls.filter(pl.col("class_code").is_in(list(classes)))
        kept = rows.filter(pl.col("origin").is_in(list(origins)))
        left_out, what = rows.height - kept.height, "incident"
        kept = kept.with_columns(from_at="received_at", to_at="received_at", code="opening_code")
        notes.append(
            "Hotspots are of incidents of crime by when they were received: the force has no table 'offences'."
        )
    if left_out:
        notes.append(
            f"{count_of(left_out, what)} that officers came upon themselves "
            f"{'does' if left_out == 1 else 'do'} not count towards hotspots: they show where officers were sent."
        )
    return kept.select(pl.col(name).cast(dtype) for name, dtype in OFFENCE_COLUMNS.items()), notes


def _say_unknown(classes: Sequence[str], rows: pl.DataFrame, noun: str) -> list[str]:
    """Say which classes nothing has, where none is had or another is nearly spelt so: a force needs not have all."""
    there = sorted(rows["class_code"].unique().drop_nulls())
    others = [code for code in there if code not in classes]
    missing = {code: did_you_mean(code, others) for code in classes if code not in there}
    if len(missing) == len(classes) and there:
        return [
            f"No {noun} is of class {one_of(missing)}, which 'classes' under [offending] in force.toml asks for. "
            f"There are {one_of(there)}.{''.join(missing.values())}"
        ]
    return [f"No {noun} is of class '{code}' ([offending] classes).{near}" for code, near in missing.items() if near]


def weigh_harm(offences: pl.DataFrame, weights: pl.DataFrame) -> tuple[pl.Series, list[str]]:
    """Say what each offence weighs by table `harm_weights`: by its own code, else its class; else nothing."""
    own = dict(weights.filter(level="offence_code").select("code", "weight").iter_rows())
    of_class = dict(weights.filter(level="class_code").select("code", "weight").iter_rows())
    found = offences.select(
        weight=pl.coalesce(
            pl.col("code").replace_strict(own, default=None, return_dtype=pl.Float64),
            pl.col("class_code").replace_strict(of_class, default=None, return_dtype=pl.Float64),
        )
    )["weight"]
    without = found.null_count()
    notes = []
    if without:
        codes = offences.filter(found.is_null())["class_code"].unique().sort().to_list()
        notes.append(
            f"{count_of(without, 'offence')} of classes {', '.join(codes[:5])}"
            f"{' and others' if len(codes) > 5 else ''} have no harm weight and weigh nothing. Add rows to "
            "'harm_weights'."
        )
    return found.fill_null(0.0), notes


def lay_history(
    offences: pl.DataFrame,
    grid: Grid,
    outages: pl.DataFrame,
    *,
    before: datetime,
    weeks: int,
    shift_starts: Sequence[int],
    time_zone: str,
    weight: pl.Series | None = None,
) -> tuple[History, list[str]]:
    """Lay offences (`OFFENCE_COLUMNS`) out by cell, shift and week, in the whole weeks before a local midnight.

    Times that are ranges are shared out over their hours. Weeks before the first offence are no history. `weight`, one
    a row, stands in for one offence each.
    """
    number = len(shift_starts)
    cell = grid.find(offences["longitude"], offences["latitude"], offences["area_id"])
    notes = grids.say_outside(grid, offences["longitude"], offences["latitude"], cell)
    placed = offences.with_columns(
        cell=pl.Series(cell), weight=pl.lit(1.0) if weight is None else weight
    ).filter(pl.col("cell") != grids.OUTSIDE)  # fmt: skip
    parts = aoristic.spread(placed, time_zone)
    untimed = placed.height - parts["row"].n_unique()
    if untimed:
        notes.append(
            f"{count_of(untimed, 'offence')} without any time {'is' if untimed == 1 else 'are'} left out here."
        )
    first_day = before.astimezone(periods.zone(time_zone)).date()
    earliest = parts["hour_starting"].min()
    kept_weeks = 0
    if earliest is not None:
        assert isinstance(earliest, datetime)
        day = earliest.astimezone(periods.zone(time_zone)).date()
        kept_weeks = max(min(weeks, -(-(first_day - day).days // 7)), 0)
    starts_on = first_day - timedelta(weeks=kept_weeks)
    hours = _lay_hours(starts_on, first_day, shift_starts, time_zone)
    classes = tuple(sorted(placed["class_code"].unique()))
    kinds = pl.DataFrame(
        {"class_code": classes, "kind": range(len(classes))}, schema={"class_code": pl.String, "kind": pl.Int64}
    )
    counted = (
        parts.join(hours, on="hour_starting", how="inner")
        .join(placed.select("cell", "weight", "class_code").with_row_index("row"), on="row", how="left")
        .join(kinds, on="class_code", how="left")
        # Whole millionths are summed, because sums of fractions differ with the order of adding up.
        .group_by("week", "kind", "cell", "shift", "weight")
        .agg(pl.col("millionths").sum())
        .sort("week", "kind", "cell", "shift", "weight")
    )
    seen = _share_seen(hours, outages, kept_weeks, number)
    history = History(
        grid, classes, number, counted["cell"].to_numpy(), counted["shift"].to_numpy(), counted["week"].to_numpy(),
        counted["kind"].to_numpy(), (counted["millionths"] / aoristic.WHOLE * counted["weight"]).to_numpy(), seen,
    )  # fmt: skip
    return history, notes


def _lay_hours(first: date, last: date, shift_starts: Sequence[int], time_zone: str) -> pl.DataFrame:
    """Give the hours of the days [first, last) with their `week` and `shift`; a shift past midnight is one."""
    if last <= first:
        return pl.DataFrame(
            schema={"hour_starting": periods.INSTANT, "week": pl.Int64(), "shift": pl.Int64(), "length": pl.Int64()}
        )
    days = periods.local_days(time_zone, first, last - timedelta(days=1))
    begins, ends = days["starts_at"][0], days["ends_at"][-1]
    hours = periods.hours_between(time_zone, begins, ends)
    of_hour = [max((at for at, start in enumerate(shift_starts) if start <= hour), default=len(shift_starts) - 1)
               for hour in range(24)]  # fmt: skip
    local = periods.local_parts(hours, time_zone)
    lasts = pl.concat([hours[1:], pl.Series([ends], dtype=periods.INSTANT)]) - hours
    return pl.DataFrame(
        {
            "hour_starting": hours,
            "week": (local["day"] - first).dt.total_days() // 7,
            "shift": local["hour"].replace_strict(dict(enumerate(of_hour)), return_dtype=pl.Int64),
            "length": lasts.dt.total_seconds(),
        }
    )


def _share_seen(hours: pl.DataFrame, outages: pl.DataFrame, weeks: int, shifts: int) -> grids.Floats:
    masked = pl.lit(value=False)
    for begins, ends in outages.select("starts_at", "ends_at").iter_rows():
        masked |= (pl.col("hour_starting") >= begins) & (pl.col("hour_starting") < ends)
    found = hours.group_by("week", "shift").agg(
        whole=pl.col("length").sum(), seen=pl.col("length").filter(~masked).sum()
    )
    share = np.ones((weeks, shifts))
    share[found["week"].to_numpy(), found["shift"].to_numpy()] = (found["seen"] / found["whole"]).to_numpy()
    return share


def make_hotspots(
    history: History,
    chosen: Mapping[str, str],
    *,
    shift_starts: Sequence[int],
    harm: History | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> pl.DataFrame:
    """Rank places by shift and class for the week after a history, as the table `hotspots`.

    `chosen` names the method by class, as `choose` gives it; a class that is not there has the plain count map.
    """
    maps = [(name, each.until(each.weeks, kind)) for name, each, kind in _list_maps(history, harm)]
    found = []
    for number, (name, past) in enumerate(maps):
        method = chosen.get(name, COUNTS)
        risk = extensions.member("hotspots", method).fit(past).risk(past)
        found.append(_rank(name, method, past, risk, shift_starts))
        progress((number + 1) / len(maps))
    return tables.publish(pl.concat(found), "hotspots") if found else tables.empty("hotspots")


def count_by_area(history: History | None) -> pl.DataFrame:
    """Count the offences of the last 52 weeks by the area that their cell lies in: `area_id`, `offences`."""
    if history is None or history.weeks == 0:
        return pl.DataFrame(schema={"area_id": pl.String, "offences": pl.Float64})
    counted = history.until(history.weeks).count(_COUNTED_WEEKS).sum(axis=1)
    cells = pl.DataFrame({"area_id": pl.Series(history.grid.area_ids, dtype=pl.String), "offences": counted})
    return cells.group_by("area_id").agg(pl.col("offences").sum()).sort("area_id", nulls_last=True)


def _list_maps(history: History, harm: History | None) -> list[tuple[str, History, int | None]]:
    """List what has a map: every class together, harm, and classes with enough offences."""
    if history.weeks == 0 or not len(history.cell):
        return []
    number = np.bincount(history.kind, history.weight, minlength=len(history.classes))
    return [
        (ALL, history, None),
        *([(HARM, harm, None)] if harm is not None and harm.weight.sum() > 0 else []),
        *(
            (name, history, kind)
            for kind, name in enumerate(history.classes)
            if number[kind] >= LEAST_OFFENCES
        ),
    ]  # fmt: skip


def _rank(name: str, method: str, past: Past, risk: grids.Floats, shift_starts: Sequence[int]) -> pl.DataFrame:
    """Give the places of one class with the most risk for their size, or counted most, in each shift."""
    grid, counted = past.history.grid, past.count(_COUNTED_WEEKS)
    parts = []
    for shift, begins in enumerate(shift_starts):
        density = risk[:, shift] / grid.ranked_size
        order = np.argsort(-density, kind="stable")
        by_count = np.argsort(-counted[:, shift] / grid.ranked_size, kind="stable")
        rank, count_rank = _places(order), _places(by_count)
        share = np.cumsum(grid.size[order]) / grid.size.sum()
        count_share = np.cumsum(grid.size[by_count]) / grid.size.sum()
        # The last one may reach beyond the share, so that a force of few areas has a place at all.
        reached, counted_to = (int(np.searchsorted(each, LISTED_SHARE)) + 1 for each in (share, count_share))
        listed = order[
            ((rank[order] <= reached) & (risk[order, shift] > 0))
            | ((count_rank[order] <= counted_to) & (counted[order, shift] > 0))
        ]
        if not len(listed):
            continue
        expected = risk[listed, shift]
        is_street = grid.kind == "street"
        parts.append(
            pl.DataFrame(
                {
                    "class_code": name,
                    "from_hour": begins,
                    "to_hour": shift_starts[(shift + 1) % len(shift_starts)] or 24,
                    "rank": rank[listed],
                    "cell_kind": grid.kind,
                    "cell_id": [grid.cell_ids[cell] for cell in listed],
                    "cell_name": pl.Series([grid.names[cell] for cell in listed], dtype=pl.String),
                    "area_id": pl.Series([grid.area_ids[cell] for cell in listed], dtype=pl.String),
                    "longitude": grid.centres[listed, 0],
                    "latitude": grid.centres[listed, 1],
                    "area_km2": pl.Series([None] * len(listed) if is_street else grid.size[listed], dtype=pl.Float64),
                    "length_km": pl.Series(grid.size[listed] if is_street else [None] * len(listed), dtype=pl.Float64),
                    "ground_share": share[rank[listed] - 1].clip(0, 1),
                    "expected": expected,
                    "chance_any": pl.Series(
                        [None] * len(listed) if name == HARM else -np.expm1(-expected), dtype=pl.Float64
                    ),
                    "times_usual": density[listed] / (risk[:, shift].sum() / grid.size.sum()),
                    "counted": counted[listed, shift],
                    "count_rank": count_rank[listed],
                    "count_ground_share": count_share[count_rank[listed] - 1].clip(0, 1),
                    "method": method,
                }
            )
        )
    return pl.concat(parts) if parts else tables.empty("hotspots")


def _places(order: grids.Integers) -> grids.Integers:
    """Give each cell's place in an order, from 1."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(1, len(order) + 1)
    return place


def score_maps(
    history: History,
    *,
    weeks: int,
    harm: History | None = None,
    seed: int = 1,
    names: Sequence[str] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> pl.DataFrame:
    """Hold every method's map against the last weeks of a history, as the table `hotspot_scores`.

    The plain count map is always among them. A method is shown for a class where it caught more than the count map did,
    on average over the shares of the ground, with a 95 % interval (weeks drawn again in blocks of four) above nought;
    of several the one that caught most; where there is none, the count map.
    """
    wanted = list(dict.fromkeys([COUNTS, *(names or methods())]))
    maps = _list_maps(history, harm)
    rows = []
    for number, (name, each, kind) in enumerate(maps):
        rows += _score_class(name, each, try_methods(each, kind, wanted, weeks), seed)
        progress((number + 1) / len(maps))
    return tables.publish(pl.DataFrame(rows, schema=tables.table("hotspot_scores").polars_schema), "hotspot_scores")


def bound_ratio(some: grids.Floats, others: grids.Floats, seed: int) -> tuple[float | None, float | None]:
    """Give the 95 % interval of the ratio of two sums over weeks, one value a week each; none with too few weeks.

    Weeks are drawn again, singly and in blocks of four that follow each other, and the wider ends count: blocks know of
    weeks that are alike, and of few blocks the spread is taken too small.
    """
    if len(some) < _LEAST_WEEKS:
        return None, None
    ends = []
    for block in (1, _BLOCK):
        drawn = scoring.draw_blocks(len(some), block, _DRAWS, seed)
        again = some[drawn].sum(axis=1) / np.maximum(others[drawn].sum(axis=1), 1e-12)
        ends.append(np.quantile(again, (0.025, 0.975)))
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _bounds_of_count(count: float) -> tuple[float, float]:
    """Give Byar's 95 % interval of a Poisson mean of which so many were seen (Breslow and Day 1987, section 2.3)."""
    if count <= 0:
        return 0.0, 3.689
    more = count + 1
    low = count * max(1 - 1 / (9 * count) - 1.96 / (3 * count**0.5), 0.0) ** 3
    return low, more * (1 - 1 / (9 * more) + 1.96 / (3 * more**0.5)) ** 3


def choose(scores: pl.DataFrame) -> dict[str, str]:
    """Give the method to show for each class, of table `hotspot_scores`."""
    return dict(scores.filter("is_shown").select("class_code", "method").unique().iter_rows())


def _score_class(name: str, history: History, tried: Sequence[Trial], seed: int) -> list[dict[str, object]]:
    held = len(tried[0].weeks)
    if held == 0 or tried[0].came.sum() == 0:
        return []
    came = tried[0].came
    # Offences caught a week, on average over the shares of the ground.
    by_week = {each.method: each.caught[:, :, 0].mean(axis=1) for each in tried}
    plain = by_week[COUNTS]
    against: dict[str, tuple[float, float | None, float | None]] = {}
    for method, caught in by_week.items():
        ratio = float(caught.sum() / max(plain.sum(), 1e-12) - 1)
        low, high = bound_ratio(caught, plain, seed)
        against[method] = (ratio, None if low is None else low - 1, None if high is None else high - 1)
    won = [method for method, (_, low, _) in against.items() if low is not None and low > 0]
    shown = max(won, key=lambda method: against[method][0], default=COUNTS)
    whole = history.grid.size.sum()
    is_street = history.grid.kind == "street"
    rows: list[dict[str, object]] = []
    for each in tried:
        for at, share in enumerate(SHARES):
            caught, best = each.caught[:, at, 0], each.caught[:, at, 1]
            pai = caught.sum() / came.sum() / share
            low, high = bound_ratio(caught, came, seed)
            if low is not None and high is not None:
                # Were each offence by chance alone, so many could have been caught; weeks may say less than that.
                least, most = (each / came.sum() for each in _bounds_of_count(float(caught.sum())))
                low, high = min(low, least) / share, max(high, most) / share
            before = each.before[:, at].mean()
            rows.append(
                {
                    "class_code": name, "method": each.method, "watched_share": share,
                    "watched_km2": None if is_street else share * whole,
                    "watched_km": share * whole if is_street else None,
                    "weeks": held, "offences": float(came.sum()), "caught": float(caught.sum()),
                    "hit_rate": float(caught.sum() / came.sum()), "pai": float(pai), "pai_low": low, "pai_high": high,
                    "pei": float(caught.sum() / best.sum()) if best.sum() else None,
                    "recapture": float(caught.sum() / came.sum() / before) if before else None,
                    "against_counts": against[each.method][0], "against_counts_low": against[each.method][1],
                    "against_counts_high": against[each.method][2],
                    "log_score": float(each.likelihood.sum() / came.sum()), "is_shown": each.method == shown,
                    "about": each.about,
                }
            )  # fmt: skip
    return rows
