"""When each status really began and ended: the rules for presses that were missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from bluelamp.committed.presses import ARRIVED, ATTENDING, FREE, MINUTE, QUARTER, STAGE, seconds_between
from bluelamp.committed.rules import by_rule

# Commitments that are long by nature and handed over when the shift changes.
LONG_STAGES = ("custody", "guard")

_HOUR = 3600
# A log's own means and extremes must be measured on so many; before that, these stand in.
_ENOUGH = 100
_USUAL_SCENE_SECONDS = _HOUR
_LONGEST_SCENE_SECONDS = 4 * _HOUR
_USUAL_TRAVEL_SECONDS = 600
_LONGEST_TRAVEL_SECONDS = _HOUR
_USUAL_DUTY_SECONDS = 10 * _HOUR
# Without a press for so long, a unit that was free has gone home, and one that was busy is so no longer.
_SILENT_FREE_SECONDS = 12 * _HOUR
_SILENT_BUSY_SECONDS = 24 * _HOUR
# A log in which fewer jobs than this end with a clear does not tell when units were free again.
_TELLS_CLEARS = 0.2


@dataclass(frozen=True)
class _Usual:
    """What journeys, scenes and duties usually last in this log, in seconds, where every press is there."""

    travel: int
    longest_travel: int
    scene: int
    longest_scene: int
    duty: int
    tells_clears: bool

    @staticmethod
    def of(frame: pl.DataFrame) -> _Usual:
        """Measure them; where there are too few to tell, stated figures stand in."""

        def measure(rows: pl.Expr, begin: str, share: float, mean: int, longest: int) -> tuple[int, int]:
            lasted = frame.lazy().filter(rows).select(seconds_between(begin, "ends_at")).collect().to_series()
            if lasted.len() < _ENOUGH:
                return mean, longest
            extreme = lasted.quantile(share, "nearest")
            assert extreme is not None
            # Whole seconds, because a mean of fractions differs with the order of adding up.
            return int(lasted.sum()) // lasted.len(), int(extreme)

        stage = pl.col("stage")
        travel, longest_travel = measure(pl.col("arrives"), "at", 0.95, _USUAL_TRAVEL_SECONDS, _LONGEST_TRAVEL_SECONDS)
        is_clean = pl.col("is_cleared") & (stage == "at_scene")
        scene, longest_scene = measure(is_clean, "at", 0.99, _USUAL_SCENE_SECONDS, _LONGEST_SCENE_SECONDS)
        books_off = (stage != "off_duty") & (pl.col("next_stage") == "off_duty")
        duty, _ = measure(books_off, "duty_at", 0.99, _USUAL_DUTY_SECONDS, 0)
        cleared = int(frame["is_cleared"].sum())
        # A unit's last press may have its clear to come.
        uncleared = int((frame["is_uncleared"] & ~frame["is_last"]).sum())
        tells_clears = cleared >= _TELLS_CLEARS * (cleared + uncleared)
        return _Usual(travel, longest_travel, scene, longest_scene if tells_clears else 0, duty, tells_clears)


def repair_ends(presses: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Say of each press what became of it, by the rules.

    `travel_from`: the unit was on its way before it pressed; `arrives_at`: the journey ends at what it reaches
    (`reached`, the scene or a guard), by `arrival_rule`; `busy_until`: the status ends, by `clear_rule`, and the unit
    is free; `on_until`: the unit is gone altogether, by `off_rule`. Where no rule speaks, both ends are the next press.
    """
    stage = pl.col("stage")
    has_log = stage.is_in(ATTENDING) & pl.col("incident_id").is_not_null()
    goes_off = pl.col("next_stage").is_in(["refreshments", "briefing", "off_duty"]).fill_null(value=False)
    frame = presses.with_columns(
        ends_at=pl.col("next_at").fill_null(until).dt.truncate("1s"),
        is_last=pl.col("next_at").is_null(),
        arrives=(stage == "en_route") & pl.col("stays") & pl.col("next_stage").is_in(ARRIVED).fill_null(value=False),
        is_cleared=has_log & (pl.col("next_stage") == "available").fill_null(value=False),
        is_uncleared=has_log & (pl.col("next_at").is_null() | goes_off | pl.col("goes_to_other")),
        # A duty begins with the first press of all, after booking off, and after a night's silence.
        duty_at=pl.when(
            pl.col("previous_at").is_null()
            | (pl.col("previous_stage") == "off_duty")
            | (seconds_between("previous_at", "at") > _SILENT_FREE_SECONDS)
        ).then("at"),
    ).with_columns(pl.col("duty_at").forward_fill())
    usual = _Usual.of(frame)
    frame = _with_what_is_reached(frame)
    frame = _until_gone(_until_free(_until_there(frame, usual), usual), usual)
    return frame.drop("duty_at", "log_dispatch", "log_arrival", "free_by", "booked_to", "booked_again", "previous_at")


def _with_what_is_reached(frame: pl.DataFrame) -> pl.DataFrame:
    """Say what an arrival that nobody pressed was for: a guard where all who pressed one at that incident guard it."""
    is_there = pl.col("stage").is_in(ARRIVED) & pl.col("incident_id").is_not_null()
    guarded = frame.filter(is_there).group_by("incident_id").agg(is_guarded=(pl.col("stage") == "guard").all())
    return frame.join(guarded, on="incident_id", how="left", maintain_order="left").with_columns(
        reached=pl.when("is_guarded")
        .then(pl.lit("guard", dtype=STAGE))
        .otherwise(pl.lit("at_scene", dtype=STAGE))
    ).drop("is_guarded")  # fmt: skip


def _until_there(frame: pl.DataFrame, usual: _Usual) -> pl.DataFrame:
    """Find journeys that nobody pressed, and arrivals."""
    at, dispatch, arrival = pl.col("at"), pl.col("log_dispatch"), pl.col("log_arrival")
    nobody_sent = pl.col("stage").is_in(ARRIVED) & (pl.col("previous_stage") == "available")
    is_near = (dispatch > pl.col("previous_at")) & (dispatch < at) & (
        (at - dispatch).dt.total_seconds() <= usual.longest_travel
    )  # fmt: skip
    by_log = pl.col("is_uncleared") & (pl.col("free_by") > at) & (pl.col("free_by") < pl.col("ends_at"))
    at_most = pl.when(by_log).then("free_by").otherwise("ends_at")
    unarrived = (pl.col("stage") == "en_route") & pl.col("incident_id").is_not_null() & ~pl.col("arrives")
    return frame.with_columns(
        travel_from=pl.when(nobody_sent & is_near).then(dispatch),
        arrival_rule=pl.when(unarrived & (arrival > at) & (arrival < at_most))
        .then(by_rule("arrival_from_log"))
        .when(unarrived & ((at_most - at).dt.total_seconds() > usual.longest_travel))
        .then(by_rule("arrival_after_usual_travel")),
    ).with_columns(
        arrives_at=pl.when(pl.col("arrival_rule") == "arrival_from_log")
        .then(arrival)
        .when(pl.col("arrival_rule").is_not_null())
        .then(at + timedelta(seconds=usual.travel)),
        unarrived=unarrived,
    )


def _until_free(frame: pl.DataFrame, usual: _Usual) -> pl.DataFrame:
    """Find clears that were not pressed."""
    at, ends_at, free_by = pl.col("at"), pl.col("ends_at"), pl.col("free_by")
    # Where clears are hardly ever pressed, a journey's end is no more known than a scene's.
    ends_unknown = [] if usual.tells_clears else ["en_route"]
    is_scene = pl.col("stage").is_in(["at_scene", "committed_deployable", "committed", *ends_unknown])
    scene_at = pl.coalesce("arrives_at", pl.when(is_scene).then(at))
    may_be_there = pl.col("is_last") & (pl.col("is_log_open").fill_null(value=False) | usual.tells_clears)
    is_long = (ends_at - scene_at).dt.total_seconds() > usual.longest_scene
    return frame.with_columns(
        clear_rule=pl.when(
            pl.col("is_uncleared") & (free_by > pl.coalesce(scene_at, at)) & (free_by < ends_at - MINUTE)
        )
        .then(by_rule("clear_from_log"))
        .when(pl.col("is_uncleared") & ~may_be_there & is_long)
        .then(by_rule("clear_after_usual_time")),
    ).with_columns(
        busy_until=pl.when(pl.col("clear_rule") == "clear_from_log")
        .then(free_by)
        .when(pl.col("clear_rule").is_not_null())
        .then(pl.min_horizontal(ends_at, scene_at + timedelta(seconds=usual.scene)))
        .otherwise(ends_at)
    )


def _until_gone(frame: pl.DataFrame, usual: _Usual) -> pl.DataFrame:
    """Find units that had booked off, or gone home without a press; what was to come after that did not."""
    at, ends_at, booked_to = pl.col("at"), pl.col("ends_at"), pl.col("booked_to")
    no_clear = pl.col("clear_rule").is_null()
    free_from = pl.when(~no_clear).then("busy_until").when(pl.col("stage").is_in(FREE)).then(at)
    ordinary = [stage for stage in ATTENDING if stage not in LONG_STAGES]
    is_relieved = pl.col("is_last") | (pl.col("next_stage") == "off_duty") | (pl.col("booked_again") <= ends_at)
    is_past_booking = (pl.col("stage") != "off_duty") & (booked_to < ends_at - QUARTER) & is_relieved
    is_silent_free = ((ends_at - free_from).dt.total_seconds() > _SILENT_FREE_SECONDS) & (
        pl.col("next_stage") != "off_duty"
    ).fill_null(value=True)
    is_silent_busy = (
        pl.col("stage").is_in(ordinary)
        & no_clear
        & ~pl.col("is_log_open").fill_null(value=False)
        & (seconds_between("at", "ends_at") > _SILENT_BUSY_SECONDS)
    )
    went_home = pl.min_horizontal(ends_at, pl.col("duty_at") + timedelta(seconds=usual.duty))
    return (
        frame.with_columns(
            off_rule=pl.when(is_past_booking)
            .then(by_rule("cut_at_booking_end"))
            .when(booked_to.is_null() & (is_silent_free | is_silent_busy))
            .then(by_rule("book_off_missed"))
        )
        .with_columns(
            on_until=pl.when(pl.col("off_rule") == "cut_at_booking_end")
            .then(booked_to)
            .when(pl.col("off_rule").is_not_null())
            .then(pl.max_horizontal(went_home, pl.coalesce(free_from, at)))
            .otherwise(ends_at)
        )
        .with_columns(
            pl.when(pl.col("arrives_at") < pl.col("on_until")).then(pl.col("arrival_rule", "arrives_at")).name.keep(),
            pl.when(pl.col("busy_until") <= pl.col("on_until")).then("clear_rule").name.keep(),
            busy_until=pl.min_horizontal("busy_until", "on_until"),
        )
    )


def count_repairs(known: pl.DataFrame) -> dict[str, int]:
    """Count the presses that each rule repaired."""
    counted: dict[str, int] = {}
    for column in ("arrival_rule", "clear_rule", "off_rule"):
        counted |= dict(known[column].drop_nulls().value_counts().iter_rows())
    attends = pl.col("stage").is_in(ATTENDING) & pl.col("incident_id").is_not_null()
    rows = known.select(
        travel_from_log=pl.col("travel_from").is_not_null().sum(),
        no_arrival=(pl.col("unarrived") & pl.col("arrival_rule").is_null()).sum(),
        no_time=((pl.col("stage") != "off_duty") & (pl.col("at") == pl.col("ends_at"))).sum(),
        unknown_incident=(attends & pl.col("is_log_open").is_null()).sum(),
    )
    return counted | rows.row(0, named=True)
