"""From presses to intervals: each unit in each status, how it is known, and what each rule did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from bluelamp.committed.clocks import compare_clocks
from bluelamp.committed.presses import (
    ATTENDING,
    STAGE,
    UNKNOWN_POOL,
    as_codes,
    clean_presses,
    next_of,
    order_presses,
    seconds_between,
    with_bookings,
    with_logs,
)
from bluelamp.committed.repairs import LONG_STAGES, count_repairs, repair_ends
from bluelamp.committed.rules import RULE, as_report, by_rule

LONG_HOURS = 6.0


@dataclass(frozen=True)
class UnitTime:
    """What units were doing, and how it is known.

    `attendances`: a row is one unit in one status: `unit_id`, `incident_id`, `attendance` (1, 2, … for each time that
    the unit came to the incident), `stage`, `starts_at`, `ends_at`, `pool_id`, `begun_by` and `ended_by` (rule that
    repaired the begin or end, null where it was pressed), `is_open` (it had not ended at the moment of the extract) and
    `is_long`. Intervals of a unit never overlap. `rules`: `rule`, `kind` (left_out, repaired, noted), `rows`, `share`
    (of all presses, or of all intervals where a rule is told of those), `words`. `clock`: what `compare_clocks` found.
    """

    attendances: pl.DataFrame
    rules: pl.DataFrame
    clock: pl.DataFrame


def find_attendances(
    unit_status: pl.DataFrame,
    unit_crews: pl.DataFrame,
    incidents: pl.DataFrame,
    until: datetime,
    long_hours: float = LONG_HOURS,
) -> UnitTime:
    """Turn presses into intervals, repairing missed ones by the rules of `RULES`.

    `until` is the moment of the extract: what is open then is cut there. `unit_crews` and `incidents` may be empty;
    with them more is known: pools and ends of bookings, and a log's own dispatch, arrival, clearing and closing. Where
    the two clocks differ by whole hours (see `compare_clocks`), a log's times repair nothing in those weeks. Guards and
    custody are long commitments, and so is an attendance that lasts longer than `long_hours` without them.
    """
    unit_status, unit_crews, incidents = as_codes(unit_status, unit_crews, incidents)
    counts: dict[str, int] = {"press_after_the_end": int((unit_status["status_at"] > until).sum())}
    clock = compare_clocks(unit_status, incidents)
    known = clean_presses(order_presses(unit_status, until), counts)
    known = repair_ends(with_bookings(with_logs(known, incidents, clock), unit_crews, until), until)
    counts |= count_repairs(known)
    pieces = _pieces(known)
    del known
    counts["no_log"] = int((pieces["stage"].is_in(ATTENDING) & pieces["incident_id"].is_null()).sum())
    counts["unknown_pool"] = int((pieces["pool_id"] == UNKNOWN_POOL).sum())
    counts["open_at_end"] = int(pieces["is_open"].sum())
    return UnitTime(_with_runs(pieces, long_hours), as_report(counts, unit_status.height, pieces.height), clock)


def _pieces(known: pl.DataFrame) -> pl.DataFrame:
    """Give the intervals that presses became: the status itself, the scene it reached, the way to it, the time after.

    In the order of units and times; those without any length are left out.
    """
    none, no_log = pl.lit(None, dtype=RULE), pl.lit(None, dtype=known.schema["incident_id"])
    clear_rule, off_rule, arrives_at = pl.col("clear_rule"), pl.col("off_rule"), pl.col("arrives_at")
    end_rule = pl.coalesce(clear_rule, off_rule)
    arrives, on_its_way = arrives_at.is_not_null(), pl.col("next_travel") < pl.col("on_until")
    presses = known.lazy().with_columns(next_travel=next_of("travel_from")).filter(pl.col("stage") != "off_duty")

    def piece(
        rows: pl.LazyFrame, starts_at: str, ends_at: pl.Expr, begun_by: pl.Expr, ended_by: pl.Expr, **changed: pl.Expr
    ) -> pl.LazyFrame:
        is_open = pl.col("is_last") & ended_by.is_null()
        columns = {"starts_at": pl.col(starts_at), "ends_at": ends_at, "begun_by": begun_by, "ended_by": ended_by}
        kept = {name: pl.col(name) for name in ("unit_id", "pool_id", "stage", "incident_id")}
        return rows.select(**(kept | columns | {"is_open": is_open} | changed))

    def as_stage(stage: str) -> pl.Expr:
        return pl.lit(stage, dtype=STAGE)

    itself = piece(
        presses,
        "at",
        pl.when(arrives).then(arrives_at).when(on_its_way).then("next_travel").otherwise("busy_until"),
        none,
        pl.when(arrives).then("arrival_rule").when(on_its_way).then(by_rule("travel_from_log")).otherwise(end_rule),
    )
    scene = piece(
        presses.filter(arrives), "arrives_at", pl.col("busy_until"), pl.col("arrival_rule"), end_rule,
        stage=pl.col("reached"),
    )  # fmt: skip
    way = piece(
        presses.filter(pl.col("travel_from").is_not_null()), "travel_from", pl.col("at"), by_rule("travel_from_log"),
        none, stage=as_stage("en_route"), is_open=pl.lit(value=False),
    )  # fmt: skip
    after = piece(
        presses.filter(clear_rule.is_not_null()), "busy_until", pl.col("on_until"), clear_rule, off_rule,
        stage=as_stage("available"), incident_id=no_log,
    )  # fmt: skip
    together = pl.concat([itself, scene, way, after]).filter(pl.col("ends_at") > pl.col("starts_at"))
    return together.sort("unit_id", "starts_at").collect()


def _with_runs(pieces: pl.DataFrame, long_hours: float) -> pl.DataFrame:
    """Number each unit's attendances of an incident, and tell long commitments from ordinary ones.

    Intervals of one unit at one incident that follow each other are one attendance; if the unit did something else
    between them, it came again.
    """
    same = [pl.col(name) == pl.col(name).shift(1) for name in ("unit_id", "incident_id")]
    follows = same[0] & same[1] & (pl.col("starts_at") == pl.col("ends_at").shift(1))
    ordinary = pl.col("stage").is_in([each for each in ATTENDING if each not in (*LONG_STAGES, "write_up")])
    seconds = pl.when(ordinary).then(seconds_between("starts_at", "ends_at")).otherwise(0)
    frame = pieces.with_columns(run=(~follows.fill_null(value=False)).cum_sum() - 1, seconds=seconds)
    runs = frame.group_by("run").agg(pl.col("unit_id", "incident_id").first(), lasted=pl.col("seconds").sum())
    runs = runs.sort("run")
    # Few come twice, and only those need to be counted.
    again = pl.struct("unit_id", "incident_id").is_duplicated() & pl.col("incident_id").is_not_null()
    repeated = runs.filter(again).select(
        "run", attendance=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("unit_id", "incident_id")
    )
    ones = pl.select(pl.repeat(1, runs.height, dtype=pl.Int64)).to_series()
    attendance = ones.scatter(repeated["run"], repeated["attendance"]).gather(frame["run"])
    is_long = pl.col("stage").is_in(LONG_STAGES) | (
        ordinary & (runs["lasted"].gather(frame["run"]) > long_hours * 3600)
    )
    return frame.select(
        pl.col("unit_id", "incident_id").cast(pl.String),
        pl.when(pl.col("incident_id").is_not_null()).then(attendance).alias("attendance"),
        pl.col("stage").cast(pl.String),
        "starts_at",
        "ends_at",
        pl.col("pool_id", "begun_by", "ended_by").cast(pl.String),
        "is_open",
        is_long=is_long,
    )
