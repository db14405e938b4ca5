"""Suppressed demand: what was asked for and never became an incident, or never got the visit that such incidents get.

Three kinds are estimated, each as a range, by local week:

- `abandoned`: callers whom nobody answered, and `unanswered`: messages that nobody opened. Tries of one caller within a
  day are one, and one that was answered within a day after its last try (on any channel, or by a log that names the
  caller) is none. Each counts as the share of an incident that answered contacts of its channel and hour make.
- `nobody_sent`: logs that were closed without anybody sent although their class and grade nearly always get a unit.

What nobody wrote down is not known: who would have called and did not, and what a caller wanted whom nobody answered.
So the low end counts what is hard to explain otherwise, and the high end all that is possible.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta

import polars as pl

from bluelamp import periods, tables
from bluelamp.incidents.contacts import LEAST_ANSWERED, PRIOR_WEIGHT
from bluelamp.incidents.demand import ask_of_each
from bluelamp.incidents.service_times import KEY, nearest_prior

WEEKS = 52
# One matter of one caller: within a day they ring again, or it was not pressing, or somebody else came.
AGAIN_HOURS = 24
# A message that nobody opened for three days is not going to be.
DECIDED_HOURS = 72
# Who hangs up before a call can have been answered in time dialled by mistake as often as not.
SHORT_SECONDS = 10
# A class and grade with this share of its incidents attended is one to which somebody is normally sent.
NORMALLY_SENT = 0.8
# A closing code with hardly any attended incident says that not sending was decided: 'resolved by telephone'.
DECIDED_CODE = 0.02
# Of those that were attended, so many had their first unit sent sooner.
LATE_QUANTILE = 0.95
_MESSAGES = ("online",)
_BOUNDS = ("low", "mean", "high")


def find_suppressed(
    incidents: pl.DataFrame,
    contacts: pl.DataFrame,
    service_times: pl.DataFrame,
    until: datetime,
    time_zone: str,
    *,
    origins: Collection[str],
    crew_size_by_hour: Sequence[int] = (1,) * 24,
) -> pl.DataFrame:
    """Estimate suppressed demand in the 52 local weeks before `until`, as the table `suppressed`.

    `incidents` without the merged ones, with what the status log says where there is one; only those of `origins` make
    demand. A week is told when it has passed for three days, because calls may still be answered before. Channels whose
    source does not say whether contacts were answered give no rows, and neither do sources that do not say whether a
    unit was sent.
    """
    since = until - timedelta(weeks=WEEKS + 1)
    incidents = incidents.filter(pl.col("received_at") >= since)
    contacts = contacts.filter(pl.col("contacted_at") >= since, pl.col("contacted_at") < until)
    asked = ask_of_each(incidents, service_times, time_zone, crew_size_by_hour).hstack(
        incidents.select("incident_id", "dispatched_at", "closed_at", "disposition_code", caller="caller_token")
    )
    drives = pl.col("origin").is_in(list(origins))
    decided = until - timedelta(hours=DECIDED_HOURS)
    unanswered = _never_answered(contacts, asked, drives, time_zone)
    unsent = _nobody_sent(asked.filter(drives), service_times, time_zone, crew_size_by_hour)
    found = (
        pl.concat(
            [
                _by_week(unanswered, contacts["contacted_at"], decided, time_zone),
                _by_week(unsent, incidents["received_at"], decided, time_zone),
            ]
        )
        .group_by("kind", "channel", "week_starting")
        .agg(counted=pl.len().cast(pl.Int64), **{name: _whole_sum(name) for name in _RANGES})
    )
    return tables.publish(found, "suppressed")


_RANGES = [f"{what}_{bound}" for what in ("incidents", "officer_hours") for bound in _BOUNDS]
_ROW = ["kind", "channel", "at", *_RANGES]


def _whole_sum(name: str) -> pl.Expr:
    """Sum whole millionths, because sums of fractions differ with the order of adding up; unknown if one of them is."""
    total = (pl.col(name) * 1_000_000).round().cast(pl.Int64).sum() / 1_000_000
    return pl.when(pl.col(name).is_not_null().all()).then(total)


def _by_week(rows: pl.DataFrame, source: pl.Series, decided: datetime, time_zone: str) -> pl.DataFrame:
    """Give rows the local week that they lie in: a whole one of their source, from its first row on, and decided."""
    zone, first = periods.zone(time_zone), source.min()
    mondays: list[date] = []
    if isinstance(first, datetime):
        begin, end = first.astimezone(zone).date(), decided.astimezone(zone).date()
        begin += timedelta(days=-begin.weekday() % 7)
        end -= timedelta(days=end.weekday())
        begin = max(begin, end - timedelta(weeks=WEEKS))
        mondays = [begin + timedelta(weeks=number) for number in range(max((end - begin).days // 7, 0))]
    weeks = pl.DataFrame(
        {"monday": mondays, "week_starting": [_midnight(monday, time_zone) for monday in mondays]},
        schema={"monday": pl.Date, "week_starting": periods.INSTANT},
    )
    day = pl.col("at").dt.convert_time_zone(time_zone).dt.date()
    return rows.with_columns(monday=day - pl.duration(days=day.dt.weekday() - 1)).join(weeks, on="monday")


def _midnight(day: date, time_zone: str) -> datetime:
    found: datetime = periods.local_days(time_zone, day, day)["starts_at"][0]
    return found


# ---- contacts that nobody answered ----


def _never_answered(contacts: pl.DataFrame, asked: pl.DataFrame, drives: pl.Expr, time_zone: str) -> pl.DataFrame:
    """Give the callers whom nobody answered, and what each may have been: a row a caller and matter, of those without
    a token a row a call.
    """
    says = contacts.group_by("channel").agg(share=pl.col("answered_at").is_not_null().mean())
    known = says.filter(pl.col("share") >= LEAST_ANSWERED)["channel"].sort()
    tried = _with_reach(contacts, asked)
    worth = _worth_of_hours(tried, contacts, asked.filter(drives), time_zone)
    lost = tried.filter(
        ~pl.col("is_reached"),
        pl.col("channel").is_in(known.implode()),
        pl.col("later").is_null() | (pl.col("later") - pl.col("at") > _again()),
    )
    named, nameless = lost.filter(pl.col("caller").is_not_null()), lost.filter(pl.col("caller").is_null())
    chains = (
        named.sort("caller", "at")
        .with_columns(is_first=(pl.col("at") - pl.col("at").shift(1).over("caller") > _again()).fill_null(value=True))
        .with_columns(chain=pl.col("is_first").cum_sum())
        .group_by("chain", maintain_order=True)
        .agg(pl.col("at", "channel", "is_fresh").first(), tries=pl.len(), is_long=pl.col("is_long").any())
    )
    message = pl.col("channel").is_in(list(_MESSAGES))
    meant = pl.col("is_fresh") & (pl.col("is_long") | message)
    chains = chains.with_columns(
        low=(meant & (message | (pl.col("tries") > 1))).cast(pl.Float64), mean=meant.cast(pl.Float64)
    )
    # Of those without a token, as many callers a call as of the others; where there are no others, nobody knows.
    each = float(chains["mean"].sum()) / named.height if named.height else None
    alone = nameless.select("at", "channel", low=pl.lit(0.0), mean=pl.lit(each, dtype=pl.Float64))
    of_each = pl.concat([chains.select("at", "channel", "low", "mean"), alone])
    shares = {"low": pl.col("low") * pl.col("opens"), "mean": pl.col("mean") * pl.col("opens"), "high": pl.col("joins")}
    return (
        of_each.with_columns(hour=pl.col("at").dt.convert_time_zone(time_zone).dt.hour())
        .join(worth, on=["channel", "hour"])
        .with_columns(
            kind=pl.when(message).then(pl.lit("unanswered")).otherwise(pl.lit("abandoned")),
            **{f"incidents_{bound}": share for bound, share in shares.items()},
            **{f"officer_hours_{bound}": share * pl.col("hours_each") for bound, share in shares.items()},
        )
        .select(_ROW)
    )


def _again() -> pl.Expr:
    return pl.duration(hours=AGAIN_HOURS)


def _with_reach(contacts: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Say of each contact whether somebody was reached by it, and when its caller was reached before and after.

    A log that names the caller reaches them, too, and so does a contact that joined a log, answered or not.
    """
    tried = contacts.select(
        "contact_id",
        "channel",
        "incident_id",
        at="contacted_at",
        caller="caller_token",
        is_reached=pl.col("answered_at").is_not_null() | pl.col("incident_id").is_not_null(),
        is_long=((pl.col("ended_at") - pl.col("contacted_at")).dt.total_seconds() >= SHORT_SECONDS).fill_null(
            value=True
        ),
    )
    logged = asked.filter(pl.col("caller").is_not_null()).select(
        at="received_at", caller="caller", is_reached=pl.lit(value=True)
    )
    reached_at = pl.when("is_reached").then("at")
    both = pl.concat([tried, logged], how="diagonal").sort("caller", "at", "contact_id", nulls_last=True)
    told = both.with_columns(
        later=pl.when(pl.col("caller").is_not_null()).then(reached_at.shift(-1).backward_fill().over("caller")),
        earlier=pl.when(pl.col("caller").is_not_null()).then(reached_at.shift(1).forward_fill().over("caller")),
    )
    return told.filter(pl.col("contact_id").is_not_null()).with_columns(
        is_fresh=(pl.col("at") - pl.col("earlier") > _again()).fill_null(value=True)
    )


def _worth_of_hours(tried: pl.DataFrame, contacts: pl.DataFrame, driving: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    """Give what an answered contact of each channel and local hour makes: `opens` the share that is the first of a new
    incident, `joins` the share that belongs to any, `hours_each` the officer-hours of an incident so opened.

    An hour leans on its channel, and a channel's officer-hours on those of all, as if on 30 of their own.
    """
    first = (
        contacts.drop_nulls("incident_id")
        .sort("contacted_at", "contact_id")
        .unique("incident_id", keep="first", maintain_order=True)
        .select("contact_id", "incident_id")
        .join(driving.select("incident_id", seconds="officer_seconds_asked"), on="incident_id")
        .drop("incident_id")
    )
    answered = (
        tried.filter("is_reached", "is_fresh")
        .join(first, on="contact_id", how="left")
        .select("channel", "seconds", "incident_id", hour=pl.col("at").dt.convert_time_zone(time_zone).dt.hour())
    )
    opened = pl.col("seconds").is_not_null().sum()
    sums = {"number": pl.len(), "opened": opened, "joined": pl.col("incident_id").is_not_null().sum()}
    of_channel = answered.group_by("channel").agg(**sums, seconds=pl.col("seconds").sum())
    usual = of_channel.select(pl.col("seconds").sum() / pl.max_horizontal(pl.col("opened").sum(), 1)).item()
    of_channel = of_channel.select(
        "channel",
        opens_usually=pl.col("opened") / pl.col("number"),
        joins_usually=pl.col("joined") / pl.col("number"),
        hours_each=(pl.col("seconds") + PRIOR_WEIGHT * (usual or 0.0)) / (pl.col("opened") + PRIOR_WEIGHT) / 3600,
    )
    hours = pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int8})
    return (
        of_channel.join(hours, how="cross")
        .join(answered.group_by("channel", "hour").agg(**sums), on=["channel", "hour"], how="left")
        .with_columns(pl.col("number", "opened", "joined").fill_null(0))
        .select(
            "channel",
            "hour",
            "hours_each",
            opens=(pl.col("opened") + PRIOR_WEIGHT * pl.col("opens_usually")) / (pl.col("number") + PRIOR_WEIGHT),
            joins=(pl.col("joined") + PRIOR_WEIGHT * pl.col("joins_usually")) / (pl.col("number") + PRIOR_WEIGHT),
        )
    )


# ---- logs to which nobody was sent ----


def _nobody_sent(
    asked: pl.DataFrame, service_times: pl.DataFrame, time_zone: str, crew_size_by_hour: Sequence[int]
) -> pl.DataFrame:
    """Give the logs to which somebody is normally sent and nobody was, and what of each counts.

    All of them are possible. Where the closing code is one that is hardly ever given to an attended log, not sending
    was decided. Of the others, those that stood open longer than nearly all that were attended waited for their unit
    are held against how many of the decided ones did: what is beyond that is likely, and beyond two standard deviations
    of chance it is hard to explain otherwise. Where no code says that it was decided, there is nothing to hold them
    against, and none is likely.
    """
    was_sent, waited = pl.col("was_deployed") == 1, pl.col("dispatched_at") - pl.col("received_at")
    closed = asked.filter(pl.col("closed_at").is_not_null())
    codes = (
        closed.drop_nulls(["disposition_code", "was_deployed"]).group_by("disposition_code").agg(sent=was_sent.mean())
    )
    decided = codes.filter(pl.col("sent") < DECIDED_CODE)["disposition_code"]
    late = asked.filter(was_sent).group_by(KEY).agg(late=waited.quantile(LATE_QUANTILE, "higher"))
    usual = nearest_prior(asked.select(KEY).unique(), service_times)
    crew = pl.DataFrame({"hour": range(24), "crew_size": list(crew_size_by_hour)}, schema_overrides={"hour": pl.Int8})
    stood = pl.col("closed_at") - pl.col("received_at")
    unsent = (
        closed.filter(pl.col("was_deployed") == 0, stood > pl.duration(seconds=0))
        .join(usual.filter(pl.col("share_deployed") >= NORMALLY_SENT), on=KEY)
        .join(late, on=KEY, how="left")
        .with_columns(hour=pl.col("received_at").dt.convert_time_zone(time_zone).dt.hour())
        .join(crew, on="hour")
        .with_columns(
            hours=pl.col("units_per_deployment") * pl.col("minutes_per_unit") / 60 * pl.col("crew_size"),
            is_decided=pl.col("disposition_code").is_in(decided.implode()).fill_null(value=False),
            is_late=(stood > pl.col("late")).fill_null(value=False),
        )
    )
    low, mean = _beyond_decided(unsent)
    weight = {
        bound: pl.when(pl.col("is_late") & ~pl.col("is_decided")).then(part).otherwise(0.0)
        for bound, part in (("low", low), ("mean", mean))
    } | {"high": pl.lit(1.0)}
    return unsent.select(
        kind=pl.lit("nobody_sent"),
        channel=pl.lit("log"),
        at="received_at",
        **{f"incidents_{bound}": weight[bound] for bound in _BOUNDS},
        **{f"officer_hours_{bound}": weight[bound] * pl.col("hours") for bound in _BOUNDS},
    ).select(_ROW)


def _beyond_decided(unsent: pl.DataFrame) -> tuple[float, float]:
    """Give the parts of late logs, not decided, that are hard to explain otherwise, and that are likely."""
    is_late, is_decided = (unsent[name].to_numpy() for name in ("is_late", "is_decided"))
    others, late = int((~is_decided).sum()), int((is_late & ~is_decided).sum())
    if not late or not is_decided.any():
        return 0.0, 0.0
    usual = (int((is_late & is_decided).sum()) + 1) / (int(is_decided.sum()) + 2)
    # If some were given up, the others of them were decided, and as often late as the decided ones.
    beyond, chance = late - usual * others, (usual * (1 - usual) * others) ** 0.5
    low, mean = (min(max(each, 0.0) / (1 - usual) / late, 1.0) for each in (beyond - 2 * chance, beyond))
    return low, mean
