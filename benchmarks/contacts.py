"""How good the forecast of contacts is by quarter-hour, hour and day, against what a spreadsheet gives.

    python benchmarks/contacts.py FOLDER        a force with 'contacts', imported

From origins every 28 days, with what was known before each, 14 days are forecast. Opponents: the same quarter-hour of
last week (Poisson about it), the mean of the same quarter-hour of the last 26 weeks (negative-binomial about it), and
the product's own 26-week mean of the hour, with its shared shocks, in four equal quarters.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bluelamp import forecast, incidents, periods, scoring, settings, tables
from bluelamp.store import Store

DAYS, EVERY, LEAST_DAYS, MOST_ORIGINS = 14, 28, 182, 13
PATHS, SEED = 200, 1
SPANS = {"quarter": 1, "hour": 4, "day": None}
QUARTER = timedelta(minutes=15)
SLOTS = 672
OWN = "pooled, by quarters"


@dataclass(frozen=True)
class Feed:
    """Contacts by channel and quarter-hour, from the first midnight to the last; `masked` where an outage lies."""

    folder: Path
    settings: Any
    contacts: pl.DataFrame
    channels: list[str]
    starts: pl.Series
    counts: np.ndarray
    slot: np.ndarray
    day: np.ndarray
    masked: np.ndarray


def read(folder: Path) -> Feed:
    """Lay out the quarter-hours of whole local days."""
    told = settings.read(folder)
    zone = told.force.time_zone
    contacts = Store(folder).read("contacts").select("contacted_at", "answered_at", "ended_at", "channel")
    if contacts.is_empty():
        sys.exit(f"The force in {folder} has no contacts.")
    first = periods.next_local_midnight(contacts["contacted_at"].min(), zone)
    last = periods.next_local_midnight(contacts["contacted_at"].max(), zone)
    starts = pl.datetime_range(first, last, QUARTER, closed="left", eager=True, time_zone="UTC").cast(periods.INSTANT)
    channels = contacts["channel"].unique().sort().to_list()
    inside = contacts.filter(pl.col("contacted_at") >= first, pl.col("contacted_at") < last)
    at = ((inside["contacted_at"] - first).dt.total_microseconds() // 900_000_000).to_numpy()
    of = inside["channel"].replace_strict(channels, range(len(channels)), return_dtype=pl.Int64).to_numpy()
    counts = np.bincount(of * len(starts) + at, minlength=len(channels) * len(starts)).reshape(len(channels), -1)
    local = starts.dt.convert_time_zone(zone)
    hour = local.dt.hour().cast(pl.Int64)
    slot = ((local.dt.weekday().cast(pl.Int64) - 1) * 24 + hour) * 4 + local.dt.minute().cast(pl.Int64) // 15
    masked = np.zeros(len(starts), dtype=bool)
    for begins, ends in outages_of(contacts, zone).select("starts_at", "ends_at").iter_rows():
        masked |= ((starts >= begins) & (starts < ends)).to_numpy()
    day = local.dt.date().rle_id().cast(pl.Int64).to_numpy()
    return Feed(folder, told, contacts, channels, starts, counts, slot.to_numpy(), day, masked)


def outages_of(contacts: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Find the outages of the feed of contacts."""
    return incidents.find_outages(contacts.select(received_at="contacted_at"), zone)


# A method gives, for each channel, the cell (quarter-hour from the origin) and the path of every contact that it draws.
Drawn = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]


def ours(method: str, equal: bool) -> Callable[[Feed, int, int], Drawn]:
    """Give the product's method; `equal` shares hours out over equal quarters."""

    def draw(feed: Feed, begin: int, end: int) -> Drawn:
        zone, origin = feed.settings.force.time_zone, feed.starts[begin]
        known = feed.contacts.filter(pl.col("contacted_at") < origin)
        outages = outages_of(known, zone)
        counted = incidents.count_contacts(known, zone, outages)
        predicted = forecast.make_forecast(
            counted.demand, counted.places, tables.empty("events"), outages, tables.empty("service_times"),
            force_id="F", time_zone=zone, forecast_from=origin, method=method, paths=PATHS, path_days=DAYS, days=DAYS,
            seed=SEED, country=feed.settings.force.country, subdivision=feed.settings.force.subdivision,
            levels=("force",),
        )  # fmt: skip
        shares = np.full_like(counted.quarter_shares, 0.25) if equal else counted.quarter_shares
        since = ((predicted.path_hours - origin).dt.total_seconds() // 900).to_numpy()
        of = np.array([feed.channels.index(name) for name in counted.channels])
        for drawn, quarter in forecast.draw_quarters(predicted, shares):
            yield of[drawn.series % len(of)], since[drawn.hour] + quarter, drawn.path

    return draw


def spreadsheet(weeks: int) -> Callable[[Feed, int, int], Drawn]:
    """Give the mean of the same quarter-hour of the last so many weeks, each drawn by itself."""

    def draw(feed: Feed, begin: int, end: int) -> Drawn:
        chance = np.random.Generator(np.random.Philox(key=[SEED, begin]))
        past = np.arange(max(begin - weeks * SLOTS, 0), begin)
        past = past[~feed.masked[past]]
        seen = np.bincount(feed.slot[past], minlength=SLOTS)
        for channel, counts in enumerate(feed.counts):
            total = np.bincount(feed.slot[past], weights=counts[past], minlength=SLOTS)
            mean = np.where(seen > 0, total / np.maximum(seen, 1), counts[past].mean())
            due = mean[feed.slot[past]]
            # Variance = mean + mean² × spread, by moments; one week says nothing of it.
            spread = max(float(((counts[past] - due) ** 2 - due).sum() / (due**2).sum()), 0.0) if weeks > 1 else 0.0
            rate = np.tile(mean[feed.slot[begin:end]], (PATHS, 1))
            if spread > 1e-9:
                rate = rate * chance.gamma(1 / spread, spread, size=rate.shape)
            path, cell = np.nonzero(drawn := chance.poisson(rate))
            times = drawn[path, cell]
            yield np.full(times.sum(), channel), np.repeat(cell, times), np.repeat(path, times)

    return draw


METHODS = {
    OWN: ours("pooled", equal=False),
    "26-week mean of the hour, product": ours("slot_mean_26", equal=True),
    "26-week mean of the quarter": spreadsheet(26),
    "same quarter of last week": spreadsheet(1),
}


def score(feed: Feed, begin: int, draw: Callable[[Feed, int, int], Drawn]) -> list[dict[str, Any]]:
    """Score one method from one origin: CRPS, what came, and whether the 80% interval held it, by week."""
    end = int(np.searchsorted(feed.day, feed.day[begin] + DAYS))
    parts = list(draw(feed, begin, end))
    channel, cell, path = (np.concatenate(each) for each in zip(*parts, strict=True))
    rows = []
    for span, size in SPANS.items():
        group = feed.day[begin:end] - feed.day[begin] if size is None else np.arange(end - begin) // size
        groups = int(group[-1]) + 1
        kept = np.bincount(group, weights=feed.masked[begin:end], minlength=groups) == 0
        week = (feed.day[begin + np.searchsorted(group, np.arange(groups))] - feed.day[begin]) // 7
        for number, name in [(-1, "all"), *enumerate(feed.channels)]:
            some = slice(None) if number < 0 else channel == number
            counts = feed.counts.sum(axis=0) if number < 0 else feed.counts[number]
            came = np.bincount(group, weights=counts[begin:end], minlength=groups).astype(np.int64)
            found = scoring.score_paths(group[cell[some]], path[some], PATHS, came)
            place = scoring.INTERVALS.index(0.80)
            inside = (came >= found.low[:, place]) & (came <= found.high[:, place])
            rows += [
                {"origin": begin, "week": int(each), "span": span, "channel": name,
                 "crps": found.crps[kept & (week == each)].sum(), "came": int(came[kept & (week == each)].sum()),
                 "inside": int(inside[kept & (week == each)].sum()), "cells": int((kept & (week == each)).sum())}
                for each in np.unique(week)
            ]  # fmt: skip
    return rows


def compare(scores: pl.DataFrame, span: str, channel: str, other: str) -> tuple[float, float, float]:
    """Give our score over another's less one, with its 95% interval over blocks of two weeks."""
    wanted = scores.filter(span=span, channel=channel)
    crps = [wanted.filter(method=name).sort("origin", "week")["crps"].to_numpy() for name in (OWN, other)]
    drawn = scoring.draw_blocks(len(crps[0]), 2, 2000, SEED)
    ratio = crps[0][drawn].sum(axis=1) / crps[1][drawn].sum(axis=1) - 1
    low, high = np.quantile(ratio, [0.025, 0.975])
    return float(crps[0].sum() / crps[1].sum() - 1), float(low), float(high)


def main() -> None:
    """Score every method from every origin and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    feed = read(parser.parse_args().folder)
    days = int(feed.day[-1]) + 1
    last = range(days - DAYS, LEAST_DAYS - 1, -EVERY)
    origins = [int(np.searchsorted(feed.day, day)) for day in list(last)[:MOST_ORIGINS]][::-1]
    if not origins:
        sys.exit(f"{LEAST_DAYS + DAYS} days of contacts are needed; there are {days}.")
    print(
        f"{feed.contacts.height:,} contacts, {days} days; {len(origins)} origins, every {EVERY} days, {DAYS} days each."
    )
    parts = []
    for method, draw in METHODS.items():
        began = time.process_time()
        for begin in origins:
            parts += [{"method": method, **row} for row in score(feed, begin, draw)]
        print(f"  {method}: {(time.process_time() - began) / len(origins):.1f} CPU seconds an origin", flush=True)
    scores = pl.DataFrame(parts)
    for span in SPANS:
        print(f"\n{span}: sCRPS, inside the 80% interval, and how '{OWN}' differs, with its 95% interval")
        for channel in ("all", "999", "101", "online"):
            for method in METHODS:
                some = scores.filter(span=span, channel=channel, method=method)
                if some.is_empty() or not some["came"].sum():
                    continue
                told = ""
                if method != OWN:
                    difference, low, high = compare(scores, span, channel, method)
                    told = f"{difference:+7.1%} ({low:+.1%} to {high:+.1%})"
                print(
                    f"  {channel:7}{method:36}{some['crps'].sum() / some['came'].sum():7.4f}"
                    f"{some['inside'].sum() / some['cells'].sum():6.0%}  {told}"
                )


if __name__ == "__main__":
    main()
