"""What was recorded: who was sent to each log and for how long, which units were on duty, and what no log shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from bluelamp.breaks import ATTENDING, STRAIGHT_FROM_A_JOB, find_breaks, number_duties

_THERE = ("at_scene", "committed_deployable", "committed", "guard")
_SCENE = ("en_route", *_THERE)
# Ends that a rule assumed without a word of them in the records.
_ENDS_ASSUMED = ("clear_after_usual_time", "book_off_missed")
# A guard who comes later than this after the one before has gone is another guard.
_RELIEF_GAP = timedelta(hours=1)
# A unit that nobody saw for so long had gone home.
_SILENCE = timedelta(hours=4)
_USUAL_DUTY = 0.75
_PRESSES_FREE = 0.05
_A_MINUTE = 60
# Of a visit whose arrival nobody pressed, at least this share was at the scene.
_LEAST_THERE = 0.2
# Refreshments belong to a duty where so many of its length have them.
_MOST = 0.7
_ENOUGH_BREAKS = 30
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Records:
    """What happened, as tables that a replay is made of.

    `logs`: one row a log: `incident_id`, `received_at`, `area_id`, `kind` (of area), `origin`,
    `opening_grade`, `grade` (at dispatch), `regraded_at`, `regraded_to` (first change, if any), `is_spot` (a unit was
    there already), `is_near` (nobody travelled), `units` (sent before the first one left), `sent_at`, `arrived_at` (of
    the first there; null where an arrival was not pressed), `first_minutes` (at the
    scene; null where the arrival is not known), `total_minutes` (from sending to leaving), `after_minutes` (custody,
    write-up), `further_minutes`, `is_guard`, `is_assumed`, `idle_seconds` (for which the first unit had been free),
    `pool_id` (its). `children`: unit time of the same logs that came later: `incident_id`, `sent_at`, `delay_minutes`
    after the first had left, `minutes`, `is_guard`. `visits`: one row a unit at a log. `silent`: work without a log:
    `unit_id`, `pool_id`, `starts_at`, `minutes`, `on_at` (since when its unit was on duty). `units`: a row a unit and
    duty: `unit_id`, `pool_id`, `starts_at`, `ends_at` (as planned, where the unit stayed on for a job), `crew`,
    `briefing`, `break_at`, `break_minutes`, `may_drive`, `stayed`.
    """

    logs: pl.DataFrame
    children: pl.DataFrame
    visits: pl.DataFrame
    silent: pl.DataFrame
    units: pl.DataFrame
    units_known_by: str
    unknown_units_share: float  # of the time that units pressed, by those that were on no duty of `units`


def read_records(
    attendances: pl.DataFrame,
    incidents: pl.DataFrame,
    logged: pl.DataFrame,
    grade_history: pl.DataFrame,
    unit_crews: pl.DataFrame,
    people: pl.DataFrame,
    kinds: dict[str, str],
    time_zone: str,
) -> Records:
    """Lay out what happened. `attendances` as `committed.find_attendances` gives them; `incidents` are all that there
    are, `logged` those that were not merged into another; `kinds` are those of areas.
    """
    visits = _find_visits(attendances, incidents)
    units, known_by, unknown = find_units(attendances, unit_crews, people, time_zone)
    logs, children = _find_logs(visits, logged, grade_history, kinds)
    stage = pl.col("stage")
    silent = attendances.filter(
        stage.is_in(ATTENDING)
        & pl.col("incident_id").is_null()
        & ~pl.col("ended_by").is_in(_ENDS_ASSUMED).fill_null(value=False)
    ).select("unit_id", "pool_id", "starts_at", minutes=minutes_between("starts_at", "ends_at"))
    # Logs that are not on hand took units all the same.
    lost = visits.join(incidents, on="incident_id", how="anti").filter(~pl.col("is_assumed")).select(
        "unit_id", "pool_id", starts_at="sent_at", minutes=minutes_between("sent_at", "free_at")
    )  # fmt: skip
    on_duty = units.select("unit_id", on_at="starts_at").sort("on_at")
    silent = (
        pl.concat([silent, lost])
        .sort("starts_at", "pool_id", "unit_id")
        .join_asof(on_duty, left_on="starts_at", right_on="on_at", by="unit_id", check_sortedness=False)
    )
    return Records(logs, children, visits, silent, units, known_by, unknown)


def minutes_between(begin: str, end: str) -> pl.Expr:
    """Minutes from one column's instant to another's."""
    return (pl.col(end) - pl.col(begin)).dt.total_seconds() / 60


def _find_visits(attendances: pl.DataFrame, incidents: pl.DataFrame) -> pl.DataFrame:
    """Give each time that a unit came to a log: sent, there, gone from the scene, free."""
    stage, starts, ends = pl.col("stage"), pl.col("starts_at"), pl.col("ends_at")
    follows = (pl.col("unit_id") == pl.col("unit_id").shift(1)) & (starts == ends.shift(1))
    before = attendances.sort("unit_id", "starts_at").with_columns(
        idle_seconds=pl.when(follows & (stage.shift(1) == "available"))
        .then((ends.shift(1) - starts.shift(1)).dt.total_seconds())
        .otherwise(0),
        was_attending=follows & (stage.shift(1) == "available") & stage.shift(2).is_in(ATTENDING),
    )
    there = stage.is_in(_THERE)
    merged = incidents.filter(pl.col("merged_into").is_not_null()).select("incident_id", "merged_into")
    return (
        before.filter(pl.col("incident_id").is_not_null() & stage.is_in(ATTENDING))
        .sort("unit_id", "starts_at")
        .group_by("unit_id", "incident_id", "attendance", maintain_order=True)
        .agg(
            pl.col("pool_id").first(),
            pl.col("idle_seconds", "was_attending").first(),
            sent_at=starts.min(),
            travels=(stage == "en_route").any(),
            arrived_at=starts.filter(there).min(),
            is_arrival_known=pl.col("begun_by").filter(there).first().is_null() & there.any(),
            gone_at=ends.filter(stage.is_in(_SCENE)).max(),
            free_at=ends.max(),
            is_guard=(stage == "guard").any(),
            is_assumed=pl.col("ended_by").is_in(_ENDS_ASSUMED).fill_null(value=False).any(),
        )
        .join(merged, on="incident_id", how="left")
        .with_columns(
            incident_id=pl.coalesce("merged_into", "incident_id"),
            arrived_at=pl.when("is_arrival_known").then("arrived_at"),
        )
        .drop("merged_into")
        .sort("incident_id", "sent_at", "unit_id")
    )


def _find_logs(
    visits: pl.DataFrame, incidents: pl.DataFrame, grade_history: pl.DataFrame, kinds: dict[str, str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give a row for each log to which a unit went, and the later visits that belong to it."""
    first = visits.unique("incident_id", keep="first", maintain_order=True)
    of_first = first.with_columns(first_gone=pl.coalesce("gone_at", "free_at")).select(
        "incident_id", "pool_id", "idle_seconds", "is_arrival_known", "is_guard", "is_assumed", "travels", "arrived_at",
        "first_gone", first_sent="sent_at",
        first_minutes=minutes_between("arrived_at", "first_gone"),
        total_minutes=minutes_between("sent_at", "first_gone"),
        after_minutes=minutes_between("first_gone", "free_at"),
    )  # fmt: skip
    others = visits.join(
        first.select("incident_id", "unit_id", "attendance", is_first=pl.lit(value=True)),
        on=["incident_id", "unit_id", "attendance"], how="left",
    ).filter(pl.col("is_first").is_null()).join(
        of_first.select("incident_id", "first_gone"), on="incident_id"
    )  # fmt: skip
    is_beside = ~pl.col("is_guard") & (pl.col("sent_at") <= pl.col("first_gone"))
    journeys = visits.filter(pl.col("travels") & pl.col("is_arrival_known")).select(
        minutes_between("sent_at", "arrived_at")
    )
    usual = float(journeys.to_series().mean() or 0.0)  # type: ignore[arg-type]
    total = minutes_between("sent_at", "free_at")
    stays = pl.coalesce(
        minutes_between("arrived_at", "free_at"),
        pl.max_horizontal(total - usual * pl.col("travels"), _LEAST_THERE * total),
    )
    beside = (
        others.filter(is_beside)
        .group_by("incident_id")
        .agg(
            further=pl.len(),
            further_minutes=stays.mean(),
            others_arrived_at=pl.col("arrived_at").min(),
            are_others_known=pl.col("is_arrival_known").all(),
        )
    )
    again = others.filter(~is_beside & ~pl.col("is_guard")).select(
        "incident_id", "sent_at", minutes=stays, is_guard=pl.lit(value=False),
        delay_minutes=minutes_between("first_gone", "sent_at"),
    )  # fmt: skip
    guards = _find_guards(visits, of_first)
    children = pl.concat([again, guards.filter(~pl.col("is_first")).select(again.columns)]).sort(
        "sent_at", "incident_id"
    )
    whole = guards.filter("is_first").select("incident_id", guarded_minutes="minutes")
    logs = (
        incidents.select("incident_id", "received_at", "area_id", "origin", "grade_code", "opening_grade_code")
        .join(of_first, on="incident_id")
        .join(beside, on="incident_id", how="left")
        .join(whole, on="incident_id", how="left")
        .join(_grades_given(grade_history, of_first), on="incident_id", how="left")
        .with_columns(
            pl.col("further").fill_null(0),
            pl.col("further_minutes").fill_null(0.0),
            opening_grade=pl.coalesce("opened_as", "opening_grade_code", "grade_code").fill_null("none"),
            # A grade that nobody dates: the log was worked with the one that it has now.
            regraded_at=pl.coalesce(
                "changed_at",
                pl.when(pl.col("opened_as").is_null() & (pl.col("opening_grade_code") != pl.col("grade_code"))).then(
                    "received_at"
                ),
            ),
            regraded_to=pl.coalesce(
                "changed_to",
                pl.when(pl.col("opened_as").is_null() & (pl.col("opening_grade_code") != pl.col("grade_code"))).then(
                    "grade_code"
                ),
            ),
        )
    )
    kind = pl.col("area_id").replace_strict(kinds, default="all", return_dtype=pl.String)
    return logs.select(
        "incident_id", "received_at", pl.col("area_id").fill_null("unknown"), "origin", "opening_grade",
        "regraded_at", "regraded_to", "pool_id", "idle_seconds", "is_guard", "is_assumed", "further_minutes",
        "total_minutes", "after_minutes",
        kind=kind.fill_null("all"),
        grade=pl.coalesce("sent_as", pl.when(pl.col("opened_as").is_null()).then("regraded_to"), "opening_grade"),
        is_spot=~pl.col("travels") & ((pl.col("first_sent") - pl.col("received_at")).dt.total_seconds() <= _A_MINUTE),
        is_near=~pl.col("travels"),
        # A guard is one unit at a time.
        units=pl.when("is_guard").then(1).otherwise(1 + pl.col("further")),
        sent_at="first_sent",
        # The first of them there, and only where every arrival was pressed: the missing one may have been the first.
        arrived_at=pl.when(pl.col("arrived_at").is_not_null() & pl.col("are_others_known").fill_null(value=True)).then(
            pl.min_horizontal("arrived_at", "others_arrived_at")
        ),
        first_minutes=pl.coalesce("guarded_minutes", "first_minutes"),
    ).sort("received_at", "incident_id"), children  # fmt: skip


def _find_guards(visits: pl.DataFrame, of_first: pl.DataFrame) -> pl.DataFrame:
    """Join guards who relieved each other to one commitment; `is_first` where the log's first unit began it."""
    guards = visits.filter("is_guard").sort("incident_id", "sent_at")
    reached = pl.col("free_at").cum_max().shift(1).over("incident_id")
    begins = reached.is_null() | (pl.col("sent_at") > reached + _RELIEF_GAP)
    there = pl.coalesce("arrived_at", "sent_at")
    return (
        guards.with_columns(watch=begins.cum_sum())
        .group_by("incident_id", "watch")
        .agg(
            sent_at=pl.col("sent_at").min(),
            from_at=there.min(),
            until=pl.col("free_at").max(),
        )
        .join(of_first.select("incident_id", "first_sent", "first_gone", guarded="is_guard"), on="incident_id")
        .with_columns(
            is_first=pl.col("guarded") & (pl.col("sent_at") == pl.col("first_sent")),
            minutes=minutes_between("from_at", "until"),
            delay_minutes=minutes_between("first_gone", "sent_at"),
            is_guard=pl.lit(value=True),
        )
        .sort("incident_id", "sent_at")
    )


def _grades_given(grade_history: pl.DataFrame, of_first: pl.DataFrame) -> pl.DataFrame:
    """Give the grade that a log was opened with, its first change, and the grade when a unit was sent."""
    given = grade_history.join(of_first.select("incident_id", "first_sent"), on="incident_id").sort("graded_at")
    is_change = pl.col("grade_code") != pl.col("grade_code").first()
    return given.group_by("incident_id").agg(
        opened_as=pl.col("grade_code").first(),
        changed_at=pl.col("graded_at").filter(is_change).first(),
        changed_to=pl.col("grade_code").filter(is_change).first(),
        sent_as=pl.col("grade_code").filter(pl.col("graded_at") <= pl.col("first_sent")).last(),
    )


# ---- units on duty ----


def find_units(
    attendances: pl.DataFrame, unit_crews: pl.DataFrame, people: pl.DataFrame, time_zone: str
) -> tuple[pl.DataFrame, str, float]:
    """Give the units that were on duty, how they are known, and the share of pressed time that lies outside.

    'booked': bookings tell who was on. 'pressed': there are none, and a unit was on from its first press to its last
    without a silence of four hours. 'inferred': the same, where nobody presses that a unit is free.
    """
    spans = attendances.filter(pl.col("stage") != "unknown").select(
        "unit_id", "pool_id", "stage", "incident_id", "starts_at", "ends_at", "begun_by"
    ).sort("unit_id", "starts_at")  # fmt: skip
    known_by = "booked" if not unit_crews.is_empty() else "pressed" if _show_when_free(spans) else "inferred"
    duties = _inferred(spans) if unit_crews.is_empty() else _booked(unit_crews, people, spans)
    inside = spans.sort("starts_at").join_asof(
        duties.select("unit_id", "duty", on_at="starts_at", off_at="ends_at").sort("on_at"),
        left_on="starts_at", right_on="on_at", by="unit_id", check_sortedness=False, tolerance=timedelta(hours=24),
    ).with_columns(
        is_in=(pl.col("starts_at") < pl.col("off_at")).fill_null(value=False)
    )  # fmt: skip
    seconds = (pl.col("ends_at") - pl.col("starts_at")).dt.total_seconds()
    pressed, outside = (
        float(inside.select(seconds.filter(rows).sum()).item() or 0) for rows in (pl.lit(value=True), ~pl.col("is_in"))
    )
    stage = pl.col("stage")
    about = (
        inside.filter("is_in")
        .sort("duty", "starts_at")
        .group_by("duty", maintain_order=True)
        .agg(
            pressed_pool=pl.col("pool_id").drop_nulls().mode().sort().first(),
            briefing=seconds.filter(
                (stage == "briefing") & (pl.col("starts_at") - pl.col("on_at") <= timedelta(minutes=5))
            ).sum()
            / 60,
            last_busy=pl.col("ends_at").filter(stage.is_in(ATTENDING)).max(),
            # Nobody takes up anything new after the end: neither a log, nor refreshments, nor work without a log.
            last_begun=pl.col("starts_at")
            .filter(
                stage.is_in(["en_route", "refreshments"]) | (stage.is_in(ATTENDING) & pl.col("incident_id").is_null())
            )
            .max(),
        )
    )
    rested = (
        find_breaks(spans, duties)
        .group_by("unit_id", "on_at", maintain_order=True)
        .agg(pl.col("due_from").first(), break_at=pl.col("starts_at").first(), break_minutes=seconds.sum() / 60)
    )
    known = duties.join(about, on="duty", how="left").join(
        rested, left_on=["unit_id", "starts_at"], right_on=["unit_id", "on_at"], how="left"
    ).with_columns(
        pool_id=pl.coalesce("pool_id", "pressed_pool"), break_minutes=pl.col("break_minutes").fill_null(0.0),
        briefing=pl.col("briefing").fill_null(0.0),
    )  # fmt: skip
    known = known.filter(pl.col("pool_id").is_not_null())
    if known_by == "inferred":
        planned = known.with_columns(stayed=pl.lit(value=False), booked_off_at="ends_at")
    else:
        planned = _planned_ends(known, time_zone)
    planned = _with_due_breaks(planned, time_zone)
    return planned.sort("starts_at", "unit_id"), known_by, outside / max(pressed, 1.0)


def _booked(unit_crews: pl.DataFrame, people: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Join bookings on one callsign that overlap to one unit's duty."""
    last = spans["ends_at"].max()
    may_drive = people.select(
        "person_id", may_drive=pl.col("may_drive_on_response").fill_null(value=True)
    ).group_by("person_id").agg(pl.col("may_drive").all())  # fmt: skip
    crews = unit_crews.join(may_drive, on="person_id", how="left").with_columns(
        pl.col("may_drive").fill_null(value=True), pl.col("ends_at").fill_null(last)
    )
    return (
        number_duties(crews)
        .group_by("duty", maintain_order=True)
        .agg(
            pl.col("unit_id", "starts_at").first(), pl.col("ends_at").max(), pl.col("pool_id").drop_nulls().first(),
            crew=pl.col("person_id").n_unique().cast(pl.Int64), may_drive=pl.col("may_drive").any(),
        )
    )  # fmt: skip


def _show_when_free(spans: pl.DataFrame) -> bool:
    """Say whether units press it when they are free, so that a duty shows from its begin to its end."""
    pressed = pl.col("stage").is_in(["available", "briefing", "refreshments"]) & pl.col("begun_by").is_null()
    return float(spans.select(pressed.mean()).item() or 0.0) > _PRESSES_FREE


def _inferred(spans: pl.DataFrame) -> pl.DataFrame:
    """Take a unit as on duty from its first press to its last, a silence of four hours apart.

    Where nobody presses that a unit is free, whoever waits for a first job presses nothing: a duty shorter than three
    in four is drawn out to both sides to the length of these, as far as the unit's other duties let it.
    """
    # A unit that says when it is free may well be so for a quiet night.
    is_silent = pl.col("stage").is_in(["available", "off_duty"]) & (
        (pl.col("ends_at") - pl.col("starts_at")) > _SILENCE
    ) & (not _show_when_free(spans))  # fmt: skip
    seen = spans.filter(~is_silent & (pl.col("stage") != "off_duty"))
    unit = pl.col("unit_id")
    reached = pl.col("ends_at").cum_max().shift(1).over("unit_id")
    duties = (
        seen.with_columns(duty=(reached.is_null() | (pl.col("starts_at") - reached > _SILENCE)).cum_sum())
        .group_by("duty", maintain_order=True)
        .agg(
            pl.col("unit_id", "starts_at").first(), pl.col("ends_at").max(),
            pl.col("pool_id").drop_nulls().mode().sort().first(), crew=pl.lit(1, dtype=pl.Int64),
            may_drive=pl.lit(value=True),
        )
    )  # fmt: skip
    if _show_when_free(spans):
        return duties
    length = pl.col("ends_at") - pl.col("starts_at")
    half = pl.max_horizontal(length.quantile(_USUAL_DUTY) - length, pl.duration()) / 2
    before = pl.when(unit == unit.shift(1)).then(pl.col("starts_at") - pl.col("ends_at").shift(1)) / 2
    after = pl.when(unit == unit.shift(-1)).then(pl.col("starts_at").shift(-1) - pl.col("ends_at")) / 2
    return duties.with_columns(
        starts_at=(pl.col("starts_at") - pl.min_horizontal(half, before)).dt.truncate("1s"),
        ends_at=(pl.col("ends_at") + pl.min_horizontal(half, after)).dt.truncate("1s"),
    )


def _half_hour() -> pl.Expr:
    return pl.col("ends_at").dt.truncate("30m")


def _may_have_ended(stayed: str) -> pl.Expr:
    return (
        pl.col(stayed) & (_half_hour() > pl.col("starts_at")) & (_half_hour() >= pl.coalesce("last_begun", "starts_at"))
    )


def _with_due_breaks(duties: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    """Put refreshments where they were due: a replay delays them by its own jobs, and not by those of the record again.

    Who was free when they began had them when they were due. Who came straight from a job was due some time during it.
    Who had none, where most duties as long have them, was kept from them by work: they are due all the same. Their
    minutes after the start are those of the first, of duties that begin in the same local hour, as evenly as they come.
    """

    def after_start(name: str) -> pl.Expr:
        return (pl.col(name) - pl.col("starts_at")).dt.total_seconds() / 60

    had = pl.col("break_at").is_not_null()
    told = duties.sort("starts_at", "unit_id").with_columns(
        lasts=after_start("ends_at").floordiv(60), begins=pl.col("starts_at").dt.convert_time_zone(time_zone).dt.hour()
    )
    usual = told.group_by("lasts").agg(share=had.mean(), usual_break=pl.col("break_minutes").filter(had).median())
    told = told.join(usual, on="lasts", how="left", maintain_order="left").with_columns(
        at=after_start("break_at"),
        since=after_start("due_from"),
        missed=(~had & (pl.col("share") >= _MOST)).fill_null(value=False),
    )
    due = told["at"].fill_null(np.nan).to_numpy().copy()
    moved = told.select(pl.col("since").is_not_null() | pl.col("missed")).to_series().to_numpy()
    for begins in told["begins"].unique():
        here = (told["begins"] == begins).to_numpy()
        undelayed = np.sort(due[here & ~moved & ~np.isnan(due)])
        rows = np.flatnonzero(here & moved)
        if len(undelayed) < _ENOUGH_BREAKS:
            continue
        since, until = told["since"].fill_null(0.0).to_numpy()[rows], told["at"].fill_null(np.inf).to_numpy()[rows]
        low, high = np.searchsorted(undelayed, since), np.searchsorted(undelayed, until, side="right")
        spread = np.arange(len(rows)) * _GOLDEN % 1
        drawn = undelayed[np.minimum(low + (spread * (high - low)).astype(np.int64), len(undelayed) - 1)]
        # A job that began when refreshments are over for everybody else tells nothing.
        due[rows] = np.where(high > low, drawn, np.where(np.isinf(until), drawn, until))
    at = pl.Series("due", due).fill_nan(None)
    return told.with_columns(
        break_at=pl.col("starts_at") + (at * 60_000_000).round().cast(pl.Duration("us")),
        break_minutes=pl.when(pl.col("missed")).then("usual_break").otherwise("break_minutes"),
    ).drop("lasts", "begins", "share", "usual_break", "due_from", "at", "since", "missed")


def _planned_ends(duties: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    """Give units that came home straight from a job the end that others of their start had.

    Whoever stays on for a job is not free for another: the duty as it was planned ends at the latest usual end that
    lies after the last job had begun. Ends and starts are compared by five minutes, on the force's clock.
    """
    local = {name: pl.col(name).dt.convert_time_zone(time_zone).dt.round("5m") for name in ("starts_at", "ends_at")}
    # Who worked past the end is known by coming straight from a job.
    stayed = (pl.col("ends_at") - pl.col("last_busy") <= STRAIGHT_FROM_A_JOB).fill_null(value=False)
    known = duties.with_columns(
        stayed=stayed,
        start=local["starts_at"].dt.time(),
        lasts=((local["ends_at"] - local["starts_at"]).dt.total_minutes()),
    )
    usual = (
        known.filter(~pl.col("stayed"))
        .group_by("pool_id", "start", "lasts")
        .len()
        # An end that is shared by few is somebody's own.
        .filter(pl.col("len") >= 0.05 * pl.col("len").sum().over("pool_id", "start"))
        .select("pool_id", "start", usual="lasts")
    )
    options = (
        known.filter("stayed")
        .join(usual, on=["pool_id", "start"])
        .with_columns(until=local["starts_at"].dt.convert_time_zone("UTC") + pl.duration(minutes="usual"))
        .filter((pl.col("until") <= pl.col("ends_at")) & (pl.col("until") >= pl.coalesce("last_begun", "starts_at")))
        .group_by("duty")
        .agg(until=pl.col("until").max())
    )
    return known.join(options, on="duty", how="left").with_columns(
        booked_off_at="ends_at",
        # Without any usual one, the last half-hour that it can have been.
        ends_at=pl.coalesce("until", pl.when(_may_have_ended("stayed")).then(_half_hour()).otherwise("ends_at")),
    ).drop("until", "start", "lasts", "pressed_pool", strict=False)  # fmt: skip
