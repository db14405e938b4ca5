"""Required staff and net deployable to coverage: the gap, and the chance that a call is late.

Cover belongs to pools, so requirement, officers who can go out and the gap stand on the rows of pools and of the force.
Demand and lateness belong to areas too, and stand on their rows; nothing of a pool is repeated on its areas.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import queueing, tables
from bluelamp.offered_work import STREAMS, OfferedWork
from bluelamp.pools import Floats, PoolHours

_QUANTILES = ("p025", "p10", "p25", "p50", "p75", "p90", "p975")
_DEMAND = [
    "incidents_mean", *(f"incidents_{name}" for name in _QUANTILES), "officer_hours_mean", "officer_hours_p10",
    "officer_hours_p90",
]  # fmt: skip


class _Lateness:
    """Chances of lateness for pools, areas and the force, from one distribution of load.

    Urgent calls go first and units finish what they are at. A call that may wait for hours is judged by the mean load
    and the mean units of those hours, because that is when it can be served: a short night does not make late a call
    that has until tomorrow. Units at long commitments answer nothing, so many as each sample has. Everything else is a
    steady state by the hour, which errs high in the first hour of a shortage and low in the first hour after one; the
    event simulation (a later rung) follows the queue itself.
    """

    def __init__(self, work: OfferedWork, load: Floats, units: Floats) -> None:
        self.work = work
        self.known = ~np.isnan(units)
        self.late = np.empty((len(work.targets), *load.shape), dtype=np.float64)
        self.wait = np.empty((len(work.targets), *units.shape), dtype=np.float64)
        median = np.quantile(load, 0.5, axis=0, method="inverted_cdf")
        away = work.away[: load.shape[0]].astype(np.float64)
        usually_away = np.quantile(away, 0.5, axis=0, method="inverted_cdf")
        for number, target in enumerate(work.targets):
            window = max(round(target.waiting_minutes / 60), 1)
            on_duty = np.nan_to_num(_mean_ahead(units, window))
            grade = work.grades.index(target.grade_code)
            # Grades that are as urgent stand in one line, first come, first served.
            ahead, alike = work.load_in_line(grade)
            for seen, gone, out in ((load, away, "late"), (median, usually_away, "wait")):
                busy = _mean_ahead(seen, window)
                late, wait = queueing.waits_by_priority(
                    np.floor(np.maximum(on_duty - _mean_ahead(gone, window), 0) + 0.5), busy, busy * ahead,
                    busy * alike, target.waiting_minutes, work.service_minutes,
                )  # fmt: skip
                if out == "late":
                    self.late[number] = late
                else:
                    self.wait[number] = wait

    @property
    def calls(self) -> Floats:
        """Calls an hour that each target speaks of, targets × samples × pools × hours."""
        grades = [self.work.grades.index(target.grade_code) for target in self.work.targets]
        shares = self.work.target_share_of_arrivals
        found: Floats = np.moveaxis(self.work.arrivals[:, grades], 1, 0) * shares[:, None]
        return found

    def of_pools(self) -> dict[str, Floats]:
        """Figures for pools × hours."""
        return self._figures(self.calls, self.late, self.wait, self.known)

    def of_force(self) -> dict[str, Floats]:
        """Figures for 1 × hours: pools weighed by their calls."""
        targets, samples, pools, hours = self.late.shape

        def beside(values: Floats) -> Floats:
            return np.moveaxis(values, 2, 0).reshape(pools * targets, samples, 1, hours)

        wait = np.moveaxis(self.wait, 1, 0).reshape(pools * targets, 1, hours)
        return self._figures(beside(self.calls), beside(self.late), wait, np.atleast_2d(self.known.all(axis=0)))

    def of_area(self, area: int, kind: str) -> dict[str, Floats]:
        """Figures for one area, 1 × hours: its own grades and its kind's targets, under its pool's load."""
        pool_hours = self.work.pool_hours
        hours = np.arange(len(self.work.hours))
        pool = pool_hours.patterns[pool_hours.pattern_of_hour, area]
        chosen = [number for number, target in enumerate(self.work.targets) if target.area_kind == kind]
        factor = self.work.factor_of_district[:, self.work.district_of_area[area], :]
        weights = np.array(
            [self.work.area_arrivals[self.work.grades.index(self.work.targets[number].grade_code), area] * factor
             * self.work.holds[number] for number in chosen]
        ).reshape(len(chosen), *factor.shape)[:, :, None, :]  # fmt: skip
        late = self.late[chosen][:, :, pool, hours][:, :, None, :]
        known = (self.known[pool, hours] & (pool >= 0))[None, :]
        return self._figures(weights, late, self.wait[chosen][:, pool, hours][:, None, :], known, chosen)

    def _figures(
        self, weights: Floats, late: Floats, wait: Floats, known: NDArray[np.bool_], chosen: Sequence[int] | None = None
    ) -> dict[str, Floats]:
        """Average over targets, then over samples. `weights` and `late` are targets × samples × places × hours."""
        if not late.shape[0]:
            empty = np.full(wait.shape[1:], np.nan)
            names = (
                "chance_late",
                "chance_late_immediate",
                "chance_late_p10",
                "chance_late_p90",
                "chance_any_late",
                "expected_delay_minutes",
            )
            return dict.fromkeys(names, empty)
        calls = weights.sum(axis=0)
        late_calls = (weights * late).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            by_sample = late_calls / calls
            mean = late_calls.sum(axis=0) / calls.sum(axis=0)
        usable = known & (calls.sum(axis=0) > 0)
        spoken_of = [self.work.targets[number % len(self.work.targets)] for number in chosen or range(late.shape[0])]
        other = np.array([target.other_minutes for target in spoken_of])
        # A mean over grades would be the delay of none of them: those that may wait a day drown those that may not.
        urgency = self.work.urgency
        of_target = urgency[[self.work.grades.index(target.grade_code) for target in spoken_of]]
        expected = weights.mean(axis=1) * (of_target == urgency.min(axis=0))[:, None, :]
        with np.errstate(divide="ignore", invalid="ignore"):
            # A kind of call that does not come has no say, even where it would wait for ever.
            spent = np.where(expected > 0, expected * (wait + other[:, None, None]), 0.0).sum(axis=0)
            delay = spent / expected.sum(axis=0)
        ordered = np.sort(np.where(usable, by_sample, 0.0), axis=0)
        samples = ordered.shape[0]

        def at(level: float) -> Floats:
            found: Floats = ordered[max(int(np.ceil(level * samples)) - 1, 0)]
            return found

        def shown(values: Floats) -> Floats:
            return np.where(usable, values, np.nan)

        at_once = np.array([target.stream == "immediate" for target in spoken_of])
        urgent = weights[at_once]
        with np.errstate(divide="ignore", invalid="ignore"):
            immediate = shown((urgent * late[at_once]).sum(axis=(0, 1)) / urgent.sum(axis=(0, 1)))

        return {
            "chance_late": shown(mean),
            "chance_late_immediate": immediate,
            "chance_late_p10": shown(at(0.1)),
            "chance_late_p90": shown(at(0.9)),
            "chance_any_late": shown((1 - np.exp(-late_calls)).mean(axis=0)),
            "expected_delay_minutes": np.where(usable & np.isfinite(delay), delay, np.nan),
        }


def find_coverage(
    forecast: pl.DataFrame,
    required_staff: pl.DataFrame,
    deployable: pl.DataFrame,
    areas: pl.DataFrame,
    *,
    work: OfferedWork,
    load: Floats,
    method: str,
    force_id: str,
) -> pl.DataFrame:
    """Compare what is required with who can go out, place by place and hour by hour, as the table `coverage`.

    A negative `units_gap` means too few. Hours with nobody required are kept, because spare capacity is a finding
    too. `load` (samples × pools × hours) is the load that `method` sees; chances are averages over its samples, and
    the _p10 and _p90 columns their 10% and 90% points. Parts that do not make a whole officer or unit are left out.
    Where `deployable` has no row, nobody knows who is there, and requirement stands alone.
    """
    pool_hours, hours = work.pool_hours, work.hours
    officers = _whole(deployable, "officers_deployable", pool_hours, hours)
    units = _whole(deployable, "units_deployable", pool_hours, hours)
    lateness = _Lateness(work, load, units)
    required = required_staff.filter(pl.col("method") == method, pl.col("grade_code") == "all")
    answering = _pool_rows(required, pool_hours, hours, units, officers, lateness.of_pools())
    streams = _streams(work, hours, force_id)
    rows = [
        _with_demand(answering, forecast, streams, "pool"),
        _with_demand(_force_rows(answering, hours, lateness.of_force(), force_id), forecast, streams, "force"),
        _with_demand(_area_rows(areas, work, hours, lateness), forecast, streams, "area"),
    ]
    others = sorted(set(required["role_code"]) - {pool_hours.role_code})
    rows += [_other_role_rows(required, deployable, role) for role in others]
    return tables.publish(pl.concat(rows, how="diagonal"), "coverage")


def _whole(deployable: pl.DataFrame, column: str, pool_hours: PoolHours, hours: pl.Series) -> Floats:
    """Give whole officers or units of the role that answers incidents, pools × hours; NaN where it is not known."""
    number = {pool_id: position for position, pool_id in enumerate(pool_hours.pool_ids)}
    mine = deployable.filter(pl.col("role_code") == pool_hours.role_code)
    if mine.is_empty():
        return np.full(pool_hours.runs.shape, np.nan)
    # A pool that does not run has nobody, and that is known.
    found = np.where(pool_hours.runs, np.nan, 0.0)
    pool = mine["pool_id"].replace_strict(number, return_dtype=pl.Int64).to_numpy()
    hour = np.searchsorted(hours.dt.epoch("s").to_numpy(), mine["hour_starting"].dt.epoch("s").to_numpy())
    found[pool, hour] = np.floor(mine[column].to_numpy())
    return found


def _mean_ahead(values: Floats, window: int) -> Floats:
    """Average over the coming hours, … × hours; at the end over those that are left, and over known ones only."""
    if window == 1:
        return values
    known = ~np.isnan(values)
    summed = np.concatenate(
        [np.zeros((*values.shape[:-1], 1)), np.cumsum(np.where(known, values, 0.0), axis=-1)], axis=-1
    )
    counted = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(known, axis=-1)], axis=-1)
    first = np.arange(values.shape[-1])
    last = np.minimum(first + window, values.shape[-1])
    count = counted[..., last] - counted[..., first]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0, (summed[..., last] - summed[..., first]) / count, np.nan)


def _column(values: Floats) -> pl.Series:
    return pl.Series(values).fill_nan(None)


def _pool_rows(
    required: pl.DataFrame,
    pool_hours: PoolHours,
    hours: pl.Series,
    units: Floats,
    officers: Floats,
    late: dict[str, Floats],
) -> pl.DataFrame:
    pool, hour = np.nonzero(pool_hours.runs)
    pool_ids = pl.Series(pool_hours.pool_ids, dtype=pl.String)[pool]
    on_duty = pl.DataFrame(
        {
            "level": pl.repeat("pool", len(pool), eager=True),
            "place_id": pool_ids,
            "pool_id": pool_ids,
            "role_code": pl.repeat(pool_hours.role_code, len(pool), eager=True),
            "hour_starting": hours[hour],
            "units_on_duty": _column(units[pool, hour]),
            "officers_on_duty": _column(officers[pool, hour]),
            **{name: _column(values[pool, hour]) for name, values in late.items()},
        }
    )
    return _find_gaps(on_duty.join(_asked(required), on=["pool_id", "role_code", "hour_starting"], how="left"))


def _asked(required: pl.DataFrame) -> pl.DataFrame:
    return required.select(
        "pool_id", "role_code", "hour_starting", "units_required", "units_required_p10", "units_required_p90",
        "officers_required", "officers_required_gross", "binds", "binding_grade",
    )  # fmt: skip


def _find_gaps(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        units_gap=pl.col("units_on_duty") - pl.col("units_required"),
        units_gap_p10=pl.col("units_on_duty") - pl.col("units_required_p90"),
        units_gap_p90=pl.col("units_on_duty") - pl.col("units_required_p10"),
        officers_gap=pl.col("officers_on_duty") - pl.col("officers_required"),
    ).drop("units_required_p10", "units_required_p90")


def _force_rows(pool_rows: pl.DataFrame, hours: pl.Series, late: dict[str, Floats], force_id: str) -> pl.DataFrame:
    """Add pools up to the force. Each area has one pool in an hour, so this counts nobody twice."""
    summed = ["units_required", "units_on_duty", "units_gap", "officers_required", "officers_required_gross",
              "officers_on_duty", "officers_gap"]  # fmt: skip
    totals = pool_rows.group_by("role_code", "hour_starting").agg(
        # A sum in which one pool is unknown is unknown.
        pl.when(pl.col(name).is_null().any()).then(None).otherwise(pl.col(name).sum()).alias(name)
        for name in summed
    )
    chances = pl.DataFrame({"hour_starting": hours, **{name: _column(values[0]) for name, values in late.items()}})
    return totals.join(chances, on="hour_starting").with_columns(level=pl.lit("force"), place_id=pl.lit(force_id))


def _area_rows(areas: pl.DataFrame, work: OfferedWork, hours: pl.Series, lateness: _Lateness) -> pl.DataFrame:
    kinds = dict(areas.filter(pl.col("level") == "area").select("area_id", "kind").iter_rows())
    pool_hours = work.pool_hours
    names = [*pool_hours.pool_ids, None]
    parts = []
    for area, area_id in enumerate(pool_hours.area_ids):
        figures = lateness.of_area(area, kinds.get(area_id, "all"))
        pool = pool_hours.patterns[pool_hours.pattern_of_hour, area]
        parts.append(
            pl.DataFrame(
                {
                    "place_id": pl.repeat(area_id, len(hours), eager=True),
                    "hour_starting": hours,
                    "pool_id": pl.Series([names[index] for index in pool], dtype=pl.String),
                    **{name: _column(values[0]) for name, values in figures.items()},
                }
            )
        )
    return pl.concat(parts).with_columns(level=pl.lit("area"), role_code=pl.lit(pool_hours.role_code))


def _streams(work: OfferedWork, hours: pl.Series, force_id: str) -> pl.DataFrame:
    """Give what part of a place's expected incidents each stream has: level, place, hour and `STREAMS`."""
    streams = [work.stream_of(grade) for grade in range(len(work.grades))]
    stream_of = np.array([-1 if stream is None else STREAMS.index(stream) for stream in streams])
    cover = work.pool_hours
    levels = {
        "area": (cover.area_ids, work.area_incidents),
        "pool": (cover.pool_ids, work.pool_incidents),
        "force": ([force_id], work.area_incidents.sum(axis=1, keepdims=True)),
    }
    parts = []
    for level, (place_ids, by_grade) in levels.items():
        total = by_grade.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = [
                np.where(total > 0, by_grade[stream_of == number].sum(axis=0) / total, 0.0)
                for number in range(len(STREAMS))
            ]
        parts.append(
            pl.DataFrame(
                {
                    "level": pl.repeat(level, total.size, eager=True),
                    "place_id": pl.Series(place_ids, dtype=pl.String)[np.repeat(np.arange(len(place_ids)), len(hours))],
                    "hour_starting": hours[np.tile(np.arange(len(hours)), len(place_ids))],
                    **{stream: share.ravel() for stream, share in zip(STREAMS, shares, strict=True)},
                }
            )
        )
    return pl.concat(parts)


def _with_demand(rows: pl.DataFrame, forecast: pl.DataFrame, streams: pl.DataFrame, level: str) -> pl.DataFrame:
    expected = forecast.filter(
        pl.col("level") == level,
        pl.col("span") == "hour",
        pl.col("class_code") == "all",
        pl.col("grade_code") == "all",
    ).select(pl.col("area_id").alias("place_id"), "hour_starting", *_DEMAND)
    place = ["place_id", "hour_starting"]
    of_level = streams.filter(pl.col("level") == level).drop("level")
    joined = rows.join(expected, on=place, how="left").join(of_level, on=place, how="left")
    return joined.with_columns(
        (pl.col("incidents_mean") * pl.col(stream)).alias(f"{stream}_mean") for stream in STREAMS
    ).drop(STREAMS)


def _other_role_rows(required: pl.DataFrame, deployable: pl.DataFrame, role: str) -> pl.DataFrame:
    """Rows of a role that answers no incidents: its minimum against its officers who can go out."""
    asked = _asked(required.filter(pl.col("role_code") == role))
    there = deployable.filter(pl.col("role_code") == role).select(
        "pool_id",
        "hour_starting",
        units_on_duty=pl.col("units_deployable").floor(),
        officers_on_duty=pl.col("officers_deployable").floor(),
    )
    rows = asked.join(there, on=["pool_id", "hour_starting"], how="left")
    return _find_gaps(rows).with_columns(level=pl.lit("pool"), place_id=pl.col("pool_id"))
