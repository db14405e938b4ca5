"""The sheet of duties, second by second: who was on duty where, and what they were at.

The rules, in one place:

- A duty as it was worked takes the place of the planned ones of the same person that it overlaps. Of duties that
  overlap otherwise the one that starts last has the time, as an overlay lies on the duty beneath it; nobody is on duty
  twice.
- Each second of a duty counts once, for the first of these that holds: absent, tutored, restricted, in briefing, at
  refreshments, to go out with somebody else only, free. Capability is that of the duty day; who is not in `people` has
  no restriction.
- Duties of one person that touch or overlap are one turn. Briefing is at its start. Refreshments begin at such shares
  of a turn as officers were seen to go at (`breaks.shares_of_turns`), spread over those in a pool whose turns are the
  same. Where too few were seen they lie in its middle half: those go one after another, evenly spread over it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from bluelamp import periods
from bluelamp.breaks import BreakShares
from bluelamp.errors import count_of
from bluelamp.pools import Integers

# What an officer on duty is at, in the order in which it is taken off.
STATES = ("absent", "tutored", "restricted", "briefing", "refreshments", "in_pairs", "alone")


def as_it_came(duties: pl.DataFrame) -> pl.DataFrame:
    """Leave out planned duties during which the same person has one that was worked; adds their times in seconds."""
    timed = duties.with_columns(begins=pl.col("starts_at").dt.epoch("s"), finishes=pl.col("ends_at").dt.epoch("s"))
    planned, worked = (timed.filter(pl.col("kind") == kind) for kind in ("planned", "worked"))
    if planned.is_empty() or worked.is_empty():
        return timed
    next_worked = turns_of(worked).select("person_id", worked_from="begins", worked_until="finishes")
    kept = (
        planned.sort("begins")
        .join_asof(
            next_worked.sort("worked_until"),
            left_on="begins",
            right_on="worked_until",
            by="person_id",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .filter(pl.col("worked_from").is_null() | (pl.col("worked_from") >= pl.col("finishes")))
        .select(timed.columns)
    )
    return pl.concat([kept, worked])


def as_sheet_at(duties: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Give the duties as the sheet had them at a moment: what was worked later is not known yet where it was planned.

    A duty that is only there as it was worked is kept, for want of the plan.
    """
    later = (pl.col("kind") == "worked") & (pl.col("ends_at") > at)
    # Nobody stays on for longer than a day.
    planned = duties.filter(pl.col("kind") == "planned", pl.col("ends_at") > at - timedelta(days=1)).select(
        "person_id", planned_from="starts_at", planned_until="ends_at"
    )
    was_planned = (
        duties.filter(later)
        .join(planned, on="person_id")
        .filter(pl.col("planned_from") < pl.col("ends_at"), pl.col("starts_at") < pl.col("planned_until"))
        .select("duty_id")
        .unique()
    )
    return duties.join(was_planned, on="duty_id", how="anti", maintain_order="left")


def turns_of(duties: pl.DataFrame) -> pl.DataFrame:
    """Join duties of one person that touch or overlap; a turn's role and pool are those that it begins with."""
    reached = pl.col("finishes").cum_max().shift().over("person_id")
    return (
        duties.sort("person_id", "begins", "finishes", "duty_id")
        .with_columns(turn=(reached.is_null() | (pl.col("begins") > reached)).cum_sum())
        .group_by("turn", maintain_order=True)
        .agg(
            pl.col("person_id", "role_code", "pool_id", "begins").first(),
            pl.col("finishes").max(),
        )
    )


def place_refreshments(
    turns: pl.DataFrame, refreshments: Sequence[tuple[float, int]], shares: BreakShares | None = None
) -> pl.DataFrame:
    """Give each turn its refreshments, by its length; `shares` of turns at which they were seen to begin, if any."""
    rows = sorted(refreshments)
    alike = ["role_code", "pool_id", "begins", "finishes"]
    placed = turns.with_columns(
        rank=pl.col("person_id").rank("ordinal").over(alike).cast(pl.Int64) - 1, last=pl.len().over(alike) - 1
    )
    begins, finishes = placed["begins"].to_numpy(), placed["finishes"].to_numpy()
    length = finishes - begins
    reached = np.searchsorted([round(hours * 3600) for hours, _ in rows], length, side="right")
    window = length // 2
    lasts = np.minimum(np.array([0, *(minutes * 60 for _, minutes in rows)])[reached], window)
    rank, last = placed["rank"].to_numpy(), placed["last"].cast(pl.Int64).to_numpy()
    if shares is None:
        later = np.where(last > 0, (window - lasts) * rank // np.maximum(last, 1), (window - lasts) // 2)
        start = begins + length // 4 + later
    else:
        start = np.minimum(shares.begin(begins, finishes, (rank + 0.5) / (last + 1)), finishes - lasts)
    return placed.select("person_id").with_columns(begins=pl.Series(start), finishes=pl.Series(start + lasts))


def add_capability(
    duties: pl.DataFrame, people: pl.DataFrame, time_zone: str, day_starts_at: int, desk_roles: Sequence[str]
) -> pl.DataFrame:
    """Add to each duty what its person may do on its day: `is_tutored`, `is_restricted`, `needs_partner`, `may_drive`,
    `is_known`.

    Of several rows that hold the one that began last counts.
    """
    day = pl.coalesce("duty_day", periods.duty_day(pl.col("starts_at"), time_zone, day_starts_at))
    numbered = duties.with_row_index("duty")
    holds = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= pl.col("day"))) & (
        pl.col("valid_to").is_null() | (pl.col("day") <= pl.col("valid_to"))
    )
    flags = people.select(
        "person_id", "valid_from", "valid_to", "is_tutored",
        is_restricted=~pl.col("may_be_deployed"), needs_partner=~pl.col("may_be_single_crewed"),
        may_drive="may_drive_on_response", is_known=pl.lit(value=True),
    )  # fmt: skip
    of_day = (
        numbered.select("duty", "person_id", day=day)
        .join(flags, on="person_id")
        .filter(holds)
        .sort("duty", "valid_from", nulls_last=False)
        .unique("duty", keep="last")
        .drop("person_id", "day", "valid_from", "valid_to")
    )
    found = ["is_tutored", "is_restricted", "needs_partner", "may_drive", "is_known"]
    goes_out = ~pl.col("role_code").is_in(list(desk_roles))
    return (
        numbered.join(of_day, on="duty", how="left", maintain_order="left")
        .with_columns(pl.col(found).fill_null(value=False))
        .with_columns(pl.col("is_restricted", "needs_partner") & goes_out)
    )


def duties_with_skills(
    duties: pl.DataFrame, people: pl.DataFrame, skills: Collection[str], time_zone: str, day_starts_at: int
) -> dict[str, pl.DataFrame]:
    """Give the duties of those who have each of some skills, as far as 'people' tells who has it: that they may drive
    on response, and no other.
    """
    if "response_driver" not in skills or people["may_drive_on_response"].is_null().all():
        return {}
    able = add_capability(duties, people, time_zone, day_starts_at, ())
    return {"response_driver": able.filter("may_drive").select(duties.columns)}


@dataclass(frozen=True)
class Sheet:
    """Pieces of duty, each person at one duty and in one state in each: `duty` (its row), `state` (of STATES), `cause`
    (of the absence, the highest number where several hold, -1 without), `begins`, `finishes`.
    """

    pieces: pl.DataFrame
    notes: list[str]


def read_sheet(
    duties: pl.DataFrame,
    absent: pl.DataFrame,
    briefing: pl.DataFrame,
    refreshments: pl.DataFrame,
    *,
    first: int,
    last: int,
) -> Sheet:
    """Cut everybody's time wherever something begins or ends, and say of each piece where and what the person is.

    All people's times lie one after another on one line, each on a stretch of its own, so that the cuts are one sorted
    array. `duties` (of `add_capability`, with a number of their `place`) are in the order in which a later one lies on
    an earlier one; `absent` has the number of each absence's `cause`. Nothing counts before `first` or after `last`, in
    seconds.
    """
    persons = duties.select("person_id").unique().sort("person_id").with_row_index("person")
    stretch = last - first + 1

    def on_line(spans: pl.DataFrame) -> tuple[Integers, Integers]:
        found = spans.join(persons, on="person_id", maintain_order="left")
        base = found["person"].cast(pl.Int64).to_numpy() * stretch - first
        begins, finishes = (np.clip(found[name].to_numpy(), first, last) for name in ("begins", "finishes"))
        return base + begins, base + finishes

    absent = absent.join(persons, on="person_id", how="semi", maintain_order="left")
    layers = [on_line(each) for each in (duties, absent, briefing, refreshments)]
    # The line begins at 0, so that there is a cut even where there is no duty.
    cuts = np.unique(np.concatenate([np.zeros(1, dtype=np.int64), *(edge for layer in layers for edge in layer)]))

    def depth(layer: tuple[Integers, Integers]) -> Integers:
        change = np.zeros(len(cuts), dtype=np.int64)
        for edge, step in zip(layer, (1, -1), strict=True):
            np.add.at(change, np.searchsorted(cuts, edge), step)
        found: Integers = change.cumsum()[:-1]
        return found

    def pieces_of(layer: tuple[Integers, Integers]) -> tuple[Integers, Integers]:
        """Give the pieces that each span of a layer has, and the span of each."""
        low, high = (np.searchsorted(cuts, edge) for edge in layer)
        piece = np.repeat(low - np.append(0, (high - low).cumsum())[:-1], high - low) + np.arange((high - low).sum())
        return piece, np.repeat(np.arange(len(low)), high - low)

    on_duty, is_absent, in_briefing, at_refreshments = (depth(layer) for layer in layers)
    piece, duty = pieces_of(layers[0])
    top, cause = (np.full(len(cuts) - 1, -1, dtype=np.int64) for _ in range(2))
    np.maximum.at(top, piece, duty)
    away, absence = pieces_of(layers[1])
    np.maximum.at(cause, away, absent["cause"].to_numpy()[absence])
    taken = np.flatnonzero(top >= 0)
    of_duty = {name: duties[name].to_numpy()[top[taken]] for name in ("is_tutored", "is_restricted", "needs_partner")}
    conditions = (
        is_absent[taken] > 0, of_duty["is_tutored"], of_duty["is_restricted"], in_briefing[taken] > 0,
        at_refreshments[taken] > 0, of_duty["needs_partner"],
    )  # fmt: skip
    begins = cuts[taken] % stretch + first
    pieces = pl.DataFrame(
        {
            "duty": top[taken],
            "cause": cause[taken],
            "state": np.select(list(conditions), list(range(len(conditions))), len(conditions)),
            "begins": begins,
            "finishes": begins + (cuts[1:] - cuts[:-1])[taken],
        },
        schema={"duty": pl.Int64, "cause": pl.Int64, "state": pl.Int64, "begins": pl.Int64, "finishes": pl.Int64},
    )
    place = duties["place"].to_numpy()[duty]
    lowest, highest = np.full(len(top), np.iinfo(np.int64).max), np.full(len(top), -1)
    np.minimum.at(lowest, piece, place)
    np.maximum.at(highest, piece, place)
    twice = np.flatnonzero(on_duty > 1)
    whose = cuts[twice] // stretch
    elsewhere = (lowest != highest)[twice]
    seconds = int((cuts[twice + 1] - cuts[twice]).sum())
    return Sheet(pieces, _notes_on_overlaps(len(np.unique(whose)), len(np.unique(whose[elsewhere])), seconds))


def _notes_on_overlaps(people: int, in_two_places: int, seconds: int) -> list[str]:
    if not people:
        return []
    elsewhere = f", {in_two_places:,} of them in two pools at once" if in_two_places else ""
    have = "person has" if people == 1 else "people have"
    return [
        f"{people:,} {have} duties that overlap{elsewhere} ({count_of(round(seconds / 3600), 'hour')}). That time "
        "counts once, in the duty that starts last."
    ]
