"""Forecast, pools and standards to required staff: how many, where and when.

A family: each rung of the ladder is a file that offers `load_of`, `units_for_grade` and `units_for_load`. Pools, crews,
minimums and abstraction are the same for all of them and are done here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import extensions, periods, queueing, tables
from bluelamp.errors import BadData
from bluelamp.offered_work import OfferedWork
from bluelamp.pools import Floats, Integers, gross_of, minimum_officers

__all__ = ["chance_short", "gross_of", "load_seen_by", "require_staff", "units_wanted"]


def load_seen_by(method: str, work: OfferedWork) -> Floats:
    """Give the load that a rung of the ladder sees, samples × pools × hours."""
    found: Floats = extensions.member("staffing", method).load_of(work)
    return found


def units_wanted(method: str, work: OfferedWork, utilisation: float) -> int:
    """Give the units that a rung of the ladder asks for, minimums apart, summed over pools and hours."""
    rung = extensions.member("staffing", method)
    return int(_wanted(rung, work, _by_grade(rung, work, utilisation), utilisation).sum())


def _by_grade(rung: ModuleType, work: OfferedWork, utilisation: float) -> Integers:
    return np.stack([rung.units_for_grade(work, grade, utilisation) for grade in range(len(work.grades))])


def _wanted(rung: ModuleType, work: OfferedWork, by_grade: Integers, utilisation: float) -> Integers:
    """Give units for all grades together. Where a rung knows no targets, work adds up and no grade decides.

    Work that no target speaks of (a grade without one, a slot that was agreed) must be done all the same: there are
    never fewer units than are kept busy.
    """
    if rung.MEETS_TARGETS:
        busy = np.ceil(rung.load_of(work).mean(axis=0) + work.long_load).astype(np.int64)
        most: Integers = np.maximum(by_grade.max(axis=0), busy)
        return most
    added: Integers = rung.units_for_load(work.mean_load, work.long_load, work, utilisation)
    return added


def require_staff(
    work: OfferedWork,
    minimums: pl.DataFrame,
    other_pools: pl.DataFrame,
    *,
    time_zone: str,
    crew_size_by_hour: Sequence[int],
    abstraction: float | Mapping[str, float],
    utilisation: float,
    methods: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Find units and officers for every pool, hour and grade by the rungs named, or by all, as the table
    `required_staff`.

    Each grade's row holds the units that its own target asks for; the row of grade 'all' the most of them, or the
    minimum strength where that is more, and says which binds. Officers (net) are units × crew, at least the minimum;
    gross is what must be rostered so that the net is left after `abstraction`, one share or one by role. The rows of
    `other_pools` (roles that answer no incidents) know minimums only.
    """
    _insist(work)
    lost = abstraction if isinstance(abstraction, Mapping) else defaultdict(lambda: abstraction)
    own = lost[work.pool_hours.role_code]
    parts = [
        _by_method(method, work, minimums, time_zone, crew_size_by_hour, own, utilisation)
        for method in methods or list(extensions.members("staffing"))
    ]
    parts += _minimums_only(other_pools, work, minimums, time_zone, lost, methods)
    return tables.publish(pl.concat(parts), "required_staff")


def _insist(work: OfferedWork) -> None:
    """Raise BadData where so much work is offered that a number must be wrong."""
    busy = work.load + work.away[: len(work.load)]
    if busy.max(initial=0) <= queueing.MOST_UNITS:
        return
    _, pool, hour = np.unravel_index(busy.argmax(), busy.shape)
    raise BadData(
        f"Work would keep {busy.max():,.0f} units of pool '{work.pool_hours.pool_ids[pool]}' busy in the hour from "
        f"{work.hours[int(hour)]:%Y-%m-%d %H:%M} UTC, and at most {queueing.MOST_UNITS:,} were expected. A call takes "
        f"{work.service_minutes[pool, hour]:,.0f} minutes there: look for minutes or units in the wrong unit in the "
        "table 'service_times'."
    )


# Loads of OfferedWork, and columns of `required_staff`.
_BESIDE_CALLS = ("write_up_load", "without_log_load", "long_load")


@dataclass(frozen=True)
class _Answer:
    """What one rung says for one grade, or for all: arrays of pools × hours."""

    grade_code: str
    load: Floats
    units: Integers
    officers: Integers
    grade: Integers  # index of the grade whose target decides, -1 where none does
    minimum_binds: NDArray[np.bool_]
    beside_calls: dict[str, Floats] | None = None  # what is told once, for all grades together
    low: Integers | None = None
    high: Integers | None = None


def _by_method(
    method: str,
    work: OfferedWork,
    minimums: pl.DataFrame,
    time_zone: str,
    crew_size_by_hour: Sequence[int],
    abstraction: float,
    utilisation: float,
) -> pl.DataFrame:
    rung = extensions.member("staffing", method)
    cover = work.pool_hours
    crew = np.array(crew_size_by_hour)[periods.local_parts(work.hours, time_zone)["hour"].to_numpy()]
    by_grade = _by_grade(rung, work, utilisation)
    wanted = _wanted(rung, work, by_grade, utilisation)
    least = minimum_officers(minimums, cover.pool_ids, cover.role_code, work.hours, time_zone)
    least_units = np.ceil(least / crew).astype(np.int64)
    units = np.maximum(wanted, least_units)
    load = rung.load_of(work)
    low, high = (rung.units_for_load(*_sample_at(level, load, work.away), work, utilisation) for level in (0.1, 0.9))
    minimum_binds = least_units > wanted
    decides = (wanted > 0) & ~minimum_binds & rung.MEETS_TARGETS & (by_grade.max(axis=0) == wanted)
    answers = [
        _Answer(
            grade_code="all",
            load=load.mean(axis=0),
            units=units,
            officers=np.maximum(units * crew, least),
            grade=np.where(decides, by_grade.argmax(axis=0), -1),
            minimum_binds=minimum_binds,
            beside_calls={name: getattr(work, name) for name in _BESIDE_CALLS},
            low=np.maximum(low, least_units),
            high=np.maximum(high, least_units),
        )
    ]
    for number, grade in enumerate(work.grades):
        mine = by_grade[number]
        answers.append(
            _Answer(
                grade_code=grade,
                # A rung's load is that of all grades; each has its share, so that the grades add up to 'all'.
                load=load.mean(axis=0) * work.share_of_load[number],
                units=mine,
                officers=mine * crew,
                grade=np.where((mine > 0) & rung.MEETS_TARGETS, number, -1),
                minimum_binds=np.zeros(mine.shape, dtype=np.bool_),
            )
        )
    return pl.concat(_rows(answer, method, work, crew, abstraction, rung.MEETS_TARGETS) for answer in answers)


def _sample_at(level: float, load: Floats, away: Integers) -> tuple[Floats, Integers]:
    """Give the sample that stands at a level of load and units away together, pool by pool and hour by hour."""
    samples = load.shape[0]
    order = np.argsort(load + away[:samples], axis=0, kind="stable")
    chosen = order[max(int(np.ceil(level * samples)) - 1, 0)][None]
    return np.take_along_axis(load, chosen, 0)[0], np.take_along_axis(away, chosen, 0)[0]


def chance_short(method: str, work: OfferedWork, units_on_duty: Floats, utilisation: float) -> Floats:
    """Give the chance that demand asks for more units than are on duty, pools × hours: the share of the samples of load
    for which a rung of the ladder does. Not a number where the units are none. Minimum strength is no demand.
    """
    rung = extensions.member("staffing", method)
    load = rung.load_of(work)
    samples = load.shape[0]
    order = np.argsort(load + work.away[:samples], axis=0, kind="stable")
    # Who asks for more has more load: how many samples are met is found by halving.
    met, not_met = np.zeros(units_on_duty.shape, np.int64), np.full(units_on_duty.shape, samples + 1)
    while (not_met - met).max() > 1:
        middle = np.minimum((met + not_met) // 2, samples)
        chosen = np.take_along_axis(order, middle[None] - 1, 0)
        asked = rung.units_for_load(
            np.take_along_axis(load, chosen, 0)[0], np.take_along_axis(work.away[:samples], chosen, 0)[0], work,
            utilisation,
        )  # fmt: skip
        is_met = asked <= units_on_duty
        met, not_met = np.where(is_met, middle, met), np.where(is_met, not_met, middle)
    return np.where(np.isnan(units_on_duty), np.nan, 1 - np.minimum(met, samples) / samples)


def _rows(
    answer: _Answer, method: str, work: OfferedWork, crew: Integers, abstraction: float, knows_targets: bool
) -> pl.DataFrame:
    pool, hour = np.nonzero(work.pool_hours.runs)
    size = len(pool)
    empty = pl.repeat(None, size, dtype=pl.Int64, eager=True)
    grades = [*work.grades, None]
    return pl.DataFrame(
        {
            "method": pl.repeat(method, size, eager=True),
            "pool_id": pl.Series(work.pool_hours.pool_ids, dtype=pl.String)[pool],
            "role_code": pl.repeat(work.pool_hours.role_code, size, eager=True),
            "hour_starting": work.hours[hour],
            "grade_code": pl.repeat(answer.grade_code, size, eager=True),
            "offered_load": answer.load[pool, hour],
            **{
                name: empty.cast(pl.Float64) if answer.beside_calls is None else answer.beside_calls[name][pool, hour]
                for name in _BESIDE_CALLS
            },
            "service_minutes": work.service_minutes[pool, hour],
            "target_probability": empty.cast(pl.Float64)
            if work.target_probability is None or not knows_targets
            else pl.repeat(work.target_probability, size, eager=True),
            "units_required": answer.units[pool, hour],
            "units_required_p10": empty if answer.low is None else answer.low[pool, hour],
            "units_required_p90": empty if answer.high is None else answer.high[pool, hour],
            "crew_size": crew[hour],
            "officers_required": answer.officers[pool, hour],
            "officers_required_gross": gross_of(answer.officers[pool, hour], abstraction),
            "binds": pl.Series(
                np.where(answer.minimum_binds[pool, hour], "minimum", "demand").tolist(), dtype=pl.String
            ),
            "binding_grade": pl.Series([grades[index] for index in answer.grade[pool, hour]], dtype=pl.String),
        }
    )


def _minimums_only(
    pools: pl.DataFrame,
    work: OfferedWork,
    minimums: pl.DataFrame,
    time_zone: str,
    abstraction: Mapping[str, float],
    methods: Sequence[str] | None,
) -> list[pl.DataFrame]:
    """Rows of the roles that answer no incidents: their minimum strength, by every method alike."""
    parts: list[pl.DataFrame] = []
    for role in pools["role_code"].unique().sort():
        pool_ids = pools.filter(pl.col("role_code") == role)["pool_id"].unique().sort().to_list()
        least = minimum_officers(minimums, pool_ids, role, work.hours, time_zone)
        pool, hour = np.nonzero(least)
        officers = least[pool, hour]
        parts.extend(
            pl.DataFrame(
                {
                    "method": pl.repeat(method, len(pool), eager=True),
                    "pool_id": pl.Series(pool_ids, dtype=pl.String)[pool],
                    "role_code": pl.repeat(role, len(pool), eager=True),
                    "hour_starting": work.hours[hour],
                    "grade_code": pl.repeat("all", len(pool), eager=True),
                    **{
                        name: pl.repeat(None, len(pool), dtype=pl.Float64, eager=True)
                        for name in ("offered_load", *_BESIDE_CALLS)
                    },
                    "service_minutes": pl.repeat(None, len(pool), dtype=pl.Float64, eager=True),
                    "target_probability": pl.repeat(None, len(pool), dtype=pl.Float64, eager=True),
                    "units_required": officers,
                    "units_required_p10": officers,
                    "units_required_p90": officers,
                    "crew_size": np.ones_like(officers),
                    "officers_required": officers,
                    "officers_required_gross": gross_of(officers, abstraction[role]),
                    "binds": pl.repeat("minimum", len(pool), eager=True),
                    "binding_grade": pl.repeat(None, len(pool), dtype=pl.String, eager=True),
                }
            )
            for method in methods or list(extensions.members("staffing"))
        )
    return parts
