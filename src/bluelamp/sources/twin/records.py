"""Contacts and offences: what the telephone system and the records system know, beside the control room.

Most contacts make no log and several may speak of one; offences are recorded later, under counting rules of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp.sources.twin.incidents import spread
from bluelamp.sources.twin.turnout import HOUR

_CALLED = ("public", "partner")


def draw_contacts(logs: pl.DataFrame, weekly: float, what: dict[str, Any], random: np.random.Generator) -> pl.DataFrame:
    """Draw contacts, by time: `contact` (row), contacted_at, answered_at, ended_at, channel, log, caller.

    Those that make a log begin shortly before it; `weekly` in all, the others spread over the day like the logs.
    """
    called = logs.filter(pl.col("origin").is_in(list(_CALLED)))
    more = np.flatnonzero(random.random(called.height) < what["more_per_incident"])
    received, log = called["received_at"].to_numpy(), called["log"].to_numpy()
    channels = list(what["answer_seconds"])
    first = _channels(what["channels_of_incidents"], channels, called.height, random)
    of_logs = pl.DataFrame(
        {
            "contacted_at": np.concatenate([received, received[more] + random.integers(60, 5400, len(more))]),
            "channel": np.concatenate([first, _channels(what["channels_of_incidents"], channels, len(more), random)]),
            "log": np.concatenate([log, log[more]]),
            "makes": np.concatenate([np.ones(len(log), bool), np.zeros(len(more), bool)]),
        }
    )
    began, until = int(received.min()), int(received.max())
    others = max(0, round(weekly * (until - began) / (7 * 24 * HOUR)) - of_logs.height)
    # They come at the hours at which people call, but never at the very second of another one.
    at = received[random.integers(0, len(received), others)] + random.integers(-1800, 1800, others)
    alone = pl.DataFrame(
        {
            "contacted_at": at,
            "channel": _channels(what["channels_of_others"], channels, others, random),
            "log": np.full(others, -1),
            "makes": np.zeros(others, bool),
        }
    )
    drawn = pl.concat([of_logs, alone])
    number = drawn["channel"].to_numpy()
    mean = np.array([what["answer_seconds"][each] for each in channels], dtype=np.float64)[number]
    waited = np.rint(spread(mean, 1.1, random)).astype(np.int64)
    talked = np.rint(60 * spread(np.full(drawn.height, what["minutes"]), 0.8, random)).astype(np.int64)
    is_lost = drawn["makes"].not_().to_numpy() & (drawn["log"].to_numpy() < 0)
    is_lost &= random.random(drawn.height) < what["abandoned"]
    # The log is opened while the caller is still speaking, so whoever made it rang before.
    rang = np.where(drawn["makes"], drawn["contacted_at"].to_numpy() - waited - talked // 3, drawn["contacted_at"])
    caller = _callers(drawn.height, random)
    return (
        drawn.select(
            contacted_at=pl.Series(rang),
            answered_at=pl.when(~pl.Series(is_lost)).then(pl.Series(rang + waited)),
            ended_at=pl.Series(rang + waited + np.where(is_lost, 0, talked)),
            channel=pl.Series(channels).gather(pl.Series(number)),
            log=pl.when(pl.col("log") >= 0).then("log"),
            caller=pl.Series(caller),
        )
        .sort("contacted_at", "log", "channel", "caller")
        .with_row_index("contact")
    )


def _channels(
    shares: dict[str, float], channels: list[str], size: int, random: np.random.Generator
) -> NDArray[np.int64]:
    weights = np.array([shares.get(each, 0.0) for each in channels])
    found = np.searchsorted(np.cumsum(weights / weights.sum()), random.random(size), side="right")
    return np.minimum(found, len(channels) - 1).astype(np.int64)


def _callers(size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw who calls: most once, a few again and again."""
    return np.minimum(random.zipf(1.35, size), 10_000_000) * 17 + random.integers(0, max(1, size // 2), size) * 100


def draw_offences(logs: pl.DataFrame, what: dict[str, Any], random: np.random.Generator) -> pl.DataFrame:
    """Draw offences, by time of recording: `offence` (row), log, recorded_at, from_at, to_at, class and place."""
    share = logs["class_code"].replace_strict(what["recorded"], default=0.0, return_dtype=pl.Float64).to_numpy()
    is_alone = logs["merges_into"].is_null().to_numpy()
    found = logs.filter(pl.Series(is_alone & (random.random(logs.height) < share)))
    found = found.with_columns(is_called=pl.Series(random.random(found.height) >= what["without_incident"]))
    size = found.height
    received = found["received_at"].to_numpy()
    hours = found["class_code"].replace_strict(what["found_after_hours"], default=0.5, return_dtype=pl.Float64)
    span = np.rint(HOUR * spread(hours.to_numpy(), 1.0, random)).astype(np.int64)
    later = np.rint(HOUR * spread(np.full(size, float(what["recorded_after_hours"])), 1.5, random)).astype(np.int64)
    ended = received - random.integers(0, 900, size)
    is_point = hours.to_numpy() <= 0.5
    return (
        found.select(
            log=pl.when("is_called").then("log"),
            recorded_at=pl.Series(received + later + 600),
            from_at=pl.Series(np.where(is_point, ended, ended - span)),
            to_at=pl.Series(ended),
            offence_code="opening_code",
            class_code="class_code",
            area_id="true_area_id",
            longitude="true_longitude",
            latitude="true_latitude",
            outcome_code=pl.Series(np.array(["1", "5", "14", "18"])[random.choice(4, size, p=[0.1, 0.1, 0.3, 0.5])]),
        )
        .sort("recorded_at", "from_at", "offence_code", "area_id")
        .with_row_index("offence")
    )
