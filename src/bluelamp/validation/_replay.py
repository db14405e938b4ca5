"""Recorded weeks as the simulator takes them: jobs with what was recorded of them, units that were on duty, rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from bluelamp import simulation
from bluelamp.errors import BadData
from bluelamp.pools import PoolHours
from bluelamp.validation._fitted import Fitted
from bluelamp.validation._records import Records

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Abilities are bits: the first is a response driver, those after it the hour in which a duty began, for two days.
_DRIVES = 1
_SHIFTS = 48
# Who is met on the street is dealt with there and then, or not at all.
_PATIENCE_ON_THE_SPOT = 1.0
# Work without a log is taken up by whoever is free then, or soon.
_PATIENCE_WITHOUT_LOG = 60.0
_UNITS_TOLD = 4
_SHORTEST_SCENE = 1.0
_FOUND_BY_OFFICERS = "officer_initiated"


@dataclass(frozen=True)
class Replay:
    """Everything of a replay but the draws. Jobs are `logs` in their order, then children, then work without a log."""

    logs: pl.DataFrame  # with `received` and `sent`, `arrived`: minutes from the run's first hour
    hours: pl.Series
    pool_ids: list[str]
    units: simulation.Units
    cover: simulation.Cover
    rules: simulation.Rules
    fitted: Fitted
    _children: pl.DataFrame
    _silent: pl.DataFrame
    _place: Integers
    _priority_of: dict[str, int]
    _local_hour: Integers
    _again: int  # priority of another visit
    _longer: float

    def draw(self, seed: int) -> simulation.Jobs:
        """Draw handling and journeys once for all jobs."""
        random = np.random.default_rng(seed)
        logs, children, silent = self.logs, self._children, self._silent
        counts = (logs.height, children.height, silent.height)
        is_near = logs["is_near"].to_numpy()
        handling = self.fitted.draw_handling(logs["opening_grade"].to_list(), is_near, random)
        travel = np.zeros((sum(counts), _UNITS_TOLD))
        going = pl.concat([logs.select("grade", "kind", "area_id"), children.select("grade", "kind", "area_id")])
        travel[: going.height] = self.fitted.draw_journeys(
            going["grade"].to_list(), going["kind"].to_list(), going["area_id"].to_list(),
            np.concatenate([self._local_hour, self._local_hour[children["parent"].to_numpy()]]), _UNITS_TOLD, random,
        )  # fmt: skip
        travel[: counts[0]][is_near] = 0.0
        received = logs["received"].to_numpy()
        whole = np.maximum(logs["total_minutes"].to_numpy() - travel[: counts[0], 0], _SHORTEST_SCENE)
        there = logs["first_minutes"].to_numpy()
        first = np.where(np.isnan(there), whole, there)
        regraded_to = logs["regraded_to"].fill_null(logs["opening_grade"])
        asks, opened_asks = (
            each.is_in(list(self.fitted.drivers_for)).to_numpy().astype(np.int64) * _DRIVES
            for each in (regraded_to, logs["opening_grade"])
        )
        lowest = max(self._priority_of.values())
        none = np.zeros(counts[1] + counts[2])
        able = np.bitwise_or.reduce(self.units.abilities)

        def joined(of_logs: ArrayLike, of_children: ArrayLike, of_silent: ArrayLike) -> Floats:
            return np.concatenate(
                [of_logs, np.broadcast_to(of_children, counts[1]), np.broadcast_to(of_silent, counts[2])]
            )

        def whole_numbers(*parts: ArrayLike) -> Integers:
            return joined(*parts).astype(np.int64)

        opening = self._priorities(logs["opening_grade"])
        is_spot = (logs["is_spot"] & (logs["origin"] == _FOUND_BY_OFFICERS)).to_numpy()
        guards = children["is_guard"].to_numpy()
        return simulation.Jobs.of(
            ready=joined(np.maximum(received + handling, 0.0), children["delay"].to_numpy(), silent["at"].to_numpy()),
            first_minutes=self._longer * joined(first, children["minutes"].to_numpy(), silent["minutes"].to_numpy()),
            after_minutes=self._longer * joined(logs["after_minutes"].to_numpy(), 0.0, 0.0),
            further_minutes=self._longer * joined(logs["further_minutes"].to_numpy(), 0.0, 0.0),
            place=self._place,
            priority=whole_numbers(opening, np.where(guards, min(1, lowest), self._again), lowest + 1),
            units=whole_numbers(logs["units"].to_numpy(), 1, 1),
            # Work without a log is that of the shift that did it: units that begin do not leave theirs to those who go.
            asks=whole_numbers(opened_asks, 0, _shift_bit(silent["on"].fill_null(np.nan).to_numpy()) & able),
            travel=travel,
            regraded_at=joined(logs["regraded"].to_numpy(), np.nan, np.nan),
            regraded_to=whole_numbers(self._priorities(regraded_to), 0, lowest + 1),
            regraded_asks=whole_numbers(asks, 0, 0),
            patience=joined(
                np.where(is_spot, _PATIENCE_ON_THE_SPOT, np.inf), np.inf, _PATIENCE_WITHOUT_LOG
            ),
            parent=whole_numbers(np.full(counts[0], -1), children["parent"].to_numpy(), -1),
            is_handed_over=np.concatenate([logs["is_guard"].to_numpy(), guards, none[counts[1] :] > 0]),
        )  # fmt: skip

    @property
    def places(self) -> Integers:
        """The place of each job."""
        return self._place

    def _priorities(self, grades: pl.Series) -> Integers:
        last = max(self._priority_of.values())
        found: Integers = grades.replace_strict(self._priority_of, default=last, return_dtype=pl.Int64).to_numpy()
        return found


def lay_out(
    records: Records,
    fitted: Fitted,
    pool_hours: PoolHours,
    priority_of: dict[str, int],
    local_hour: Integers,
    *,
    begin: datetime,
    end: datetime,
    hours: pl.Series,
    siblings: dict[str, list[str]],
    again: int,
    kept_units: float = 1.0,
    longer: float = 1.0,
    seed: int = 0,
) -> Replay:
    """Lay out the weeks from `begin` to `end` (`hours` of them, and their `local_hour`).

    `pool_hours` say who covers each area then, `siblings` which other pools cover it at other hours;
    `again` is the priority of another visit to a log. `kept_units` and
    `longer` plant a fault, so that one can see whether it is told: only that share of the units, and service times so
    many times as long.
    """

    def since(column: str) -> pl.Expr:
        return (pl.col(column) - begin).dt.total_seconds() / 60

    within = pl.col("sent_at").is_between(begin, end, closed="left")
    logs = records.logs.filter(within).with_columns(
        received=since("received_at"), sent=since("sent_at"), arrived=since("arrived_at"),
        regraded=since("regraded_at"),
    ).with_row_index("job")  # fmt: skip
    unknown = pl.col("first_minutes", "arrived", "regraded").fill_null(np.nan)
    logs = logs.with_columns(pl.col("regraded").clip(lower_bound=0)).with_columns(unknown)
    areas = {area: place for place, area in enumerate(pool_hours.area_ids)}
    pools = {pool: number for number, pool in enumerate(pool_hours.pool_ids)}
    hour_of_log = np.clip((logs["received"].to_numpy() // 60).astype(np.int64), 0, len(hours) - 1)
    place = _places(logs, areas, pools, pool_hours, hour_of_log)
    children = (
        records.children.filter(within)
        .join(logs.select("incident_id", "grade", "kind", "area_id", parent="job"), on="incident_id")
        .with_columns(delay=pl.col("delay_minutes").clip(lower_bound=0.0))
    )
    silent = records.silent.filter(
        pl.col("starts_at").is_between(begin, end, closed="left") & pl.col("pool_id").is_in(list(pools))
    ).with_columns(at=since("starts_at"), on=since("on_at"))  # fmt: skip
    units = records.units.filter(
        (pl.col("ends_at") > begin) & (pl.col("starts_at") < end) & pl.col("pool_id").is_in(list(pools))
    )
    if kept_units < 1:
        random = np.random.default_rng(seed)
        units = units.filter(pl.Series(random.random(units.height) < kept_units))
    units = units.with_columns(on=since("starts_at"), off=since("ends_at"), rest=since("break_at")).filter(
        pl.col("off") > pl.col("on").clip(lower_bound=0)
    )
    # After the areas comes a place for each pool, in which its work without a log lies.
    of_pool = silent["pool_id"].replace_strict(pools, return_dtype=pl.Int64).to_numpy() + len(areas)
    on, rest = units["on"].to_numpy(), units["rest"].fill_null(-1.0).to_numpy()
    return Replay(
        logs=logs, hours=hours, pool_ids=pool_hours.pool_ids,
        units=simulation.Units.of(
            starts=np.maximum(on, 0.0),
            ends=units["off"].to_numpy(),
            pool=units["pool_id"].replace_strict(pools, return_dtype=pl.Int64).to_numpy(),
            abilities=np.where(units["may_drive"].to_numpy(), _DRIVES, 0) | _shift_bit(on),
            crew=units["crew"].to_numpy(),
            briefing=np.where(on >= 0, units["briefing"].to_numpy(), 0.0),
            break_from=np.where(rest >= 0, rest, np.nan),
            break_minutes=units["break_minutes"].to_numpy(),
        ),
        cover=_cover(pool_hours, pools, siblings, fitted),
        rules=simulation.Rules(
            help_to=fitted.help_to,
            help_units=1,
            help_travel_factor=fitted.help_factor,
            last_minutes=fitted.last_minutes,
            last_for=fitted.last_for,
            last_minutes_handed_over=fitted.last_minutes_of_guards,
            relief_before=fitted.relief_before,
            clearing=fitted.clearing_minutes,
        ),
        fitted=fitted,
        _children=children, _silent=silent,
        _place=np.concatenate([place, place[children["parent"].to_numpy()], of_pool]),
        _priority_of=priority_of, _local_hour=local_hour[hour_of_log], _again=again, _longer=longer,
    )  # fmt: skip


def _shift_bit(on: Floats) -> Integers:
    """Give the ability that only units have whose duty began in the same hour; 0 where that is not known."""
    hour = np.floor(np.nan_to_num(on) / 60).astype(np.int64) % _SHIFTS
    return np.where(np.isnan(on), 0, np.int64(2) << hour)


def _places(
    logs: pl.DataFrame, areas: dict[str, int], pools: dict[str, int], pool_hours: PoolHours, hour: Integers
) -> Integers:
    """Give each log its area; one without, an area that the pool covered then whose unit went."""
    place: Integers = logs["area_id"].replace_strict(areas, default=-1, return_dtype=pl.Int64).to_numpy().copy()
    covering = pool_hours.patterns[pool_hours.pattern_of_hour[hour]]
    nowhere = (place < 0) | (covering[np.arange(len(place)), place] < 0)
    went = logs["pool_id"].replace_strict(pools, default=-1, return_dtype=pl.Int64).to_numpy()
    ever = {number: np.flatnonzero((pool_hours.patterns == number).any(axis=0)) for number in pools.values()}
    covered = np.flatnonzero((pool_hours.patterns >= 0).any(axis=0))
    if not len(covered):
        raise BadData(
            "No pool of the role that answers incidents covers any area of the force, so that nobody could be sent in "
            "a replay. Put 'area_id' of the table 'pools' right, or 'role' under [staffing]."
        )
    for row in np.flatnonzero(nowhere):
        then = np.flatnonzero(covering[row] == went[row]) if went[row] >= 0 else np.zeros(0, dtype=np.int64)
        options = then if len(then) else ever.get(int(went[row]), covered)
        place[row] = options[0] if len(options) else covered[0]
    return place


def _cover(
    pool_hours: PoolHours, pools: dict[str, int], siblings: dict[str, list[str]], fitted: Fitted
) -> simulation.Cover:
    own = pool_hours.patterns[pool_hours.pattern_of_hour].T  # areas × hours
    also = [[pools[pool] for pool in siblings.get(area, []) if pool in pools] for area in pool_hours.area_ids]
    lending = []
    for place in range(len(pool_hours.area_ids)):
        mine = [pool_hours.pool_ids[number] for number in np.unique(own[place]) if number >= 0]
        order: dict[str, int] = {}
        for pool in mine:
            for rank, lender in enumerate(fitted.helpers.get(pool, [])):
                order[lender] = min(order.get(lender, rank), rank)
        lending.append(
            [
                pools[each]
                for each in sorted(order, key=lambda each: (order[each], each))
                if each in pools and each not in mine
            ]
        )
    alone: list[list[int]] = [[] for _ in pools]
    of_pools = np.repeat(np.arange(len(pools))[:, None], own.shape[1], axis=1)
    # A place that nobody covers has no job, and a pool all the same.
    covered = np.maximum(np.where(own < 0, own.max(axis=1, keepdims=True), own), 0)
    return simulation.Cover.of(
        own=np.concatenate([covered, of_pools]), also=_padded(also + alone), help=_padded(lending + alone)
    )


def _padded(rows: Sequence[Sequence[int]]) -> Integers:
    width = max((len(row) for row in rows), default=0)
    return np.array([[*row, *[-1] * (width - len(row))] for row in rows], dtype=np.int64).reshape(len(rows), width)
