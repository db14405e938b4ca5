"""The rules by which presses are left out, repaired, or only told of."""

from __future__ import annotations

import polars as pl

RULES: dict[str, tuple[str, str]] = {
    "press_after_the_end": ("left_out", "the press is later than the moment of the extract"),
    "clear_taken_back": ("left_out", "a clear of a minute at most between two presses at one incident"),
    "sent_while_there": ("left_out", "en route to an incident at which the unit already was; it was booked on late"),
    "repeated_press": ("left_out", "the same status at the same incident as before, pressed again"),
    "no_time": ("left_out", "another status followed in the same second"),
    "incident_carried": ("repaired", "at the scene without a log; it has the log of the journey before it"),
    "travel_from_log": (
        "repaired",
        "no journey was pressed: it begins at the log's dispatch, to which no unit's press belongs",
    ),
    "arrival_from_log": (
        "repaired",
        "no arrival was pressed: the unit arrived when the log says so, to which no unit's press belongs",
    ),
    "arrival_after_usual_travel": (
        "repaired",
        "no arrival was pressed and the journey is longer than 95 in 100: it lasted as long as journeys do on average",
    ),
    "clear_from_log": (
        "repaired",
        "no clear was pressed: the unit was free when the log was cleared, or closed, before its next press",
    ),
    "clear_after_usual_time": (
        "repaired",
        "no clear was pressed, the log does not say, and it is longer than 99 in 100 at a scene, or clears are hardly "
        "ever pressed: it lasted as long as scenes do on average; such times are never measured as service times",
    ),
    "cut_at_booking_end": ("repaired", "no end was pressed: the crew had booked off"),
    "book_off_missed": (
        "repaired",
        "no press for 12 hours while free, or 24 while busy: the unit went off after a duty of usual length",
    ),
    "open_at_end": ("noted", "the last status of a unit: cut at the moment of the extract"),
    "no_arrival": ("noted", "a journey without an arrival: stood down, or the press was missed; kept as a journey"),
    "no_log": ("noted", "committed without a log; kept, as work that no log shows"),
    "unknown_incident": ("noted", "names an incident that is not on hand; kept"),
    "unknown_pool": ("noted", "neither the press nor a booking says which pool the unit served; counted as unknown"),
}

# Rules that are told of intervals, all others of presses: what their shares are of.
OF_INTERVALS = ("open_at_end", "no_log", "unknown_pool")
RULE = pl.Enum(list(RULES))


def by_rule(name: str) -> pl.Expr:
    """The name of a rule as a value."""
    return pl.lit(name, dtype=RULE)


def as_report(counts: dict[str, int], presses: int, intervals: int) -> pl.DataFrame:
    """Give the rules that touched a press or an interval, with their share of all of these."""

    def share(rule: str) -> float:
        return counts[rule] / max(intervals if rule in OF_INTERVALS else presses, 1)

    rows = [
        {"rule": rule, "kind": kind, "rows": counts[rule], "share": share(rule), "words": words}
        for rule, (kind, words) in RULES.items()
        if counts.get(rule)
    ]
    shape = {"rule": pl.String, "kind": pl.String, "rows": pl.Int64, "share": pl.Float64, "words": pl.String}
    return pl.DataFrame(rows, schema=shape)
