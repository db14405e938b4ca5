"""What an incident of each class and grade asks for: the force's own times, shrunk to a prior where they are few."""

from __future__ import annotations

import polars as pl

from bluelamp import tables

# A class and grade with fewer measured incidents than this leans on its prior as if on so many of its own.
PRIOR_WEIGHT = 30
LONGEST_MINUTES = 24 * 60
SHORTEST_MINUTES = 0.5
KEY = ["class_code", "grade_code"]
# What counting needs beside; the rest of an incident (texts, points) would only take memory.
_KEPT = ["area_id", "received_at", "class_code", "origin", "status"]
# What a status log says of an incident, where it was joined on: who pressed knows better than the log's own times.
FROM_STATUS = ("was_deployed", "units_sent", "unit_seconds")


def opening_grade() -> pl.Expr:
    """Give the grade that an incident was given first, which is what dispatch knew; else the one it has now."""
    return pl.coalesce("opening_grade_code", "grade_code").fill_null("none")


def evidence(incidents: pl.DataFrame) -> pl.DataFrame:
    """Say of each incident what its own times tell: `was_deployed` (null where unknown), `units_sent`, `unit_seconds`,
    beside its area, receipt, class, grade, origin and status.

    A unit was sent where a dispatch, an arrival or a unit is recorded. Where a source fills none of these for 95 % of
    its rows, an empty field says nothing and `was_deployed` is null; otherwise it says that nobody went, unless the log
    is open still. A log that was closed in the second it was received was information only. `unit_seconds` is the time
    from dispatch (else arrival) to clear, a unit; null unless both ends are known and it lies between 30 seconds and a
    day.

    Where the frame has the columns of `FROM_STATUS` (from the status log), they are preferred, incident by incident: an
    incident that they say nothing of has what its own times tell, and one to which they know of nobody being sent was
    attended all the same where its own times say so. The grade is the opening one.
    """
    sent = (
        pl.col("dispatched_at").is_not_null()
        | pl.col("arrived_at").is_not_null()
        | (pl.col("units") > 0).fill_null(value=False)
    )
    recorded = incidents.select(sent.mean()).item() if incidents.height else None
    source_says = recorded is not None and recorded >= 0.05
    information_only = (pl.col("closed_at") == pl.col("received_at")).fill_null(value=False)
    is_open = (pl.col("status") == "open").fill_null(value=False)
    was_deployed = (
        pl.when(sent)
        .then(1)
        .when(information_only)
        .then(0)
        .when(is_open)
        .then(None)
        .otherwise(0 if source_says else None)
    ).cast(pl.Int64)
    committed = (pl.col("cleared_at") - pl.coalesce("dispatched_at", "arrived_at")).dt.total_seconds()
    plausible = committed.is_between(SHORTEST_MINUTES * 60, LONGEST_MINUTES * 60)
    own = {
        "was_deployed": was_deployed,
        "units_sent": pl.when(pl.col("units") > 0).then(pl.col("units")),
        "unit_seconds": pl.when(plausible & sent).then(committed),
    }
    if set(FROM_STATUS) <= set(incidents.columns):
        pressed = pl.col("was_deployed") == 1
        own = {
            "was_deployed": pl.when(sent).then(1).otherwise(pl.coalesce("was_deployed", was_deployed)),
            "units_sent": pl.when(pressed).then("units_sent").otherwise(own["units_sent"]),
            # An end that nobody knows is not made known by the log's own clearing, which is that of its last unit.
            "unit_seconds": pl.when(pressed).then("unit_seconds").otherwise(own["unit_seconds"]),
        }
    return incidents.select(*_KEPT, **own, grade_code=opening_grade())


def measure_service_times(incidents: pl.DataFrame, priors: pl.DataFrame) -> pl.DataFrame:
    """Measure share deployed, units and minutes a unit, by class and grade, as the table `service_times`.

    Each figure is the mean of the force's own measured incidents and of the prior, which counts as 30 incidents (as 30
    units where minutes are measured): a class with thousands of its own is what it is, one with three leans on the
    prior (a normal mean with a known number of prior observations). `priors` is a `service_times` table; its rows for
    grade 'all' and class 'all' serve where no nearer row is given. `source` says which of the two decides, and
    `incidents` on how many it was measured.
    """
    units = pl.col("units_sent").fill_null(1)
    measured = (
        evidence(incidents)
        .group_by(KEY)
        .agg(
            all=pl.len().cast(pl.Int64),
            unknown=pl.col("was_deployed").is_null().sum(),
            deployed=pl.col("was_deployed").sum(),
            with_units=((pl.col("was_deployed") == 1) & pl.col("units_sent").is_not_null()).sum(),
            units=pl.col("units_sent").filter(pl.col("was_deployed") == 1).sum(),
            timed=pl.col("unit_seconds").is_not_null().sum(),
            timed_units=pl.when(pl.col("unit_seconds").is_not_null()).then(units).sum(),
            # Whole seconds, because a sum of fractions differs with the order of adding up.
            seconds=(units * pl.col("unit_seconds")).sum(),
            squared=(units * pl.col("unit_seconds") ** 2).sum(),
        )
    )
    prior = nearest_prior(measured.select(KEY), priors)

    def shrunk(total: pl.Expr, count: pl.Expr, prior_value: str) -> pl.Expr:
        return (total + PRIOR_WEIGHT * pl.col(prior_value)) / (count + PRIOR_WEIGHT)

    # A unit's minutes, so that calls of many units, which often last longer, count by their units.
    minutes = shrunk(pl.col("seconds") / 60, pl.col("timed_units"), "minutes_per_unit")
    spread = shrunk(pl.col("squared") / 3600, pl.col("timed_units"), "prior_squared") - minutes.pow(2)
    result = (
        measured.join(prior, on=KEY, how="left")
        .with_columns(prior_squared=pl.col("minutes_per_unit").pow(2) + pl.col("sd_minutes").pow(2))
        .select(
            *KEY,
            # Where a source does not say whether a unit went, the prior stands in for each such incident, so that the
            # few that are known (information only, nobody sent) do not speak for all.
            share_deployed=shrunk(
                pl.col("deployed") + pl.col("unknown") * pl.col("share_deployed"), pl.col("all"), "share_deployed"
            ).clip(0, 1),
            units_per_deployment=shrunk(pl.col("units"), pl.col("with_units"), "units_per_deployment"),
            minutes_per_unit=minutes,
            sd_minutes=spread.clip(0).sqrt(),
            incidents=pl.when(pl.col("timed") > 0).then(pl.col("timed")).cast(pl.Int64),
            source=pl.when(pl.col("timed") >= PRIOR_WEIGHT)
            .then(pl.lit("measured"))
            .when(pl.col("timed") > 0)
            .then(pl.lit("measured, leaning on ") + pl.col("source"))
            .otherwise(pl.col("source")),
        )
    )
    return tables.publish(result, "service_times")


def nearest_prior(wanted: pl.DataFrame, priors: pl.DataFrame) -> pl.DataFrame:
    """Give each class and grade its nearest row of `priors`: its own, else the class's for all grades, else all's."""
    values = ["share_deployed", "units_per_deployment", "minutes_per_unit", "sd_minutes", "source"]
    exact = wanted.join(priors.select(*KEY, *values), on=KEY, how="left")
    for class_is_all, grade_is_all in ((False, True), (True, False), (True, True)):
        rows = priors.filter(
            (pl.col("class_code") == "all") == class_is_all, (pl.col("grade_code") == "all") == grade_is_all
        )
        if rows.is_empty():
            continue
        on = [name for name, is_all in (("class_code", class_is_all), ("grade_code", grade_is_all)) if not is_all]
        fallback = rows.select(*on, *(pl.col(value).alias(f"{value}_next") for value in values))
        exact = exact.join(fallback, on=on, how="left") if on else exact.join(fallback, how="cross")
        exact = exact.with_columns(pl.coalesce(value, f"{value}_next").alias(value) for value in values).drop(
            f"{value}_next" for value in values
        )
    return exact
