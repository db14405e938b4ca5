"""Presses of status buttons in their order, and what is known beside each: its log and its crew's booking."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

# In the order in which one job goes through them: presses of the same second are put into it.
ATTENDING = ("en_route", "at_scene", "committed_deployable", "committed", "custody", "guard", "write_up")
# With these a unit is there, whatever it does there.
ARRIVED = ("at_scene", "committed_deployable", "committed", "guard")
FREE = ("refreshments", "briefing", "available")
STAGE = pl.Enum([*ATTENDING, "unknown", *FREE, "off_duty"])
UNKNOWN_POOL = "unknown"
SECOND = pl.Datetime("us", "UTC")
MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)


def seconds_between(begin: str, end: str) -> pl.Expr:
    """Whole seconds from one column's instant to another's."""
    return (pl.col(end) - pl.col(begin)).dt.total_seconds()


def next_of(name: str) -> pl.Expr:
    """The value of the unit's next press, null after its last."""
    return pl.when(pl.col("unit") == pl.col("unit").shift(-1)).then(pl.col(name).shift(-1))


def previous_of(name: str) -> pl.Expr:
    """The value of the unit's press before, null before its first."""
    return pl.when(pl.col("unit") == pl.col("unit").shift(1)).then(pl.col(name).shift(1))


def as_codes(
    unit_status: pl.DataFrame, unit_crews: pl.DataFrame, incidents: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Give the three tables with units, incidents and pools as numbers behind their names, a quarter of the memory.

    Of crews and incidents only what the status log names.
    """

    def kinds(*columns: pl.Series) -> pl.Enum:
        return pl.Enum(pl.concat([each.unique() for each in columns]).drop_nulls().unique().sort())

    pool = kinds(unit_status["pool_id"], unit_crews["pool_id"], pl.Series([UNKNOWN_POOL]))
    unit, incident = pl.col("unit_id"), pl.col("incident_id")
    units, logs = kinds(unit_status["unit_id"]), kinds(unit_status["incident_id"])
    return (
        unit_status.select("status_at", "status", unit.cast(units), incident.cast(logs), pl.col("pool_id").cast(pool)),
        unit_crews.select(
            "starts_at", "ends_at", unit.cast(units, strict=False), pl.col("pool_id").cast(pool)
        ).filter(unit.is_not_null()),
        incidents.select(
            "received_at", "dispatched_at", "arrived_at", "cleared_at", "closed_at", "status",
            incident.cast(logs, strict=False),
        ).filter(incident.is_not_null()),
    )  # fmt: skip


def order_presses(unit_status: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Give the presses of each unit as they followed each other, to the second."""
    stage = pl.col("status").cast(STAGE)
    presses = (
        unit_status.lazy()
        .filter(pl.col("status_at") <= until)
        .select(
            "unit_id",
            stage=stage,
            at=pl.col("status_at").dt.truncate("1s"),
            # A clear may name the log that it clears: the unit is no longer at it.
            incident_id=pl.when(~stage.is_in([*FREE, "off_duty"])).then("incident_id"),
            pool_id="pool_id",
        )
        .sort("unit_id", "at", pl.col("stage").to_physical(), "incident_id")
        .collect()
    )
    same_unit = pl.col("unit_id") == pl.col("unit_id").shift(-1)
    with_next = (pl.col("at") == pl.col("at").shift(-1)) & same_unit
    tied = presses.select((with_next | with_next.shift(1, fill_value=False)).fill_null(value=False)).to_series()
    presses = presses.with_columns(place=pl.col("stage").to_physical().cast(pl.Int8))
    if tied.any():
        presses = _untied(presses, tied)
    return presses.drop("place").with_columns(unit=pl.col("unit_id").rle_id())


def _untied(presses: pl.DataFrame, tied: pl.Series) -> pl.DataFrame:
    """Order presses of the same second: a job's own order; but a clear comes before the journey to the next job.

    Booking off comes last, unless the unit then does what it would not do off duty: that is the next crew's.
    """
    group = ["unit_id", "at"]
    later = pl.when(pl.col("unit_id") == pl.col("unit_id").shift(-1)).then(pl.col("stage").shift(-1).cast(pl.String))
    rows = presses.with_columns(later=later, row=pl.int_range(pl.len())).filter(tied)

    def has(stage: str) -> pl.Expr:
        return (pl.col("stage") == stage).any().over(group)

    then = pl.col("later").last().over(group)
    is_next_crew = has("briefing") | ~then.fill_null("available").is_in(["available", "briefing"])
    place = (
        pl.when((pl.col("stage") == "available") & has("en_route"))
        .then(-1)
        .when((pl.col("stage") == "off_duty") & is_next_crew)
        .then(-2)
        .otherwise("place")
    )
    ordered = rows.with_columns(place=place.cast(pl.Int8))
    places = presses["place"].scatter(rows["row"], ordered["place"])
    return presses.with_columns(place=places).sort("unit_id", "at", "place", "incident_id", maintain_order=True)


def clean_presses(presses: pl.DataFrame, counts: dict[str, int]) -> pl.DataFrame:
    """Leave out presses that say nothing new, and give those at a scene the log of their journey."""

    def left_out(frame: pl.DataFrame, rule: str, says_nothing: pl.Expr) -> pl.DataFrame:
        kept = frame.filter(~says_nothing.fill_null(value=False))
        counts[rule] = counts.get(rule, 0) + frame.height - kept.height
        return kept

    stage, log, at = pl.col("stage"), pl.col("incident_id"), pl.col("at")
    same_log = (previous_of("incident_id") == log).fill_null(value=False)
    pressed_again = (previous_of("stage") == stage) & (same_log | log.is_null())
    # The same row twice first, because what follows looks at neighbours.
    presses = left_out(
        presses,
        "repeated_press",
        pressed_again & (previous_of("at") == at) & previous_of("incident_id").eq_missing(log),
    )
    stays = previous_of("incident_id") == next_of("incident_id")
    presses = left_out(presses, "clear_taken_back", (stage == "available") & stays & (next_of("at") - at <= MINUTE))
    on_the_way = (stage == "at_scene") & log.is_null() & (previous_of("stage") == "en_route")
    carried = on_the_way.fill_null(value=False) & previous_of("incident_id").is_not_null()
    counts["incident_carried"] = int(presses.select(carried.sum()).item())
    presses = presses.with_columns(
        incident_id=pl.when(carried).then(previous_of("incident_id")).otherwise("incident_id")
    )
    arrives_again = (next_of("stage") == "at_scene") & (next_of("incident_id") == log)
    presses = left_out(
        presses,
        "sent_while_there",
        (stage == "en_route") & (previous_of("stage") == "at_scene") & same_log & ~arrives_again.fill_null(value=False),
    )
    return left_out(presses, "repeated_press", pressed_again)


def with_logs(presses: pl.DataFrame, incidents: pl.DataFrame, clock: pl.DataFrame) -> pl.DataFrame:
    """Give each press its neighbours, and what its log says; a log's step that some unit pressed is that unit's."""
    pressed = (
        presses.lazy()
        .filter(pl.col("incident_id").is_not_null())
        .group_by("incident_id")
        .agg(
            first_travel=pl.col("at").filter(pl.col("stage") == "en_route").min(),
            first_arrival=pl.col("at").filter(pl.col("stage").is_in(ARRIVED)).min(),
        )
    )
    agrees = ~pl.col("received_at").dt.truncate("1w").is_in(clock["week_starting"].to_list())

    def step(name: str) -> pl.Expr:
        return pl.when(agrees).then(pl.col(name).dt.truncate("1s"))

    def unless_pressed(own: str, first: str) -> pl.Expr:
        is_other = pl.col(first).is_null() | (pl.col(own) < pl.col(first) - MINUTE)
        return pl.when(is_other).then(pl.col(own))

    logs = (
        incidents.lazy()
        .select(
            "incident_id",
            dispatched_at=step("dispatched_at"),
            arrived_at=step("arrived_at"),
            free_by=pl.coalesce(step("cleared_at"), step("closed_at")),
            is_log_open=(pl.col("status") == "open").fill_null(value=False),
        )
        .join(pressed, on="incident_id")
        .select(
            "incident_id",
            "free_by",
            "is_log_open",
            log_dispatch=unless_pressed("dispatched_at", "first_travel"),
            log_arrival=unless_pressed("arrived_at", "first_arrival"),
        )
    )
    return (
        presses.lazy()
        .with_columns(
            next_at=next_of("at"),
            next_stage=next_of("stage"),
            stays=(next_of("incident_id") == pl.col("incident_id")).fill_null(value=False),
            goes_to_other=(next_of("incident_id") != pl.col("incident_id")).fill_null(value=False),
            previous_at=previous_of("at"),
            previous_stage=previous_of("stage"),
        )
        .join(logs, on="incident_id", how="left", maintain_order="left")
        .collect()
    )


def with_bookings(presses: pl.DataFrame, unit_crews: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Give each press its pool, the end of its crew's booking and the begin of the next one."""
    nothing = pl.lit(None, dtype=SECOND)
    if unit_crews.is_empty():
        return presses.with_columns(pl.col("pool_id").fill_null(UNKNOWN_POOL), booked_to=nothing, booked_again=nothing)
    unit = pl.col("unit_id")
    crews = unit_crews.select(
        "unit_id",
        "pool_id",
        # A crew that presses a little before it books on is that crew all the same.
        from_at=(pl.col("starts_at") - QUARTER).dt.truncate("1s"),
        starts_at=pl.col("starts_at").dt.truncate("1s"),
        ends_at=pl.col("ends_at").fill_null(until + timedelta(days=1)).dt.truncate("1s"),
    ).sort("unit_id", "from_at")
    # Bookings that follow each other within a quarter of an hour keep a unit crewed throughout.
    latest = pl.col("ends_at").cum_max().over("unit_id").shift(1)
    begins = (unit != unit.shift(1)) | (pl.col("from_at") > latest)
    stretches = (
        crews.with_columns(stretch=begins.fill_null(value=True).cum_sum())
        .group_by("stretch", maintain_order=True)
        .agg(pl.col("unit_id", "from_at").first(), booked_to=pl.col("ends_at").max())
        .with_columns(booked_again=pl.when(unit == unit.shift(-1)).then(pl.col("from_at").shift(-1)))
        .select("unit_id", "from_at", "booked_to", "booked_again")
    )
    pools = crews.filter(pl.col("pool_id").is_not_null()).select("unit_id", "from_at", booked_pool="pool_id")
    joined = presses.lazy()
    for frame, oldest in ((stretches, None), (pools, timedelta(hours=24))):
        joined = joined.join_asof(
            frame.lazy(), left_on="at", right_on="from_at", by="unit_id", tolerance=oldest, check_sortedness=False
        ).drop("from_at", strict=False)
    is_booked = pl.col("booked_to") >= pl.col("at")
    return joined.with_columns(
        pl.coalesce("pool_id", "booked_pool").fill_null(UNKNOWN_POOL).alias("pool_id"),
        booked_to=pl.when(is_booked).then("booked_to"),
        booked_again=pl.when(is_booked).then("booked_again"),
    ).drop("booked_pool").collect()  # fmt: skip
