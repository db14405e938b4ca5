"""Contacts to call takers: how many people must answer the telephones, quarter-hour by quarter-hour.

Every line has a target: so many of its contacts answered within so many seconds. The share that a number of people
reaches (`answering`) is averaged over what the forecast's paths expect of the quarter-hour, by their contacts, so that
the target holds over the forecast and not only in its middle. Calls last about as long as a third of a quarter-hour, so
that those of the quarter before are still going on: the most that a quarter holds counts, followed exactly (the
modified offered load: Jennings et al. 1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from bluelamp import queueing, tables
from bluelamp.answering import Lines
from bluelamp.pools import Floats, gross_of

# Paths are put in order of their contacts, and as many neighbours become one sample as leave this many.
SAMPLES = 20
TOGETHER = "shared"
_QUARTERS_AN_HOUR = 4


@dataclass(frozen=True)
class Target:
    """What is wanted of one line."""

    channel: str
    seconds: float
    share: float


def require_agents(
    starts: pl.Series,
    rates: Floats,
    channels: Sequence[str],
    handling_minutes: Floats,
    patience_minutes: Floats,
    targets: Sequence[Target],
    *,
    is_shared: bool,
    abstraction: float,
    time_zone: str,
) -> pl.DataFrame:
    """Find the call takers that every line with a target needs in each quarter-hour, as the table `required_agents`.

    `rates` are expected contacts, paths × channels × quarters (`starts`); `handling_minutes` channels × 24 local hours,
    `patience_minutes` by channel, not a number where nobody is known to give up. Lines that share their people are
    answered in the order of their `targets`. A line that is in no channel, or of which nobody knows how long it takes,
    is left out.
    """
    hour = starts.dt.convert_time_zone(time_zone).dt.hour().to_numpy()
    usable = [
        target
        for target in targets
        if target.channel in channels and not np.isnan(handling_minutes[list(channels).index(target.channel)]).any()
    ]
    teams = [(TOGETHER, usable)] if is_shared else [(target.channel, [target]) for target in usable]
    parts = []
    for team, of_team in teams:
        if not of_team:
            continue
        chosen = [list(channels).index(target.channel) for target in of_team]
        handling = handling_minutes[chosen][:, hour]
        patience = patience_minutes[chosen]
        expected = rates[:, chosen]
        carried = _carry(expected, handling)
        parts.append(_rows(team, of_team, starts, expected, carried, handling, patience, abstraction))
    if not parts:
        return tables.empty("required_agents")
    local_day = pl.col("starts_at").dt.convert_time_zone(time_zone).dt.date()
    return tables.publish(pl.concat(parts).with_columns(local_day=local_day), "required_agents")


def _carry(expected: Floats, handling: Floats) -> Floats:
    """Give the contacts an hour that would keep as many people busy as the fullest moment of each quarter does."""
    # Quarter-hours are its hours here: rates a quarter, and service counted in quarters.
    load = queueing.carried_load(expected, handling * _QUARTERS_AN_HOUR).max_of_hour
    return np.asarray(load * 60 / handling)


def _rows(
    team: str,
    targets: Sequence[Target],
    starts: pl.Series,
    expected: Floats,
    calls: Floats,
    handling: Floats,
    patience: Floats,
    abstraction: float,
) -> pl.DataFrame:
    """Give a team's rows: all of its lines together, and each of them."""
    grouped = _group(calls)
    lines = _lines(grouped, targets, handling, patience)
    by_line = lines.fewest_agents()
    agents = by_line.max(axis=0)
    low, high = (
        _lines(grouped[[_at(level, len(grouped))]], targets, handling, patience).fewest_agents().max(axis=0)
        for level in (0.1, 0.9)
    )
    in_time, gives_up = lines.shares(agents)
    contacts = expected.mean(axis=0)
    load = calls.mean(axis=0) * handling / 60
    total = contacts.sum(axis=0)
    mean_minutes = np.divide(
        (contacts * handling).sum(axis=0), total, out=handling.mean(axis=0), where=total > 0
    )  # fmt: skip
    size = len(starts)
    decides = [
        targets[line].channel if some else None for line, some in zip(by_line.argmax(axis=0), agents, strict=True)
    ]
    common = {"team": team, "starts_at": starts}
    nothing = pl.repeat(None, size, dtype=pl.Float64, eager=True)
    no_number = nothing.cast(pl.Int64)
    no_name = pl.repeat(None, size, dtype=pl.String, eager=True)
    rows = [
        pl.DataFrame(
            {
                **common, "channel": "all", "contacts_mean": total, "offered_load": load.sum(axis=0),
                "handling_minutes": mean_minutes, "patience_minutes": nothing, "model": no_name,
                "target_seconds": nothing, "target_share": nothing, "agents_required": agents,
                "agents_required_p10": low, "agents_required_p90": high,
                "agents_required_gross": gross_of(agents, abstraction), "share_in_time": nothing,
                "share_abandoned": nothing, "binding_channel": pl.Series(decides, dtype=pl.String),
            }
        )
    ]  # fmt: skip
    for line, target in enumerate(targets):
        gives = not np.isnan(patience[line])
        rows.append(
            pl.DataFrame(
                {
                    **common,
                    "channel": target.channel,
                    "contacts_mean": contacts[line],
                    "offered_load": load[line],
                    "handling_minutes": handling[line],
                    "patience_minutes": pl.repeat(
                        patience[line] if gives else None, size, dtype=pl.Float64, eager=True
                    ),
                    "model": "erlang_a" if gives else "erlang_c",
                    "target_seconds": target.seconds,
                    "target_share": target.share,
                    "agents_required": by_line[line],
                    "agents_required_p10": no_number,
                    "agents_required_p90": no_number,
                    "agents_required_gross": no_number,
                    "share_in_time": pl.Series(in_time[line]).fill_nan(None),
                    "share_abandoned": pl.Series(gives_up[line]).fill_nan(None) if gives else nothing,
                    "binding_channel": no_name,
                }
            )
        )
    return pl.concat(rows, how="vertical_relaxed")


def _lines(calls: Floats, targets: Sequence[Target], handling: Floats, patience: Floats) -> Lines:
    return Lines(
        calls=calls,
        handling_minutes=handling,
        patience_minutes=np.where(np.isnan(patience), np.inf, patience),
        target_seconds=np.array([target.seconds for target in targets], dtype=np.float64),
        target_share=np.array([target.share for target in targets]),
    )


def _group(calls: Floats) -> Floats:
    """Put the paths of each quarter in order of all their calls, and give the means of neighbours, samples × … ."""
    order = np.argsort(calls.sum(axis=1), axis=0, kind="stable")
    ordered = np.take_along_axis(calls, order[:, None], axis=0)
    samples = min(SAMPLES, len(calls))
    bounds = np.linspace(0, len(calls), samples + 1).round().astype(np.int64)
    return np.stack([ordered[first:last].mean(axis=0) for first, last in pairwise(bounds)])


def _at(level: float, samples: int) -> int:
    return max(int(np.ceil(level * samples)) - 1, 0)
