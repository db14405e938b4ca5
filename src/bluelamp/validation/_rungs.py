"""Which rung of the ladder is enough here: cheaper models asked for the same weeks' share in target.

Each rung gets what the replay had: the same logs with the same draws of handling and journey, the units on duty by pool
and hour less those at guards, breaks, briefing and work without a log, and the work by pool, kind of day and hour. It
says how long a log waits for a unit, and nothing else differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import queueing, simulation
from bluelamp.validation._held import CLOSE, FEWEST, NEAR, STAGES, Span, clocks_of
from bluelamp.validation._replay import Replay

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# From the cheapest on; each member of the ladder that knows of waiting.
RUNGS = ("erlang_c", "mol", "priorities", "simulation")
# No rung at all: what was recorded in the weeks fitted on. It can't answer a what-if, and shows whether a model is
# worth its trouble.
AS_BEFORE = "as_before"
_ALL = "all"
_ROW = {
    "rung": pl.String, "grade_code": pl.String, "incidents": pl.Int64, "recorded": pl.Float64, "predicted": pl.Float64,
    "difference": pl.Float64, "verdict": pl.String,
}  # fmt: skip


def climb(
    replay: Replay,
    outcomes: Sequence[simulation.Outcome],
    standards: Sequence[tuple[str, str, Mapping[str, Any]]],
    committed: pl.DataFrame,
    before: Span,
    span: Span,
    *,
    origins: Sequence[str],
    pool_of_log: Sequence[str],
    weekend: NDArray[np.bool_],
    local_hour: Integers,
    priority_of: Mapping[str, int],
    seed: int,
) -> pl.DataFrame:
    """Give the share in target by grade that each rung predicts for the logs of a span, beside the recorded one.

    The share of the span `before` stands beside them.

    `weekend` and `local_hour` are those of the run's hours. A grade without a target has no row.
    """
    logs = replay.logs
    clocks = clocks_of(logs, standards)
    received = logs["received"].to_numpy()
    target = clocks.target
    counted = (
        (~logs["is_near"] & logs["origin"].is_in(list(origins))).to_numpy()
        & ~np.isnan(target) & ~np.isnan(logs["arrived"].to_numpy())
    )  # fmt: skip
    chosen = np.flatnonzero(counted & (received >= span.starts) & (received < span.ends))
    earlier = np.flatnonzero(counted & (received >= before.starts) & (received < before.ends))
    if not len(chosen):
        return pl.DataFrame(schema=_ROW)
    recorded = clocks.measure(logs, outcomes[0].sent[: logs.height], outcomes[0].arrived[: logs.height])["response"][0]
    in_time = recorded <= target
    cell = _Cells.of(replay, outcomes[0], committed, span, pool_of_log, weekend, local_hour, priority_of)
    hour = np.clip((received // 60).astype(np.int64), 0, len(local_hour) - 1)
    pool = np.array([cell.number.get(each, 0) for each in pool_of_log])
    key = cell.of_hour[hour]
    draws = replay.draw(seed)
    left = target - np.maximum(draws.ready[: logs.height] - received, 0.0) - draws.travel[: logs.height, 0]
    wait = np.nan_to_num(np.maximum(left, 0.0))
    grades = logs["opening_grade"].to_numpy()
    priority = np.array([priority_of.get(each, max(priority_of.values())) for each in grades])
    units, service = cell.units[pool, hour], cell.service[pool, key]
    sipp, carried = cell.sipp[pool, key], cell.carried[pool, key]
    share = cell.share[pool, key]  # logs × priorities
    ahead = np.array([row[:each].sum() for row, each in zip(share, priority, strict=True)])
    own = share[np.arange(len(priority)), priority]
    late = {
        "erlang_c": queueing.chance_waits_longer(units, sipp, wait, service),
        "mol": queueing.chance_waits_longer(units, carried, wait, service),
        "priorities": queueing.waits_by_priority(units, carried, carried * ahead, carried * own, wait, service)[0],
    }
    early = {name: np.where(left >= 0, 1 - chance, 0.0) for name, chance in late.items()}
    simulated = np.stack(
        [
            clocks.measure(logs, each.sent[: logs.height], each.arrived[: logs.height])["response"][1]
            for each in outcomes
        ]
    )
    early["simulation"] = (simulated <= target).mean(axis=0)
    rows = []
    for grade in (_ALL, *sorted(set(grades[chosen]))):
        some = chosen if grade == _ALL else chosen[grades[chosen] == grade]
        share_recorded = float(in_time[some].mean())
        past = earlier if grade == _ALL else earlier[grades[earlier] == grade]
        shares = {AS_BEFORE: float(in_time[past].mean())} if len(past) else {}
        for rung, predicted in (shares | {rung: float(early[rung][some].mean()) for rung in RUNGS}).items():
            apart = predicted - share_recorded
            size = abs(apart) / max(share_recorded, 1e-9)
            verdict = (
                "too_few"
                if len(some) < FEWEST
                else "within_5"
                if size <= CLOSE
                else "within_10"
                if size <= NEAR
                else "untrue"
            )
            rows.append((rung, grade, len(some), share_recorded, predicted, apart, verdict))
    return pl.DataFrame(rows, schema=_ROW, orient="row")


class _Cells:
    """Units by pool and hour, and work by pool, kind of day and hour of the day."""

    def __init__(self, number: dict[str, int], of_hour: Integers, units: Integers, sipp: Floats, carried: Floats,
                 service: Floats, share: Floats) -> None:  # fmt: skip
        self.number, self.of_hour, self.units = number, of_hour, units
        self.sipp, self.carried, self.service, self.share = sipp, carried, service, share

    @classmethod
    def of(
        cls,
        replay: Replay,
        outcome: simulation.Outcome,
        committed: pl.DataFrame,
        span: Span,
        pool_of_log: Sequence[str],
        weekend: NDArray[np.bool_],
        local_hour: Integers,
        priority_of: Mapping[str, int],
    ) -> _Cells:
        number = {pool: place for place, pool in enumerate(replay.pool_ids)}
        pools, hours = len(number), len(replay.hours)
        of_hour = weekend.astype(np.int64) * 24 + local_hour
        inside = np.zeros(hours, dtype=np.bool_)
        inside[int(np.ceil(span.starts / 60)) : int(span.ends // 60)] = True
        minutes = outcome.minutes
        out = sum(minutes[simulation.STAGES.index(stage)] for stage in ("free", "travel", "work")) / 60
        at = pl.DataFrame({"hour_starting": replay.hours, "hour": np.arange(hours)})
        other = committed.filter(
            pl.col("level") == "pool", pl.col("place_id").is_in(list(number)),
            pl.col("stage").is_in([*STAGES["work"], "en_route"]),
            ~pl.col("has_incident") | (pl.col("stage") == "guard"),
        ).join(at, on="hour_starting")  # fmt: skip
        away = np.zeros((pools, hours))
        np.add.at(
            away,
            (other["place_id"].replace_strict(number, return_dtype=pl.Int64).to_numpy(), other["hour"].to_numpy()),
            other["unit_hours"].to_numpy(),
        )
        logs = replay.logs.with_columns(pool=pl.Series(list(pool_of_log)))
        hour = np.clip((logs["received"].to_numpy() // 60).astype(np.int64), 0, hours - 1)
        rank = {grade: min(place, max(priority_of.values())) for grade, place in priority_of.items()}
        rows = logs.select(
            pool=pl.col("pool").replace_strict(number, default=-1, return_dtype=pl.Int64),
            key=pl.Series(of_hour[hour]), inside=pl.Series(inside[hour]), units="units",
            priority=pl.col("opening_grade").replace_strict(rank, default=max(rank.values()), return_dtype=pl.Int64),
            is_guard="is_guard",
            minutes=pl.col("total_minutes") + pl.col("after_minutes")
            + (pl.col("units") - 1) * pl.col("further_minutes"),
        ).filter((pl.col("pool") >= 0) & pl.col("inside") & ~pl.col("is_guard"))  # fmt: skip
        count, work = np.zeros((pools, 48)), np.zeros((pools, 48))
        share = np.zeros((pools, 48, max(rank.values()) + 1))
        where = (rows["pool"].to_numpy(), rows["key"].to_numpy())
        np.add.at(count, where, rows["units"].to_numpy())
        np.add.at(work, where, rows["minutes"].to_numpy())
        np.add.at(share, (*where, rows["priority"].to_numpy()), rows["minutes"].to_numpy())
        seen = np.bincount(of_hour[inside], minlength=48)
        rate = count / np.maximum(seen, 1)
        service = np.where(count > 0, np.maximum(work / np.maximum(count, 1), 1.0), 60.0)
        # Hours follow each other in the run; their mean by kind of day and hour is what a planner would staff for.
        carried_run = queueing.carried_load(rate[:, of_hour], service[:, of_hour]).mean_of_hour
        carried = np.zeros((pools, 48))
        for key in range(48):
            when = inside & (of_hour == key)
            if when.any():
                carried[:, key] = carried_run[:, when].mean(axis=1)
        total = share.sum(axis=2, keepdims=True)
        shares = np.divide(share, total, out=np.full_like(share, 1 / share.shape[2]), where=total > 0)
        units = np.maximum(np.rint(out - away), 1).astype(np.int64)
        return cls(number, of_hour, units, rate * service / 60, carried, service, shares)


def enough(rungs: pl.DataFrame) -> str | None:
    """Name the cheapest rung whose share in target is within 5% for every grade that is told; none if none is."""
    for rung in RUNGS:
        told = rungs.filter(
            (pl.col("rung") == rung) & (pl.col("grade_code") != _ALL) & (pl.col("verdict") != "too_few")
        )
        if told.height and (told["verdict"] == "within_5").all():
            return rung
    return None
