"""Contacts to demand on the control room: counts by channel and local hour, how an hour falls into quarters, and how
long an answered contact takes.

Small numbers lean on what they are part of. How an hour of the week falls into quarters leans on how that hour of the
day does in its channel, and that on four equal quarters; how far they lean is found from the counts themselves, by how
much more the quarters differ than chance would make them (the Dirichlet-multinomial's moments: Mosimann 1962,
Biometrika 49, 65-82). Minutes and shares of an hour of the day lean on their channel as if on 30 contacts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods, tables

Floats = NDArray[np.float64]
SLOTS = 168
PRIOR_WEIGHT = 30
# A contact that was dealt with for longer was left open on a screen.
LONGEST_MINUTES = 240
# A channel whose source says so of fewer contacts does not record whether they were answered.
LEAST_ANSWERED = 0.05
# Of fewer who gave up, how long callers wait before they do is not told.
LEAST_GIVEN_UP = 30
# How long contacts take, and how many are not answered, is that of the last year: control rooms change.
RECENT_DAYS = 365


@dataclass(frozen=True)
class CountedContacts:
    """What the past says of contacts; channels in the order of `channels`, hours of the week from Monday 00:00 local.

    `demand` has the columns of that table: what a forecaster learns from. A channel stands for a class there, so that
    holidays and seasons change each in its own way, and for a place, so that its days and hours stray in their own way;
    `places` has the columns of `areas`.
    """

    channels: list[str]
    demand: pl.DataFrame
    places: pl.DataFrame
    quarter_shares: Floats  # channels × 168 × 4: the part of an hour's contacts in each of its quarters
    handling_minutes: Floats  # channels × 24 hours of the day: answered to ended, of an answered one; NaN where unknown
    share_abandoned: Floats  # channels × 24: not answered, of all; NaN where the source does not say
    patience_minutes: Floats  # channels: what callers wait on average before they give up; NaN where unknown


def count_contacts(contacts: pl.DataFrame, time_zone: str, outages: pl.DataFrame) -> CountedContacts:
    """Count contacts by channel and local hour, and say what an hour of each is made of.

    What lies in `outages` counts in `demand`, where a forecaster masks it, and in nothing else. Minutes and answers are
    those of the last year. Nothing is needed but `contacted_at` and `channel`; `answered_at` and `ended_at` are used as
    far as they are filled.
    """
    channels = contacts["channel"].unique().sort().to_list()
    if not channels:
        nothing = np.zeros((0, 24))
        no_shares = np.zeros((0, SLOTS, 4))
        none = np.zeros(0)
        return CountedContacts([], tables.empty("demand"), tables.empty("areas"), no_shares, nothing, nothing, none)
    first, last = contacts["contacted_at"].min(), contacts["contacted_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    day = timedelta(days=1)
    local = pl.col("contacted_at").dt.convert_time_zone(time_zone)
    answered, took = (
        pl.col("answered_at").is_not_null(),
        (pl.col("ended_at") - pl.col("answered_at")).dt.total_seconds(),
    )
    waited = (pl.coalesce("answered_at", "ended_at") - pl.col("contacted_at")).dt.total_seconds()
    counted = contacts.select(
        channel=pl.col("channel").replace_strict(channels, range(len(channels)), return_dtype=pl.Int64),
        hour_starting=periods.hour_starting(pl.col("contacted_at"), time_zone, first - day, last + day),
        hour=local.dt.hour().cast(pl.Int64),
        slot=(local.dt.weekday().cast(pl.Int64) - 1) * 24 + local.dt.hour(),
        quarter=local.dt.minute().cast(pl.Int64) // 15,
        is_answered=answered,
        seconds=pl.when(took.is_between(0, LONGEST_MINUTES * 60)).then(took),
        waited=pl.when(waited.is_between(0, LONGEST_MINUTES * 60)).then(waited),
    )
    believed = counted.filter(_outside(counted["hour_starting"], outages))
    recent = believed.filter(pl.col("hour_starting") > last - timedelta(days=RECENT_DAYS))
    return CountedContacts(
        channels=channels,
        demand=_as_demand(counted, channels),
        places=tables.publish(
            pl.DataFrame({"area_id": channels}).with_columns(
                parent_id="area_id", level=pl.lit("area"), kind=pl.lit("all"), is_approximate=pl.lit(value=False)
            ),
            "areas",
        ),
        quarter_shares=_share_out(_tally(believed, channels, (SLOTS, 4), "slot", "quarter")),
        handling_minutes=_handling(recent, channels),
        share_abandoned=_abandoned(recent, channels),
        patience_minutes=_patience(recent, channels),
    )


def _as_demand(counted: pl.DataFrame, channels: list[str]) -> pl.DataFrame:
    name = pl.col("channel").replace_strict(range(len(channels)), channels, return_dtype=pl.String)
    by_hour = counted.group_by("channel", "hour_starting").agg(incidents=pl.len().cast(pl.Int64))
    named = by_hour.with_columns(area_id=name, class_code=name, grade_code=pl.lit("none"), origin=pl.lit("public"))
    return tables.publish(named.with_columns(deployed=0.0, officer_hours=0.0, measured=0), "demand")


def _outside(instants: pl.Series, outages: pl.DataFrame) -> pl.Series:
    inside = pl.repeat(value=False, n=len(instants), eager=True)
    for begins, ends in outages.select("starts_at", "ends_at").iter_rows():
        inside |= (instants >= begins) & (instants < ends)
    return ~inside


def _tally(
    counted: pl.DataFrame, channels: list[str], shape: tuple[int, ...], *by: str, value: pl.Expr | None = None
) -> Floats:
    """Count rows, or sum a whole number of each, by channel and some small numbers: channels × shape."""
    found = np.zeros((len(channels), *shape))
    sums = counted.group_by("channel", *by).agg(total=pl.len() if value is None else value.sum())
    found[tuple(sums[name].to_numpy() for name in ("channel", *by))] = sums["total"].to_numpy()
    return found


def _share_out(counts: Floats) -> Floats:
    """Give the parts of each hour of the week, channels × 168 × 4."""
    by_hour = counts.reshape(len(counts), 7, 24, 4).sum(axis=1)
    of_day = _lean(by_hour, np.full(by_hour.shape, 0.25))
    return _lean(counts, np.tile(of_day, (1, 7, 1)))


def _lean(counts: Floats, on: Floats) -> Floats:
    """Give rows of shares that lean on others as if these had been seen so many times as their spread says.

    Of a row with N counts in four parts, Pearson's chi-square is 3 (1 + (N - 1) r) on average, where 1/r - 1 is how
    many counts the parts are known by. Nothing beyond chance: they are what they lean on.
    """
    total = counts.sum(axis=-1)
    seen = total > 1
    due = on[seen] * total[seen][:, None]
    beyond = float(((counts[seen] - due) ** 2 / due).sum() - 3 * seen.sum())
    ratio = beyond / max(3 * float((total[seen] - 1).sum()), 1.0)
    if ratio <= 0:
        return on
    # A few contacts in one quarter are no reason to believe that all come in it.
    weight = max(1 / ratio - 1, PRIOR_WEIGHT)
    found: Floats = (counts + weight * on) / (total[..., None] + weight)
    return found


def _handling(counted: pl.DataFrame, channels: list[str]) -> Floats:
    timed = counted.drop_nulls("seconds")
    number = _tally(timed, channels, (24,), "hour")
    minutes = _tally(timed, channels, (24,), "hour", value=pl.col("seconds")) / 60
    return _means(minutes, number)


def _abandoned(counted: pl.DataFrame, channels: list[str]) -> Floats:
    number = _tally(counted, channels, (24,), "hour")
    answered = _tally(counted.filter("is_answered"), channels, (24,), "hour")
    share = _means(number - answered, number)
    says = answered.sum(axis=1) >= LEAST_ANSWERED * number.sum(axis=1)
    return np.where(says[:, None], share, np.nan)


def _patience(counted: pl.DataFrame, channels: list[str]) -> Floats:
    """Give what callers would wait on average before they give up: minutes waited by all ÷ those who gave up.

    That is the likeliest mean where patience is exponential, with answers as the ends of what is seen of it (Palm 1957;
    Brown et al. 2005, JASA 100). Who gave up at a moment that nobody wrote down has waited like the others of the
    channel. NaN where the source does not say who was answered, or hardly anybody gave up.
    """
    waited = counted.drop_nulls("waited")
    number, gave_up = (_tally(some, channels, ()) for some in (counted, counted.filter(~pl.col("is_answered"))))
    known = np.maximum(_tally(waited, channels, ()), 1)
    minutes = _tally(waited, channels, (), value=pl.col("waited")) / 60 * number / known
    says = (number - gave_up >= LEAST_ANSWERED * number) & (gave_up >= LEAST_GIVEN_UP) & (minutes > 0)
    return np.where(says, minutes / np.maximum(gave_up, 1), np.nan)


def _means(total: Floats, number: Floats) -> Floats:
    """Give each hour's mean, leaning on that of its channel; NaN where the channel has none."""
    of_channel = np.divide(
        total.sum(axis=1), number.sum(axis=1), out=np.full(len(total), np.nan), where=number.sum(axis=1) > 0
    )
    found: Floats = (total + PRIOR_WEIGHT * of_channel[:, None]) / (number + PRIOR_WEIGHT)
    return found
