"""The replay held against what happened: the same logs, the same clocks, the same hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import simulation
from bluelamp.validation._replay import Replay

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

FITTED, HELD_OUT = "fitted", "held_out"
CLOSE, NEAR = 0.05, 0.10
ONE_MINUTE = 1.0
# Below so many incidents a 90th percentile says little, and below so many unit-hours a share of them.
FEWEST = 30
_DRAWS = 100
_ALL = "all"
# What units were doing, as the simulator adds it up.
STAGES = {
    "travel": ("en_route",),
    "work": ("at_scene", "committed_deployable", "committed", "guard", "custody", "write_up"),
    "break": ("refreshments",),
    "briefing": ("briefing",),
    "free": ("available",),
}
_ROW = {
    "weeks": pl.String, "measure": pl.String, "statistic": pl.String, "grade_code": pl.String, "level": pl.String,
    "place_id": pl.String, "incidents": pl.Int64, "recorded": pl.Float64, "simulated": pl.Float64,
    "difference": pl.Float64, "difference_low": pl.Float64, "difference_high": pl.Float64,
    "monte_carlo_error": pl.Float64, "verdict": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Span:
    """Weeks that are held against what happened, in minutes from the run's first hour."""

    weeks: str
    starts: float
    ends: float


def hold(
    replay: Replay,
    outcomes: Sequence[simulation.Outcome],
    standards: Sequence[tuple[str, str, Mapping[str, Any]]],
    committed: pl.DataFrame,
    spans: Sequence[Span],
    *,
    origins: Sequence[str],
    force_id: str,
    local_hour: Integers,
    day_of_hour: Integers,
    pool_of_log: Sequence[str],
    is_whole_minutes: bool,
    seed: int,
) -> pl.DataFrame:
    """Give the table `validation`: recorded beside simulated, by span, measure, grade, and force, pool and hour.

    `standards` are (grade, kind of area, row) as `standards_in_force` gives them; `committed` the table of that name
    over the replay's hours. Intervals are those of days drawn anew, each with one of the replications.
    """
    logs = replay.logs
    counted = (~logs["is_near"] & logs["origin"].is_in(list(origins))).to_numpy()
    clocks = clocks_of(logs, standards)
    hour = np.clip((logs["received"].to_numpy() // 60).astype(np.int64), 0, len(local_hour) - 1)
    places = {
        "force": np.full(logs.height, force_id, dtype=object),
        "pool": np.array(pool_of_log, dtype=object),
        "hour": np.array([f"{each:02d}:00" for each in local_hour[hour]], dtype=object),
    }
    sent = np.stack([outcome.sent[: logs.height] for outcome in outcomes])
    arrived = np.stack([outcome.arrived[: logs.height] for outcome in outcomes])
    measures = clocks.measure(logs, sent, arrived)
    # By the grade that it was opened with: whether it was graded anew depends on how long it waited.
    grades = logs["opening_grade"].to_numpy()
    rows: list[dict[str, Any]] = []
    random = np.random.default_rng(seed)
    for span in spans:
        received = logs["received"].to_numpy()
        inside = counted & (received >= span.starts) & (received < span.ends)
        for name, (recorded, simulated) in measures.items():
            some = np.flatnonzero(inside & ~np.isnan(recorded))
            for level, place in places.items():
                for grade in (_ALL, *sorted(set(grades[some]))):
                    graded = some if grade == _ALL else some[grades[some] == grade]
                    for each in sorted(set(place[graded])):
                        chosen = graded[place[graded] == each]
                        part = _Part(
                            recorded[chosen], simulated[:, chosen], day_of_hour[hour[chosen]],
                            clocks.target[chosen] if name == "response" else None,
                        )  # fmt: skip
                        for statistic, told in part.compare(random).items():
                            rows.append(
                                {"weeks": span.weeks, "measure": name, "statistic": statistic, "grade_code": grade,
                                 "level": level, "place_id": each, "incidents": len(chosen), **told}
                            )  # fmt: skip
        rows += _backlog(
            replay, sent, span, ~logs["is_near"].to_numpy() & counted, grades, places, force_id, local_hour
        )
        rows += _unit_hours(replay, outcomes, committed, span, force_id, local_hour)
    table = pl.DataFrame(rows, schema={name: kind for name, kind in _ROW.items() if name != "verdict"})
    return _judge(table, is_whole_minutes).select(list(_ROW))


@dataclass(frozen=True)
class Clocks:
    """When the standard's clock starts and stops for each log, and its target (not a number: none)."""

    target: Floats
    starts: NDArray[np.object_]
    stops: NDArray[np.object_]

    def measure(self, logs: pl.DataFrame, sent: Floats, arrived: Floats) -> dict[str, tuple[Floats, Floats]]:
        """Give minutes recorded (logs) and simulated (replications × logs), by measure."""
        received, regraded = logs["received"].to_numpy(), logs["regraded"].to_numpy()
        went, came = logs["sent"].to_numpy(), logs["arrived"].to_numpy()

        def response(sent: Floats, arrived: Floats) -> Floats:
            upgraded = np.where(regraded < sent, np.maximum(regraded, received), received)
            start = np.where(
                self.starts == "dispatched", sent, np.where(self.starts == "last_upgrade", upgraded, received)
            )
            minutes: Floats = np.where(self.stops == "dispatched", sent, arrived) - start
            return minutes

        def never(minutes: Floats) -> Floats:
            return np.where(np.isnan(minutes), np.inf, minutes)

        with np.errstate(invalid="ignore"):
            return {
                "response": (response(went, came), never(response(sent, arrived))),
                "dispatch": (went - received, never(sent - received)),
                "travel": (came - went, never(arrived - sent)),
            }


def clocks_of(logs: pl.DataFrame, standards: Sequence[tuple[str, str, Mapping[str, Any]]]) -> Clocks:
    """Give each log its standard's clock and target."""
    rows = {(grade, kind): row for grade, kind, row in standards}
    found = [rows.get((grade, kind)) for grade, kind in logs.select("opening_grade", "kind").iter_rows()]
    return Clocks(
        np.array([row["target_minutes"] if row else np.nan for row in found], dtype=np.float64),
        np.array([row["clock_starts"] if row else "received" for row in found], dtype=object),
        np.array([row["clock_stops"] if row else "arrived" for row in found], dtype=object),
    )


@dataclass(frozen=True)
class _Part:
    """The minutes of some logs: recorded (logs), simulated (replications × logs), on days, with targets."""

    recorded: Floats
    simulated: Floats
    day: Integers
    target: Floats | None

    def compare(self, random: np.random.Generator) -> dict[str, dict[str, float | None]]:
        """Compare median, 90th percentile and, where there is a target, the share in it."""
        wanted: dict[str, float] = {"median": 0.5, "p90": 0.9}
        days, day = np.unique(self.day, return_inverse=True)
        draws = random.multinomial(len(days), np.full(len(days), 1 / len(days)), size=_DRAWS)[:, day].astype(float)
        which = np.arange(_DRAWS) % len(self.simulated)
        by_run = [np.flatnonzero(which == run) for run in range(len(self.simulated))]
        found = {
            name: self._told(
                np.array([_quantile(each, share) for each in self.simulated]),
                _quantile(self.recorded, share),
                _quantiles(self.recorded, draws, share),
                np.concatenate(
                    [_quantiles(each, draws[rows], share) for each, rows in zip(self.simulated, by_run, strict=True)]
                ),
                np.concatenate(by_run),
            )
            for name, share in wanted.items()
        }  # fmt: skip
        if self.target is not None and not np.isnan(self.target).all():
            has = ~np.isnan(self.target)
            late = np.where(has, self.target, 0.0)
            in_time, came = (self.recorded <= late) & has, (self.simulated <= late) & has
            weight = np.maximum(draws @ has, 1e-9)
            found["share_in_target"] = self._told(
                came.sum(axis=1) / has.sum(),
                float(in_time.sum() / has.sum()),
                draws @ in_time / weight,
                np.einsum("dl,dl->d", draws, came[which]) / weight,
                np.arange(_DRAWS),
            )
        return found

    @staticmethod
    def _told(
        simulated: Floats, recorded: float, drawn_recorded: Floats, drawn_simulated: Floats, order: Integers
    ) -> dict[str, float | None]:
        mean = float(simulated.mean())
        with np.errstate(invalid="ignore"):
            apart = drawn_simulated - drawn_recorded[order]
            low, high = np.quantile(apart, [0.025, 0.975]) if np.isfinite(apart).all() else (np.nan, np.nan)
        error = (
            float(simulated.std(ddof=1) / np.sqrt(len(simulated))) if len(simulated) > 1 and np.isfinite(mean) else None
        )
        return {
            "recorded": recorded,
            "simulated": mean if np.isfinite(mean) else None,
            "difference": mean - recorded if np.isfinite(mean) else None,
            "difference_low": None if np.isnan(low) else float(low),
            "difference_high": None if np.isnan(high) else float(high),
            "monte_carlo_error": error,
        }


def _quantile(values: Floats, share: float) -> float:
    """Give the value below which that share lies; what never happened is the largest."""
    place = min(int(np.ceil(share * len(values))) - 1, len(values) - 1)
    return float(np.partition(values, max(place, 0))[max(place, 0)])


def _quantiles(values: Floats, weights: Floats, share: float) -> Floats:
    """Give the same of values with weights (draws × values)."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    place = (reached < share * reached[:, -1:]).sum(axis=1)
    found: Floats = values[order][np.minimum(place, len(values) - 1)]
    return found


def _backlog(
    replay: Replay,
    sent: Floats,
    span: Span,
    counted: Flags,
    grades: NDArray[np.object_],
    places: Mapping[str, NDArray[np.object_]],
    force_id: str,
    local_hour: Integers,
) -> list[dict[str, Any]]:
    """Compare the logs that wait at each hour's start, as a mean over hours."""
    hours = np.arange(int(np.ceil(span.starts / 60)), int(span.ends // 60))
    at = hours * 60.0
    received, went = replay.logs["received"].to_numpy(), replay.logs["sent"].to_numpy()

    def waiting(rows: Integers, until: Floats) -> Floats:
        begun = np.searchsorted(np.sort(received[rows]), at, side="right")
        over = np.searchsorted(
            np.sort(np.where(np.isnan(until), np.inf, np.maximum(until, received[rows]))), at, side="right"
        )
        return (begun - over).astype(np.float64)

    def row(
        grade: str, level: str, place: str, rows: int, recorded: Floats, simulated: Floats, when: Flags
    ) -> dict[str, Any]:
        mean, each = float(recorded[when].mean()), simulated[:, when].mean(axis=1)
        return {
            "weeks": span.weeks, "measure": "waiting", "statistic": "mean", "grade_code": grade, "level": level,
            "place_id": place, "incidents": rows, "recorded": mean, "simulated": float(each.mean()),
            "difference": float(each.mean()) - mean,
            "monte_carlo_error": float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else None,
        }  # fmt: skip

    found = []
    every = np.ones(len(at), dtype=np.bool_)
    for grade in (_ALL, *sorted(set(grades[counted]))):
        graded = np.flatnonzero(counted & ((grades == grade) | (grade == _ALL)))
        recorded, simulated = waiting(graded, went[graded]), np.stack([waiting(graded, each[graded]) for each in sent])
        count = int(((received[graded] >= span.starts) & (received[graded] < span.ends)).sum())
        found.append(row(grade, "force", force_id, count, recorded, simulated, every))
        for hour in range(24):
            when = local_hour[hours] == hour
            if when.any():
                found.append(row(grade, "hour", f"{hour:02d}:00", count, recorded, simulated, when))
        for pool in sorted(set(places["pool"][graded])):
            mine = graded[places["pool"][graded] == pool]
            theirs = waiting(mine, went[mine]), np.stack([waiting(mine, each[mine]) for each in sent])
            found.append(row(grade, "pool", pool, len(mine), *theirs, every))
    return found


def _unit_hours(
    replay: Replay,
    outcomes: Sequence[simulation.Outcome],
    committed: pl.DataFrame,
    span: Span,
    force_id: str,
    local_hour: Integers,
) -> list[dict[str, Any]]:
    """Compare unit-hours by what units were doing, added up over the span."""
    hours = np.arange(int(np.ceil(span.starts / 60)), int(span.ends // 60))
    number = {pool: place for place, pool in enumerate(replay.pool_ids)}
    at = pl.DataFrame({"hour_starting": replay.hours, "hour": np.arange(len(replay.hours))})
    named = committed.filter(pl.col("level") == "pool", pl.col("place_id").is_in(list(number))).join(
        at, on="hour_starting"
    )
    found = []
    for stage, stages in STAGES.items():
        recorded = np.zeros((len(number), len(replay.hours)))
        some = named.filter(pl.col("stage").is_in(stages))
        np.add.at(
            recorded,
            (some["place_id"].replace_strict(number, return_dtype=pl.Int64).to_numpy(), some["hour"].to_numpy()),
            some["unit_hours"].to_numpy(),
        )
        place = simulation.STAGES.index(stage)
        simulated = np.stack([outcome.minutes[place] / 60 for outcome in outcomes])  # replications × pools × hours

        def row(level: str, name: str, mine: Floats, theirs: Floats, stage: str = stage) -> dict[str, Any]:
            total, each = float(mine.sum()), theirs.reshape(len(theirs), -1).sum(axis=1)
            return {
                "weeks": span.weeks, "measure": "unit_hours", "statistic": stage, "grade_code": _ALL, "level": level,
                "place_id": name, "incidents": None, "recorded": total, "simulated": float(each.mean()),
                "difference": float(each.mean()) - total,
                "monte_carlo_error": float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else None,
            }  # fmt: skip

        found.append(row("force", force_id, recorded[:, hours], simulated[:, :, hours]))
        for hour in range(24):
            when = hours[local_hour[hours] == hour]
            if len(when):
                found.append(row("hour", f"{hour:02d}:00", recorded[:, when], simulated[:, :, when]))
        for pool, mine in number.items():
            found.append(row("pool", pool, recorded[mine][hours], simulated[:, mine][:, hours]))
    return found


def _judge(table: pl.DataFrame, is_whole_minutes: bool) -> pl.DataFrame:
    """Say of each row how near the replay came: within 5%, within 10% (or one minute), untrue, or not to be told."""
    size, apart = pl.col("recorded").abs(), pl.col("difference").abs()
    is_time = pl.col("measure").is_in(["response", "dispatch", "travel"]) & pl.col("statistic").is_in(["median", "p90"])
    within_minute = is_time & (apart <= ONE_MINUTE) if is_whole_minutes else pl.lit(value=False)
    # A mean of less than one log, or a few unit-hours, is no base for per cents.
    tiny = (pl.col("measure") == "waiting") & (size < 1) & (apart < 0.5) | (pl.col("measure") == "unit_hours") & (
        pl.max_horizontal(size, pl.col("simulated")) < FEWEST
    )
    band = NEAR * size
    may_be_near = (pl.col("difference_low") <= band) & (pl.col("difference_high") >= -band)
    return table.with_columns(
        verdict=pl.when((pl.col("incidents") < FEWEST).fill_null(value=False) | tiny)
        .then(pl.lit("too_few"))
        .when(pl.col("difference").is_null())
        .then(pl.lit("untrue"))
        .when(apart <= CLOSE * size)
        .then(pl.lit("within_5"))
        .when((apart <= NEAR * size) | within_minute)
        .then(pl.lit("within_10"))
        .when(may_be_near.fill_null(value=False))
        .then(pl.lit("unclear"))
        .otherwise(pl.lit("untrue"))
    )
