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
FROM_STATUS = ("was_deployed", "units_sent", "unit_seconds", "seconds_so_far", "write_up_seconds", "long_seconds")
# How sure the figures are.
ERRORS = ["se_share_deployed", "se_units", "se_minutes"]


def opening_grade() -> pl.Expr:
    """Give the grade that an incident was given first, which is what dispatch knew; else the one it has now."""
    return pl.coalesce("opening_grade_code", "grade_code").fill_null("none")


def evidence(incidents: pl.DataFrame) -> pl.DataFrame:
    """Say of each incident what its own times tell: `was_deployed` (null where unknown), `units_sent`, `unit_seconds`,
    `seconds_so_far`, `seconds_at_most`, `write_up_seconds` and `long_seconds`, beside its area, receipt, class, grade,
    origin and status.

    A unit was sent where a dispatch, an arrival or a unit is recorded. Where a source fills none of these for 95% of
    its rows, an empty field says nothing and `was_deployed` is null; otherwise it says that nobody went, unless the log
    is open still. A log that was closed in the second it was received was information only. `unit_seconds` is the time
    from dispatch (else arrival) to clear, a unit; null unless both ends are known and it lies between 30 seconds and a
    day. Of a log that is open still it is known to be longer than `seconds_so_far`, counted to the last clearing that
    anybody recorded, because a feed whose clearings come late knows nothing of the hours since. Of one that knows no
    clearing it is known to be at most `seconds_at_most`, from dispatch (else receipt) to closing, and no more than a
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
    begun_at, not_cleared = pl.coalesce("dispatched_at", "arrived_at"), pl.col("cleared_at").is_null()
    committed = (pl.col("cleared_at") - begun_at).dt.total_seconds()
    plausible = _is_plausible(committed)
    # A source that gives no status has left open what it has not closed.
    goes_on = not_cleared & pl.coalesce(pl.col("status") == "open", pl.col("closed_at").is_null())
    so_far = (pl.col("cleared_at").filter(plausible & sent).max() - begun_at).dt.total_seconds()
    at_most = (pl.col("closed_at") - pl.coalesce(begun_at, "received_at")).dt.total_seconds()
    own = {
        "was_deployed": was_deployed,
        "units_sent": pl.when(pl.col("units") > 0).then(pl.col("units")),
        "unit_seconds": pl.when(plausible & sent).then(committed),
        # One that has been open for longer than a day was forgotten.
        "seconds_so_far": pl.when(sent & goes_on & _is_plausible(so_far)).then(so_far),
        "seconds_at_most": pl.when(not_cleared & ~goes_on & ((was_deployed == 1) | was_deployed.is_null())).then(
            pl.when(at_most >= 0).then(at_most.clip(upper_bound=LONGEST_MINUTES * 60))
        ),
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
            "seconds_so_far": pl.when(pressed)
            .then(pl.when(_is_plausible(pl.col("seconds_so_far"))).then("seconds_so_far"))
            .otherwise(own["seconds_so_far"]),
            "seconds_at_most": pl.when(~pressed.fill_null(value=False)).then(own["seconds_at_most"]),
            "write_up_seconds": pl.when(pressed).then("write_up_seconds"),
            "long_seconds": pl.when(pressed).then("long_seconds"),
        }
    return incidents.select(*_KEPT, **own, grade_code=opening_grade())


def _is_plausible(seconds: pl.Expr) -> pl.Expr:
    return seconds.is_between(SHORTEST_MINUTES * 60, LONGEST_MINUTES * 60)


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

    **Open and closed logs.** A job that goes on still adds the time it has taken so far to the minutes and nothing to
    the number of jobs, so that long ones are not missed for being long: the mean is time on jobs over jobs finished,
    which is the estimate of highest likelihood where what is left of a job does not depend on its age (Epstein and
    Sobel 1953, Life Testing). Logs that know no more than when they were closed can't have kept a unit for longer: a
    prior that is longer than they were open on average is brought down to that.

    **How sure it is.** The squared standard errors (`se_…`) add what own incidents leave open, as the mean of so many
    of them, and what the prior leaves open, each by the weight that it has. A prior is as unsure as the mean of the 30
    incidents that it counts as, unless its own row states more or less. `common_error` is the part of the three
    squares together, each over its figure's, that all rows share: priors come from one source and are wrong together;
    what the force's own times say of their level is taken off.
    """
    measured = evidence(incidents).group_by(KEY).agg(
        all=pl.len().cast(pl.Int64),
        unknown=pl.col("was_deployed").is_null().sum(),
        deployed=pl.col("was_deployed").sum(),
        **_sums(~_is_pressed(), "logged"),
        **_sums(_is_pressed(), "pressed"),
        **_bounds(),
        write_up=pl.col("write_up_seconds").sum(),
        long=pl.col("long_seconds").sum(),
        long_squared=(pl.col("long_seconds") ** 2).sum(),
    ).sort(KEY)  # fmt: skip
    prior = nearest_prior(measured.select(KEY), priors)
    known = measured.join(_brought_down(measured, prior).drop(AFTER), on=KEY, how="left")
    # Where a source does not say whether a unit went, the prior stands in for each such incident, so that the few that
    # are known (information only, nobody sent) do not speak for all.
    leaning, seen = pl.col("unknown") + PRIOR_WEIGHT, pl.col("all") - pl.col("unknown")
    in_all = pl.col("all") + PRIOR_WEIGHT
    sent = pl.col("deployed") + leaning * pl.col("prior_share_deployed")
    # A unit's minutes, so that calls of many units, which often last longer, count by their units.
    finished = _shrunk(known, "minutes", "timed_units", "prior_minutes")
    known = known.with_columns(
        share_deployed=(sent / in_all).clip(0, 1),
        units_per_deployment=_shrunk(known, "units", "with_units", "prior_units"),
        unit_squares=_shrunk(known, "units_squared", "with_units", "prior_units_squared"),
        finished=finished,
        squares=_shrunk(known, "squared", "timed_units", "prior_squared"),
        minutes_per_unit=_shrunk(known, "all_minutes", "timed_units", "prior_minutes"),
        timed=pl.col("timed_logged") + pl.col("timed_pressed"),
    )
    share, units, minutes = (pl.col(name) for name in ("share_deployed", "units_per_deployment", "minutes_per_unit"))
    known = known.with_columns(
        # Chance leaves the square of a mean of many alike a little above the mean of their squares.
        sd_units=(pl.col("unit_squares") - units.pow(2)).clip(0).sqrt(),
        # Finished jobs are the shorter ones; how they differ, as a share of their mean, is taken for all.
        sd_minutes=(pl.col("squares") - pl.col("finished").pow(2)).clip(0).sqrt() * _over(minutes, pl.col("finished")),
    )
    known = known.with_columns(
        own_share=share * (1 - share) * seen / in_all.pow(2),
        leant_share=(leaning / in_all * pl.col("prior_se_share_deployed")).pow(2),
        common_share=(leaning / in_all * pl.col("prior_se_share_deployed")).pow(2),
        **_error(known, "units", units, pl.col("sd_units"), "with_units", "with_units"),
        **_error(known, "minutes", minutes, pl.col("sd_minutes"), "timed_units", "timed_squares"),
    )
    figures = {"share": share, "units": units, "minutes": minutes}
    wrong = {name: pl.col(f"own_{name}") + pl.col(f"leant_{name}") for name in figures}
    both = pl.sum_horizontal(_over(wrong[name], each.pow(2)) for name, each in figures.items())
    common = pl.sum_horizontal(_over(pl.col(f"common_{name}"), each.pow(2)) for name, each in figures.items())
    result = known.join(_after_calls(measured, prior), on=KEY, how="left").select(
        *KEY, share, units, minutes, "sd_minutes", "sd_units",
        **{name: each.sqrt() for name, each in zip(ERRORS, wrong.values(), strict=True)},
        common_error=_over(common, both),
        **{name: pl.col(name) for name in AFTER},
        incidents=pl.when(pl.col("timed") > 0).then("timed").cast(pl.Int64),
        source=pl.when(pl.col("timed") >= PRIOR_WEIGHT)
        .then(pl.lit("measured"))
        .when(pl.col("timed") > 0)
        .then(pl.lit("measured, leaning on ") + pl.col("source"))
        .otherwise(pl.col("source")),
    )  # fmt: skip
    return tables.publish(result, "service_times")


def _over(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole).otherwise(0.0)


def _shrunk(known: pl.DataFrame, total: str, count: str, prior: str) -> pl.Series:
    """Mean of what the status log says, leaning on that of the other logs, which leans on the prior."""
    found = known[prior]
    for whose in ("logged", "pressed"):
        seen, of = known[f"{total}_{whose}"], known[f"{count}_{whose}"]
        found = _leaning(seen, of, _levelled(found, seen, of))
    return found


def _error(
    known: pl.DataFrame, name: str, figure: pl.Expr, sd: pl.Expr, count: str, squares: str
) -> dict[str, pl.Expr]:
    """Give the squared standard error of what `_shrunk` gives: the part of its own incidents, that of the prior, and
    what of this all rows have in common.

    `squares` are the sums of the squares of what `count` counts, because the units at one incident stay for as long as
    each other and tell no more than one.
    """
    own, prior = pl.lit(0.0), (figure * pl.col(f"prior_error_{name}")).pow(2)
    for whose in ("logged", "pressed"):
        of = pl.col(f"{count}_{whose}") + PRIOR_WEIGHT
        own = own * (PRIOR_WEIGHT / of).pow(2) + sd.pow(2) * pl.col(f"{squares}_{whose}") / of.pow(2)
        prior = prior * (PRIOR_WEIGHT / of).pow(2)
    seen = _sum(known[f"{count}_logged"]) + _sum(known[f"{count}_pressed"])
    in_common = LEVEL_WEIGHT / (LEVEL_WEIGHT + seen)
    return {f"own_{name}": own, f"leant_{name}": prior, f"common_{name}": prior * in_common}


def _brought_down(measured: pl.DataFrame, prior: pl.DataFrame) -> pl.DataFrame:
    """Name the priors' figures `prior_…`, with their errors, and bring minutes down to what closed logs allow."""
    share, units, minutes = (pl.col(name) for name in ("share_deployed", "units_per_deployment", "minutes_per_unit"))
    # Logs of which nobody knows whether a unit went count for the share to which one does.
    bounded = pl.col("bounded_sent") + pl.col("bounded_unknown") * share
    at_most = (pl.col("bound_minutes") + PRIOR_WEIGHT * minutes) / (bounded + PRIOR_WEIGHT)
    shorter = pl.min_horizontal(minutes, at_most)
    # Each unit beyond the first comes by chance, where nobody says how units differ.
    sd_units = pl.coalesce("sd_units", (units - 1).clip(0).sqrt())
    sd_minutes = pl.coalesce("sd_minutes", minutes)
    weight = PRIOR_WEIGHT**0.5
    return prior.join(measured.select(*KEY, *_BOUNDS), on=KEY, how="left").select(
        *KEY, *AFTER, "source",
        prior_share_deployed=share,
        prior_units=units,
        prior_units_squared=units.pow(2) + sd_units.pow(2),
        prior_minutes=shorter,
        prior_squared=shorter.pow(2) * (1 + _over(sd_minutes, minutes).pow(2)),
        prior_se_share_deployed=pl.coalesce("se_share_deployed", (share * (1 - share)).sqrt() / weight),
        prior_error_units=_over(pl.coalesce("se_units", sd_units / weight), units),
        prior_error_minutes=_over(pl.coalesce("se_minutes", sd_minutes / weight), minutes),
    )  # fmt: skip


def _levelled(prior: pl.Series, total: pl.Series, count: pl.Series) -> pl.Series:
    """Priors moved together to the level of the force's other rows, as if `LEVEL_WEIGHT` more had been at their own."""
    some, asked = LEVEL_WEIGHT * _mean(prior), count * prior
    return prior * _ratio(_sum(total) - total + some, _sum(asked) - asked + some)


def _leaning(total: pl.Series, count: pl.Series, prior: pl.Series, level_weight: int = LEVEL_WEIGHT) -> pl.Series:
    """Mean of each row, with a prior that counts as `PRIOR_WEIGHT`.

    Leaning moves the sum of all rows, which is known better than any of them: they are moved back together, as if
    `level_weight` more had fitted.
    """
    leant = (total + PRIOR_WEIGHT * prior) / (count + PRIOR_WEIGHT)
    some = level_weight * _mean(leant)
    expected = _sum(count * leant) + some
    return leant * ((_sum(total) + some) / expected if expected > 0 else 1.0)


def _sum(values: pl.Series) -> float:
    return float(values.sum())


def _mean(values: pl.Series) -> float:
    return float(values.mean() or 0.0)  # type: ignore[arg-type]


def _ratio(part: pl.Series, whole: pl.Series) -> pl.Series:
    """Divide; one where there is nothing to divide by."""
    shares = pl.DataFrame({"part": part, "whole": whole})
    return shares.select(pl.when(pl.col("whole") > 0).then(pl.col("part") / pl.col("whole")).otherwise(1.0)).to_series()


def _is_pressed() -> pl.Expr:
    """Say whether the status log knows of the units at an incident."""
    return pl.col("long_seconds").is_not_null()


def _sums(those: pl.Expr, whose: str) -> dict[str, pl.Expr]:
    """Sum units and times over some of the incidents, as `name_whose`."""
    units = pl.col("units_sent").fill_null(1)
    is_timed = those & pl.col("unit_seconds").is_not_null()
    knows_units = those & (pl.col("was_deployed") == 1) & pl.col("units_sent").is_not_null()
    # Whole seconds, because a sum of fractions differs with the order of adding up.
    finished = (units * pl.col("unit_seconds")).filter(is_timed).sum()
    sums = {
        "with_units": knows_units.sum(),
        "units": pl.col("units_sent").filter(knows_units).sum(),
        "units_squared": (pl.col("units_sent") ** 2).filter(knows_units).sum(),
        "timed": is_timed.sum(),
        "timed_units": units.filter(is_timed).sum(),
        "timed_squares": (units**2).filter(is_timed).sum(),
        "minutes": finished / 60,
        "all_minutes": (finished + (units * pl.col("seconds_so_far")).filter(those).sum()) / 60,
        "squared": (units * pl.col("unit_seconds") ** 2).filter(is_timed).sum() / 3600,
    }
    return {f"{name}_{whose}": total for name, total in sums.items()}


_BOUNDS = ("bounded_sent", "bounded_unknown", "bound_minutes")


def _bounds() -> dict[str, pl.Expr]:
    """Sum how long logs were open that know no more than when they were closed."""
    bound, is_known = pl.col("seconds_at_most"), pl.col("was_deployed") == 1
    sums = (
        (bound.is_not_null() & is_known).sum(),
        (bound.is_not_null() & pl.col("was_deployed").is_null()).sum(),
        bound.sum() / 60,
    )
    return dict(zip(_BOUNDS, sums, strict=True))


def _after_calls(measured: pl.DataFrame, prior: pl.DataFrame) -> pl.DataFrame:
    """Give what deployments lead to when the call itself is done: the columns `AFTER`, by class and grade.

    How long a long commitment goes on from a moment in it is its mean square over twice its mean: the mean of what is
    left of an interval into which a moment falls (Cox 1962, Renewal Theory).
    """
    sums = measured.select(pl.col("with_units_pressed", "write_up", "long", "long_squared").sum()).row(0, named=True)
    pressed = sums["with_units_pressed"]
    if not pressed:
        return prior.select(*KEY, *AFTER)
    beside = measured.join(prior, on=KEY, how="left")

    def mean_of(name: str, stated: pl.Series) -> pl.Series:
        leant_on = (stated * 60).fill_null(sums[name] / pressed)
        # What they lean on is the force's own: nothing speaks against the sum of all.
        return _leaning(beside[name], beside["with_units_pressed"], leant_on, level_weight=0) / 60

    return beside.select(
        *KEY,
        write_up_minutes=mean_of("write_up", beside["write_up_minutes"]),
        long_minutes=mean_of("long", beside["long_minutes"]),
        squared=mean_of("long_squared", pl.repeat(None, beside.height, dtype=pl.Float64, eager=True)),
    ).select(
        *KEY, "write_up_minutes", "long_minutes",
        long_stay_minutes=pl.when(pl.col("long_minutes") > 0).then(
            pl.col("squared") / 60 / (2 * pl.col("long_minutes"))
        ),
    )  # fmt: skip


def nearest_prior(wanted: pl.DataFrame, priors: pl.DataFrame) -> pl.DataFrame:
    """Give each class and grade its nearest row of `priors`: its own, else the class's for all grades, else all's."""
    values = [
        "share_deployed", "units_per_deployment", "minutes_per_unit", "sd_minutes", "sd_units", *ERRORS, *AFTER,
        "source",
    ]  # fmt: skip
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
