"""What is open now: the logs that wait and the units that are at work, as numbers of a run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from bluelamp import committed, tables
from bluelamp.errors import count_of
from bluelamp.look_ahead import Brought
from bluelamp.near_term._between import Between
from bluelamp.near_term._world import World
from bluelamp.open_work import OpenWork
from bluelamp.pools import UNKNOWN_AREA, Integers

# Nobody who still waits for an emergency to be answered has waited for a day, nor for anything for a month.
_FORGOTTEN_MINUTES = {"immediate": 24 * 60, "deferrable": 28 * 24 * 60}
# A guard may have begun so long ago.
_PRESSES = timedelta(days=14)
# Fewer like it, and a share says more of chance than of the control room.
_ENOUGH = 30
_HARDLY_ANY = 0.05


@dataclass(frozen=True)
class Open:
    """Open work, and what has to be said of how it was found.

    `logs` and `units` are the same counted, as tables `open_logs` and `units_now`; empty where nothing tells of them.
    """

    work: OpenWork
    notes: list[str]
    between: Between | None = None  # where a status log tells of it
    logs: pl.DataFrame = field(default_factory=lambda: tables.empty("open_logs"))
    units: pl.DataFrame = field(default_factory=lambda: tables.empty("units_now"))


@dataclass(frozen=True)
class Attended:
    """What units did in the last weeks, up to the moment `at`: `attendances` (of `committed.find_attendances`), the
    bookings `crews`, and the `calls` that may still be open.
    """

    at: datetime
    attendances: pl.DataFrame
    crews: pl.DataFrame
    calls: pl.DataFrame
    is_pressed: bool  # there is a status log


def find_attended(brought: Brought) -> Attended:
    """Find what units did in the last weeks that are known."""
    still, until = brought.still, brought.until
    presses = still.read("unit_status", where=pl.col("status_at") >= brought.known_until - _PRESSES)
    if until is not None:
        presses = presses.filter(pl.col("status_at") < until)
    moments = (brought.known_until, brought.calls["received_at"].max(), presses["status_at"].max(), until)
    at = max(each for each in moments if isinstance(each, datetime))
    crews = still.read("unit_crews", where=pl.col("starts_at") >= at - _PRESSES)
    oldest = at - timedelta(minutes=max(_FORGOTTEN_MINUTES.values()))
    calls = brought.place(brought.calls.filter(pl.col("received_at") >= oldest))
    attendances = committed.find_attendances(presses, crews, calls, at).attendances
    return Attended(at, attendances, crews, calls, not presses.is_empty())


def find_open(brought: Brought, world: World, attended: Attended) -> Open:
    """Find the logs that wait and the units that are at work, as numbers of the run."""
    at, attendances, calls = attended.at, attended.attendances, attended.calls
    between = (
        Between.seen(attendances, calls, world, brought.known_until - _PRESSES, at) if attended.is_pressed else None
    )
    now = committed.open_now(attendances, calls, at)
    now = committed.OpenNow(
        now.units.join(calls.select("incident_id", "area_id"), on="incident_id", how="left", maintain_order="left"),
        now.logs,
    )
    notes: list[str] = []
    if not attended.is_pressed and not _is_told(calls):
        now = committed.OpenNow(now.units.clear(), now.logs.clear())
        notes.append(
            "The records do not say to which logs a unit was sent, so that nobody knows what waits: the run begins as "
            "if nothing did, and with every unit free."
        )
    elif not attended.is_pressed:
        now = _without_presses(now, calls, at)
        notes.append(
            "There is no status log: who is at work is taken from the open logs' own times, each at its place's pool."
        )
    before = calls.filter(pl.col("received_at") < at)
    chance = _chance_of_unit(now.logs, before)
    found = _as_numbers(now.logs.with_columns(chance=chance), now.units, world, at, notes)
    force, is_told = brought.settings.force.id, attended.is_pressed or _is_told(calls)
    logs = committed.count_open_logs(now.logs, calls["grade_code"], force, at) if is_told else found.logs
    units = committed.count_units_now(now.units, attendances, calls, force, at) if attended.is_pressed else found.units
    return replace(found, between=between, logs=logs, units=units)


def _is_told(calls: pl.DataFrame) -> bool:
    """Say whether logs tell to whom a unit was sent: a source that fills these fields for hardly any log does not."""
    told = calls.select(pl.any_horizontal(pl.col("dispatched_at", "arrived_at").is_not_null()).mean()).item()
    return told is not None and told > _HARDLY_ANY


def _chance_of_unit(logs: pl.DataFrame, calls: pl.DataFrame) -> pl.Series:
    """Give the chance that a unit will be sent to each log that has waited so long; null where too few are like it.

    It is the share of those that did get one, of the logs of its grade that were open without one at that age and have
    been closed since (the cumulative incidence of sending against closing, from that age on); of the oldest `_ENOUGH`
    where fewer were open so long.
    """
    sent = pl.min_horizontal("dispatched_at", "arrived_at")
    waited = (pl.min_horizontal(sent, "closed_at") - pl.col("received_at")).dt.total_seconds() / 60
    known = (
        calls.filter(pl.col("closed_at") <= calls["received_at"].max())
        .select("grade_code", waited=waited, got_one=sent.is_not_null())
        .sort("waited")
    )
    by_grade = {
        grade: (rows["waited"].to_numpy(), rows["got_one"].to_numpy())
        for (grade,), rows in known.group_by("grade_code", maintain_order=True)
        if rows.height >= _ENOUGH
    }
    found: list[float | None] = []
    for grade, age in logs.select("grade_code", "minutes_open").iter_rows():
        waits, got_one = by_grade.get(grade, (None, None))
        if waits is None or got_one is None:
            found.append(None)
        else:
            first = min(int(np.searchsorted(waits, age, side="right")), len(waits) - _ENOUGH)
            found.append(float(got_one[first:].mean()))
    return pl.Series(found, dtype=pl.Float64)


def _without_presses(now: committed.OpenNow, calls: pl.DataFrame, at: datetime) -> committed.OpenNow:
    """Take from the logs' own times who has been sent: as many units as the log says, or one, until it is cleared."""
    was_sent = pl.min_horizontal("dispatched_at", "arrived_at") <= at
    own = calls.filter(pl.col("incident_id").is_in(now.logs["incident_id"].implode())).select(
        "incident_id", since=pl.min_horizontal("dispatched_at", "arrived_at"),
        sent=pl.when(was_sent).then(pl.col("units").fill_null(1).clip(1)).otherwise(0),
        is_cleared=(pl.col("cleared_at") <= at).fill_null(value=False),
    )  # fmt: skip
    logs = now.logs.drop("units_sent").join(own, on="incident_id", how="left").with_columns(
        units_sent=pl.col("sent").fill_null(0).cast(pl.Int64)
    )  # fmt: skip
    there = logs.filter(pl.col("units_sent") > 0, ~pl.col("is_cleared"))
    units = there.select(
        pl.lit(None, dtype=pl.String).alias("pool_id"), "since", "class_code", "grade_code", "area_id",
        pl.lit(value=False).alias("is_long"), pl.int_ranges("units_sent").alias("unit"),
    ).explode("unit")  # fmt: skip
    is_there = (pl.col("sent") > 0) & ~pl.col("is_cleared")
    return committed.OpenNow(units, logs.with_columns(units_there=pl.when(is_there).then("sent").otherwise(0)))


def _as_numbers(logs: pl.DataFrame, units: pl.DataFrame, world: World, at: datetime, notes: list[str]) -> Open:
    ground, series = world.ground, world.brought.draws.series
    area_of = {area: number for number, area in enumerate(series.area_ids)}
    unknown = area_of.get(UNKNOWN_AREA, 0)
    cell_of = {cell: number for number, cell in enumerate(series.cells)}
    stream = {target.grade_code: target.stream for target in ground.targets}

    def cells(rows: pl.DataFrame) -> Integers:
        grades = rows["grade_code"].fill_null("none")
        return np.array([cell_of.get(key, -1) for key in zip(rows["class_code"], grades, strict=True)], dtype=np.int64)

    waiting = logs.filter(pl.col("units_sent") == 0)
    most = pl.col("grade_code").replace_strict(
        {grade: _FORGOTTEN_MINUTES.get(of, _FORGOTTEN_MINUTES["deferrable"]) for grade, of in stream.items()},
        default=_FORGOTTEN_MINUTES["deferrable"], return_dtype=pl.Int64,
    )  # fmt: skip
    forgotten = waiting.filter(pl.col("minutes_open") > most)
    waiting = waiting.filter(pl.col("minutes_open") <= most)
    if forgotten.height:
        notes.append(
            f"Left out as forgotten: {count_of(forgotten.height, 'open log')} to which nobody was sent, of emergencies "
            "from more than a day ago or others from more than four weeks ago."
        )
    cell = cells(waiting)
    if (cell < 0).any():
        unseen = count_of(int((cell < 0).sum()), "open log")
        notes.append(f"Left out: {unseen} of a class and grade that the plan has not seen.")
    kept = waiting.filter(pl.Series(cell >= 0))
    # Handling has gone by, or goes by while nobody is free.
    received = np.array([world.minute(each) for each in kept["received_at"]], dtype=np.float64)
    working = units.filter(pl.col("since").is_not_null()).sort("since", maintain_order=True)
    pool, lost = _pools_of(working, world)
    if lost:
        notes.append(f"Left out: {count_of(lost, 'unit')} at work, of a pool and at a place that are not known.")
    at_work = working.filter(pl.Series(pool >= 0, dtype=pl.Boolean))
    return Open(
        OpenWork(
            at=max(world.minute(at), 0.0),
            area=np.array([area_of.get(each, unknown) for each in kept["area_id"]], dtype=np.int64),
            cell=cell[cell >= 0],
            received=received,
            chance=kept["chance"].fill_null(pl.Series(ground.service["share_deployed"][cell[cell >= 0]])).to_numpy(),
            pool=pool[pool >= 0],
            unit_cell=cells(at_work),
            minutes=np.array([max((at - each) / timedelta(minutes=1), 0.0) for each in at_work["since"]]),
            is_long=at_work["is_long"].to_numpy(),
        ),
        notes,
    )


def _pools_of(units: pl.DataFrame, world: World) -> tuple[Integers, int]:
    """Give the pool of each unit at work that runs in the first hour; else of its log's place, or of most places of its
    own pool; -1 where nothing is known.
    """
    cover = world.pool_hours
    number = {pool: each for each, pool in enumerate(cover.pool_ids)}
    now = cover.patterns[cover.pattern_of_hour[0]]
    of_area = {area: int(pool) for area, pool in zip(cover.area_ids, now, strict=True)}
    heirs = {}
    for pool, each in number.items():
        mine = now[(cover.patterns == each).any(axis=0)]
        heirs[pool] = int(np.bincount(mine[mine >= 0]).argmax()) if (mine >= 0).any() else -1
    found = []
    for pool, area in units.select("pool_id", "area_id").iter_rows():
        runs = pool in number and bool(cover.runs[number[pool], 0])
        found.append(number[pool] if runs else max(of_area.get(area, -1), -1))
        if found[-1] < 0:
            found[-1] = heirs.get(pool, -1)
    return np.array(found, dtype=np.int64), sum(each < 0 for each in found)
