"""What an incident of each class and grade asks for: the force's own times, shrunk to a prior where they are few."""

from __future__ import annotations

import polars as pl

from bluelamp import tables

# A class and grade with fewer measured incidents than this leans on its prior as if on so many of its own.
PRIOR_WEIGHT = 30
LEVEL_WEIGHT = 300
LONGEST_MINUTES = 24 * 60
SHORTEST_MINUTES = 0.5
KEY = ["class_code", "grade_code"]
# What a deployment leads to when the call itself is done.
AFTER = ["write_up_minutes", "long_minutes", "long_stay_minutes"]
# What counting needs beside; the rest of an incident (texts, points) would only take memory.
_KEPT = ["area_id", "received_at", "class_code", "origin", "status"]
# What a status log says of an incident, where it was joined on: who pressed knows better than the log's own times.
FROM_STATUS = ("was_deployed", "units_sent", "unit_seconds", "write_up_seconds", "long_seconds")


def opening_grade() -> pl.Expr:
    """Give the grade that an incident was given first, which is what dispatch knew; else the one it has now."""
    return pl.coalesce("opening_grade_code", "grade_code").fill_null("none")


def evidence(incidents: pl.DataFrame) -> pl.DataFrame:
    """Say of each incident what its own times tell: `was_deployed` (null where unknown), `units_sent`, `unit_seconds`,
    `write_up_seconds` and `long_seconds`, beside its area, receipt, class, grade, origin and status.

    A unit was sent where a dispatch, an arrival or a unit is recorded. Where a source fills none of these for 95 % of
    its rows, an empty field says nothing and `was_deployed` is null; otherwise it says that nobody went, unless the log
    is open still. A log that was closed in the second it was received was information only. `unit_seconds` is the time
    from dispatch (else arrival) to clear, a unit; null unless both ends are known and it lies between 30 seconds and a
    day.

    Where the frame has the columns of `FROM_STATUS` (from the status log), they are preferred, incident by incident: an
    incident that they say nothing of has what its own times tell, and one to which they know of nobody being sent was
    attended all the same where its own times say so. Write-up and long commitments are known from there alone; they are
    those of all units together. The grade is the opening one.
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
        "write_up_seconds": pl.lit(None, dtype=pl.Int64),
        "long_seconds": pl.lit(None, dtype=pl.Int64),
    }
    if set(FROM_STATUS) <= set(incidents.columns):
        pressed = pl.col("was_deployed") == 1
        own = {
            "was_deployed": pl.when(sent).then(1).otherwise(pl.coalesce("was_deployed", was_deployed)),
            "units_sent": pl.when(pressed).then("units_sent").otherwise(own["units_sent"]),
            # An end that nobody knows is not made known by the log's own clearing, which is that of its last unit.
            "unit_seconds": pl.when(pressed).then("unit_seconds").otherwise(own["unit_seconds"]),
            "write_up_seconds": pl.when(pressed).then("write_up_seconds"),
            "long_seconds": pl.when(pressed).then("long_seconds"),
        }
    return incidents.select(*_KEPT, **own, grade_code=opening_grade())


def measure_service_times(incidents: pl.DataFrame, priors: pl.DataFrame) -> pl.DataFrame:
    """Measure share deployed, units and minutes a unit, by class and grade, as the table `service_times`.

    Each figure is the mean of the force's own measured incidents and of the prior, which counts as 30 incidents (as 30
    units where minutes are measured): a class with thousands of its own is what it is, one with three leans on the
    prior (a normal mean with a known number of prior observations). Of units and minutes the prior gives how classes
    differ, and the force's other classes how high they lie (as if 300 had been at the prior's own level), so that the
    many classes with few incidents do not draw the whole force to somebody else's. `priors` is a `service_times` table;
    its rows for grade 'all' and class 'all' serve where no nearer row is given. Write-up and long commitments are
    measured where a status log tells of them; the mean of all the force's deployments is their prior where `priors` has
    none. `source` says which of the two decides, and `incidents` on how many it was measured.
    """
    measured = evidence(incidents).group_by(KEY).agg(
        all=pl.len().cast(pl.Int64),
        unknown=pl.col("was_deployed").is_null().sum(),
        deployed=pl.col("was_deployed").sum(),
        **_sums(~_is_pressed(), "logged"),
        **_sums(_is_pressed(), "pressed"),
        write_up=pl.col("write_up_seconds").sum(),
        long=pl.col("long_seconds").sum(),
        long_squared=(pl.col("long_seconds") ** 2).sum(),
    ).sort(KEY)  # fmt: skip
    prior = nearest_prior(measured.select(KEY), priors).with_columns(
        squared=pl.col("minutes_per_unit").pow(2) + pl.col("sd_minutes").pow(2)
    )

    def shrunk(total: str, count: str, prior_value: str) -> pl.Expr:
        """Mean of what the status log says, leaning on that of the other logs, which leans on the prior."""
        found = pl.col(prior_value)
        for whose in ("logged", "pressed"):
            seen, of = pl.col(f"{total}_{whose}"), pl.col(f"{count}_{whose}")
            found = _leaning(seen, of, _levelled(found, seen, of))
        return found

    # A unit's minutes, so that calls of many units, which often last longer, count by their units.
    minutes = shrunk("minutes", "timed_units", "minutes_per_unit")
    # Where a source does not say whether a unit went, the prior stands in for each such incident, so that the few that
    # are known (information only, nobody sent) do not speak for all.
    sent = pl.col("deployed") + (pl.col("unknown") + PRIOR_WEIGHT) * pl.col("share_deployed")
    timed = pl.col("timed_logged") + pl.col("timed_pressed")
    result = (
        measured.join(prior.drop(AFTER), on=KEY, how="left")
        .join(_after_calls(measured, prior), on=KEY, how="left")
        .select(
            *KEY,
            share_deployed=(sent / (pl.col("all") + PRIOR_WEIGHT)).clip(0, 1),
            units_per_deployment=shrunk("units", "with_units", "units_per_deployment"),
            minutes_per_unit=minutes,
            sd_minutes=(shrunk("squared", "timed_units", "squared") - minutes.pow(2)).clip(0).sqrt(),
            **{name: pl.col(name) for name in AFTER},
            incidents=pl.when(timed > 0).then(timed).cast(pl.Int64),
            source=pl.when(timed >= PRIOR_WEIGHT)
            .then(pl.lit("measured"))
            .when(timed > 0)
            .then(pl.lit("measured, leaning on ") + pl.col("source"))
            .otherwise(pl.col("source")),
        )
    )
    return tables.publish(result, "service_times")


def _levelled(prior: pl.Expr, total: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Priors moved together to the level of the force's other rows, as if `LEVEL_WEIGHT` more had been at their own."""
    some, asked = LEVEL_WEIGHT * prior.mean(), count * prior
    expected = asked.sum() - asked + some
    return prior * pl.when(expected > 0).then((total.sum() - total + some) / expected).otherwise(1.0)


def _leaning(total: pl.Expr, count: pl.Expr, prior: pl.Expr, level_weight: int = LEVEL_WEIGHT) -> pl.Expr:
    """Mean of each row, with a prior that counts as `PRIOR_WEIGHT`.

    Leaning moves the sum of all rows, which is known better than any of them: they are moved back together, as if
    `level_weight` more had fitted.
    """
    leant = (total + PRIOR_WEIGHT * prior) / (count + PRIOR_WEIGHT)
    some = level_weight * leant.mean()
    expected = (count * leant).sum() + some
    return leant * pl.when(expected > 0).then((total.sum() + some) / expected).otherwise(1.0)


def _is_pressed() -> pl.Expr:
    """Say whether the status log knows of the units at an incident."""
    return pl.col("long_seconds").is_not_null()


def _sums(those: pl.Expr, whose: str) -> dict[str, pl.Expr]:
    """Sum units and times over some of the incidents, as `name_whose`."""
    units = pl.col("units_sent").fill_null(1)
    is_timed = those & pl.col("unit_seconds").is_not_null()
    knows_units = those & (pl.col("was_deployed") == 1) & pl.col("units_sent").is_not_null()
    # Whole seconds, because a sum of fractions differs with the order of adding up.
    sums = {
        "with_units": knows_units.sum(),
        "units": pl.col("units_sent").filter(knows_units).sum(),
        "timed": is_timed.sum(),
        "timed_units": units.filter(is_timed).sum(),
        "minutes": (units * pl.col("unit_seconds")).filter(is_timed).sum() / 60,
        "squared": (units * pl.col("unit_seconds") ** 2).filter(is_timed).sum() / 3600,
    }
    return {f"{name}_{whose}": total for name, total in sums.items()}


def _after_calls(measured: pl.DataFrame, prior: pl.DataFrame) -> pl.DataFrame:
    """Give what deployments lead to when the call itself is done: the columns `AFTER`, by class and grade.

    How long a long commitment goes on from a moment in it is its mean square over twice its mean: the mean of what is
    left of an interval into which a moment falls (Cox 1962, Renewal Theory).
    """
    sums = measured.select(pl.col("with_units_pressed", "write_up", "long", "long_squared").sum()).row(0, named=True)
    pressed = sums["with_units_pressed"]
    if not pressed:
        return prior.select(*KEY, *AFTER)
    usual = {name: sums[name] / pressed for name in ("write_up", "long", "long_squared")}

    def mean_of(name: str, prior_minutes: pl.Expr) -> pl.Expr:
        leant_on = pl.coalesce(prior_minutes * 60, pl.lit(usual[name]))
        # What they lean on is the force's own: nothing speaks against the sum of all.
        return _leaning(pl.col(name), pl.col("with_units_pressed"), leant_on, level_weight=0) / 60

    long, squared = mean_of("long", pl.col("long_minutes")), mean_of("long_squared", pl.lit(None, dtype=pl.Float64))
    return measured.join(prior, on=KEY, how="left").select(
        *KEY,
        write_up_minutes=mean_of("write_up", pl.col("write_up_minutes")),
        long_minutes=long,
        long_stay_minutes=pl.when(long > 0).then(squared / 60 / (2 * long)),
    )


def nearest_prior(wanted: pl.DataFrame, priors: pl.DataFrame) -> pl.DataFrame:
    """Give each class and grade its nearest row of `priors`: its own, else the class's for all grades, else all's."""
    values = ["share_deployed", "units_per_deployment", "minutes_per_unit", "sd_minutes", *AFTER, "source"]
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
