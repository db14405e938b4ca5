"""Duties to net deployable: who can go out, once everything that keeps officers from calls is taken off the sheet.

The rules, in one place:

- Duties are read as `duty_sheet` says: nobody is on duty twice, and each second of a duty counts once. The role and
  pool that are performed count, not the posted ones.
- Officers count by the time that they are there, in whole seconds: six who leave at half past and six who come then
  are six in that hour.
- An officer whose pool does not run in an hour (a late duty that outlasts the day's pools) counts for the pool that
  covers most of that pool's areas then. So do planned operations.
- Hours before the first and after the last duty of a pool are unknown, not empty: a roster that has not been written
  yet is not a night without officers. They have no row.
- A planned operation takes so many officers of its role and pool, whatever skill it asks for, and no more than there
  are. It takes those first who could go out, and of these alike who is in briefing, at refreshments or not to go alone.
- Where units are single-crewed, two who may not go out alone make one unit, and one of them left over rides with
  another: units = officers who may go alone + half of those who may not. Larger crews are officers ÷ crew size.
- No more crews have a vehicle than the pool has vehicles, and a crew keeps its own through briefing and refreshments:
  units that can go out = vehicles × the share of officers who are at neither, where vehicles are short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods, tables
from bluelamp.breaks import BreakShares
from bluelamp.duty_sheet import STATES, Sheet, add_capability, as_it_came, place_refreshments, read_sheet, turns_of
from bluelamp.errors import count_of
from bluelamp.pools import Integers, PoolHours, vehicles_of

# A duty lasts a day at most, so what begins earlier before the first hour has no part in it, nor in a turn that has.
_MARGIN = timedelta(days=3)


# Of officers who may go out: those neither in briefing nor at refreshments.
_SHARE_AT_NEITHER = pl.col("officers_deployable") / pl.max_horizontal(
    pl.col("officers_deployable") + pl.col("officers_briefing") + pl.col("officers_refreshments"), 0.001
)


@dataclass(frozen=True)
class Deployable:
    """The table `deployable`, and what a reader of it should know."""

    table: pl.DataFrame
    notes: list[str]


def find_deployable(
    duties: pl.DataFrame,
    people: pl.DataFrame,
    absences: pl.DataFrame,
    commitments: pl.DataFrame,
    vehicles: pl.DataFrame,
    pools: pl.DataFrame,
    *,
    pool_hours: PoolHours,
    hours: pl.Series,
    ends_at: datetime,
    time_zone: str,
    crew_size_by_hour: Sequence[int],
    day_starts_at: int = 7,
    briefing_minutes: int = 0,
    refreshments: Sequence[tuple[float, int]] = (),
    break_shares: BreakShares | None = None,
    desk_roles: Sequence[str] = (),
) -> Deployable:
    """Take down the officers on duty to those who can go out, by role, pool and hour, as the table `deployable`.

    `pool_hours` are the pools of the role that answers incidents; a pool of another role in `pools` stands for itself
    at all hours, with crews of one. `hours` follow each other and the last ends at `ends_at`. `refreshments` are (at
    least so many hours of turn, minutes), which begin at `break_shares` of a turn (`breaks.shares_of_turns`), or are
    spread evenly. Steps are rounded down to thousandths from what is left, so that they add up exactly. There is no row
    where it is not known who is on duty, nor where a pool does not run and has nobody.
    """
    came = as_it_came(duties)
    cover = _Cover.of(pools, pool_hours, len(hours))
    came = came.join(cover.places, on=["role_code", "pool_id"], how="left").with_columns(pl.col("place").fill_null(-1))
    clock = _Hours(hours.dt.epoch("s").to_numpy(), int(ends_at.timestamp()))
    first, last = hours[0], ends_at
    able, sheet = _read(
        came, people, absences, first, last, time_zone=time_zone, day_starts_at=day_starts_at,
        briefing_minutes=briefing_minutes, refreshments=refreshments, break_shares=break_shares, desk_roles=desk_roles,
    )  # fmt: skip
    count = len(cover.roles)
    on_sheet = sheet.pieces.with_columns(place=able["place"].gather(sheet.pieces["duty"])).filter(pl.col("place") >= 0)
    by_state = clock.add_up(
        on_sheet["begins"].to_numpy(),
        on_sheet["finishes"].to_numpy(),
        (on_sheet["state"] * count + on_sheet["place"]).to_numpy(),
        len(STATES) * count,
    ).reshape(len(STATES), count, len(hours))
    asked = commitments.join(cover.places, on=["role_code", "pool_id"])
    # Hundredths of officers are whole numbers, and their seconds add up the same in any order.
    needed = clock.add_up(
        asked["starts_at"].dt.epoch("s").to_numpy(),
        asked["ends_at"].dt.epoch("s").to_numpy(),
        asked["place"].to_numpy(),
        count,
        (asked["officers"] * 100).round().cast(pl.Int64).to_numpy(),
    )
    served, known = cover.serve(np.concatenate([by_state, needed[None]]), came, clock)
    crews = np.ones((count, len(hours)), dtype=np.int64)
    crews[: len(pool_hours.pool_ids)] = np.array(crew_size_by_hour)[
        periods.local_parts(hours, time_zone)["hour"].to_numpy()
    ]
    steps = _take_down(served[:-1], served[-1] // 100, crews, clock.length)
    shown = known & (cover.runs | (steps["officers_rostered"] > 0))
    place, hour = np.nonzero(shown)
    owned = vehicles_of(vehicles, cover.pool_ids, hours, time_zone)[place, hour]
    table = pl.DataFrame(
        {
            "role_code": pl.Series(cover.roles, dtype=pl.String)[place],
            "pool_id": pl.Series(cover.pool_ids, dtype=pl.String)[place],
            "hour_starting": hours[hour],
            **{name: values[place, hour] / 1000 for name, values in steps.items()},
            "vehicles": pl.Series(owned).fill_nan(None),
        }
    ).with_columns(units_deployable=pl.min_horizontal("units_crewed", pl.col("vehicles") * _SHARE_AT_NEITHER))
    notes: list[str] = []
    if not table.is_empty():
        meant = able.filter(pl.col("ends_at") > first, pl.col("starts_at") < last)
        beyond = int((shown & (served[-1] // 100 > served[1:-1].sum(axis=0))).sum())
        notes = [
            *sheet.notes, *_notes_on_capability(meant, people), *_notes_on_loans(meant), *_notes_on_operations(beyond),
            *(_notes_on_refreshments(break_shares) if refreshments else []),
        ]  # fmt: skip
    return Deployable(tables.publish(table, "deployable"), notes)


def find_spells(
    duties: pl.DataFrame,
    people: pl.DataFrame,
    absences: pl.DataFrame,
    *,
    begin: datetime,
    end: datetime,
    time_zone: str,
    day_starts_at: int = 7,
    briefing_minutes: int = 0,
    refreshments: Sequence[tuple[float, int]] = (),
    break_shares: BreakShares | None = None,
    desk_roles: Sequence[str] = (),
) -> pl.DataFrame:
    """Find when each officer is there and may go out between two moments, duty by duty.

    Gives a row a duty of `role_code` and `pool_id` (as performed): `begins`, `finishes`, `break_at` (seconds since
    1970, the last null without one), `briefing_minutes` at its start, `break_minutes`, `needs_partner`, and whether its
    officer `may_drive` on response, which whoever is not in `people` may.
    """
    able, sheet = _read(
        as_it_came(duties).with_columns(place=pl.lit(0)), people, absences, begin, end, time_zone=time_zone,
        day_starts_at=day_starts_at, briefing_minutes=briefing_minutes, refreshments=refreshments,
        break_shares=break_shares, desk_roles=desk_roles,
    )  # fmt: skip
    length = (pl.col("finishes") - pl.col("begins")) / 60
    is_at = {name: pl.col("state") == STATES.index(name) for name in ("briefing", "refreshments", "in_pairs")}
    spells = (
        sheet.pieces.filter(pl.col("state") >= STATES.index("briefing"))
        .group_by("duty", maintain_order=True)
        .agg(
            pl.col("begins").min(),
            pl.col("finishes").max(),
            briefing_minutes=length.filter(is_at["briefing"]).sum(),
            break_at=pl.col("begins").filter(is_at["refreshments"]).min(),
            break_minutes=length.filter(is_at["refreshments"]).sum(),
            needs_partner=is_at["in_pairs"].any(),
        )
        .sort("duty")
    )
    of_duty = able.select("role_code", "pool_id", may_drive=pl.col("may_drive") | ~pl.col("is_known"))
    return pl.concat([of_duty[spells["duty"]], spells.drop("duty")], how="horizontal")


def _read(
    came: pl.DataFrame,
    people: pl.DataFrame,
    absences: pl.DataFrame,
    first: datetime,
    last: datetime,
    *,
    time_zone: str,
    day_starts_at: int,
    briefing_minutes: int,
    refreshments: Sequence[tuple[float, int]],
    break_shares: BreakShares | None,
    desk_roles: Sequence[str],
) -> tuple[pl.DataFrame, Sheet]:
    """Give the duties near the hours with what their officers may do, and the sheet of them."""
    near = came.filter(pl.col("ends_at") > first - _MARGIN, pl.col("starts_at") < last + _MARGIN)
    near = near.sort("begins", -pl.col("finishes"), "duty_id")
    able = add_capability(near, people, time_zone, day_starts_at, desk_roles)
    turns = turns_of(near)
    sheet = read_sheet(
        able,
        absences.select(
            "person_id",
            begins=pl.col("starts_at").dt.epoch("s"),
            finishes=pl.col("ends_at").dt.epoch("s"),
            cause=pl.lit(0, dtype=pl.Int64),
        ),
        turns.with_columns(finishes=pl.min_horizontal("finishes", pl.col("begins") + briefing_minutes * 60)),
        place_refreshments(turns, refreshments, break_shares),
        first=int(first.timestamp()),
        last=int(last.timestamp()),
    )
    return able, sheet


def find_loans(duties: pl.DataFrame) -> pl.DataFrame:
    """Add up duties that are performed in another role or pool than the posted one: `posted_role_code`,
    `posted_pool_id`, `role_code`, `pool_id`, `duties` and `officer_hours`, most hours first.
    """
    places = ["posted_role_code", "posted_pool_id", "role_code", "pool_id"]
    return (
        as_it_came(duties)
        .with_columns(
            pl.coalesce("posted_role_code", "role_code").alias("posted_role_code"),
            pl.coalesce("posted_pool_id", "pool_id").alias("posted_pool_id"),
        )
        .filter((pl.col("posted_role_code") != pl.col("role_code")) | (pl.col("posted_pool_id") != pl.col("pool_id")))
        .group_by(places)
        .agg(duties=pl.len().cast(pl.Int64), officer_hours=(pl.col("finishes") - pl.col("begins")).sum() / 3600)
        .sort(-pl.col("officer_hours"), *places)
    )


# ---- hours and pools ----


@dataclass(frozen=True)
class _Hours:
    """Hours that follow each other, in seconds."""

    starts: Integers
    ends_at: int

    @property
    def ends(self) -> Integers:
        return np.append(self.starts[1:], self.ends_at)

    @property
    def length(self) -> Integers:
        found: Integers = self.ends - self.starts
        return found

    def clip(self, instants: Integers) -> Integers:
        found: Integers = np.clip(instants, self.starts[0], self.ends_at)
        return found

    def add_up(
        self, begins: Integers, finishes: Integers, row: Integers, rows: int, weight: Integers | None = None
    ) -> Integers:
        """Add up, by row and hour, the seconds of each hour that lie between instants, rows × hours."""
        weight = np.ones_like(row) if weight is None else weight
        until = self._before(self.clip(finishes), row, rows, weight)
        return until - self._before(self.clip(begins), row, rows, weight)

    def _before(self, instants: Integers, row: Integers, rows: int, weight: Integers) -> Integers:
        hour = np.searchsorted(self.starts, instants, side="right") - 1
        inside = np.zeros((rows, len(self.starts)), dtype=np.int64)
        np.add.at(inside, (row, hour), (instants - self.starts[hour]) * weight)
        # Every hour before the instant's own lies before it whole.
        reached = np.zeros_like(inside)
        np.add.at(reached, (row, hour), weight)
        later = reached[:, ::-1].cumsum(axis=1)[:, ::-1] - reached
        return inside + later * self.length


@dataclass(frozen=True)
class _Cover:
    """Every pool that is counted: first those of the role that answers incidents, then those of other roles."""

    pool_hours: PoolHours
    roles: list[str]
    pool_ids: list[str]
    runs: NDArray[np.bool_]

    @classmethod
    def of(cls, pools: pl.DataFrame, pool_hours: PoolHours, hours: int) -> _Cover:
        others = (
            pools.filter(pl.col("role_code") != pool_hours.role_code)
            .select("role_code", "pool_id")
            .unique()
            .sort("role_code", "pool_id")
        )
        return cls(
            pool_hours,
            [pool_hours.role_code] * len(pool_hours.pool_ids) + others["role_code"].to_list(),
            pool_hours.pool_ids + others["pool_id"].to_list(),
            np.concatenate([pool_hours.runs, np.ones((others.height, hours), dtype=np.bool_)]),
        )

    @property
    def places(self) -> pl.DataFrame:
        """The number of each role and pool."""
        shape = {"role_code": pl.String, "pool_id": pl.String}
        return pl.DataFrame({"role_code": self.roles, "pool_id": self.pool_ids}, schema=shape).with_columns(
            place=pl.int_range(pl.len(), dtype=pl.Int64)
        )

    def serve(self, posted: Integers, came: pl.DataFrame, clock: _Hours) -> tuple[Integers, NDArray[np.bool_]]:
        """Bring layers × pools × hours to the pools that serve in each hour, and say where it is known who is there.

        A pool to which nobody is posted, and which others serve, is known when theirs is.
        """
        first, last = np.full(len(self.roles), np.iinfo(np.int64).max), np.zeros(len(self.roles), dtype=np.int64)
        placed = came.filter(pl.col("place") >= 0)
        np.minimum.at(first, placed["place"].to_numpy(), placed["begins"].to_numpy())
        np.maximum.at(last, placed["place"].to_numpy(), placed["finishes"].to_numpy())
        is_written = (clock.starts >= first[:, None]) & (clock.ends <= last[:, None])
        answering = len(self.pool_hours.pool_ids)
        counted, known = posted.copy(), is_written.copy()
        counted[:, :answering], known[:answering] = 0, False
        if not last[:answering].any():
            return counted, known
        patterns = self.pool_hours.patterns
        areas_of_pool = [np.flatnonzero((patterns == index).any(axis=0)) for index in range(answering)]
        for pattern, pool_of_area in enumerate(patterns):
            when = np.flatnonzero(self.pool_hours.pattern_of_hour == pattern)
            for index in range(answering):
                serves = index
                if not (pool_of_area == index).any():
                    # A pool that does not run has nobody, and that is known.
                    known[index, when] = True
                    candidates = pool_of_area[areas_of_pool[index]]
                    candidates = candidates[candidates >= 0]
                    serves = int(np.bincount(candidates).argmax()) if len(candidates) else index
                counted[:, serves, when] += posted[:, index, when]
                if serves == index or not last[serves]:
                    known[serves, when] |= is_written[index, when]
        return counted, known


# ---- step by step ----


def _take_down(by_state: Integers, needed: Integers, crews: Integers, length: Integers) -> dict[str, Integers]:
    """Take the steps one from another, in thousandths of officers and of units (pools × hours).

    `by_state` are seconds by state × pools × hours, `needed` those of planned operations.
    """
    absent, tutored, _, briefing, refreshments, in_pairs, _ = by_state
    rostered = by_state.sum(axis=0)
    fit = by_state[3:].sum(axis=0)
    stay = np.maximum(fit - needed, 0)
    present = rostered - absent
    not_on_operations = np.maximum(present - needed, 0)

    def remaining(seconds: Integers) -> Integers:
        """Those of some fit officers whom no operation takes; it takes all alike."""
        found: Integers = seconds * stay * 1000 // (np.maximum(fit, 1) * length)
        return found

    left = [
        rostered * 1000 // length,
        present * 1000 // length,
        not_on_operations * 1000 // length,
        (not_on_operations - np.minimum(tutored, not_on_operations - stay)) * 1000 // length,
        remaining(fit),
        remaining(fit - briefing),
        remaining(fit - briefing - refreshments),
    ]
    free = fit - briefing - refreshments
    alone = (2 * free - in_pairs) * stay * 1000 // (2 * np.maximum(fit, 1) * length)
    taken = ["absent", "on_operations", "tutored", "restricted", "briefing", "refreshments"]
    return {
        "officers_rostered": left[0],
        **{f"officers_{name}": left[step] - left[step + 1] for step, name in enumerate(taken)},
        "officers_deployable": left[-1],
        "units_crewed": np.where(crews == 1, alone, left[-1] // crews),
    }


# ---- what a reader should know ----


def _notes_on_capability(duties: pl.DataFrame, people: pl.DataFrame) -> list[str]:
    strange = duties.filter(~pl.col("is_known"))
    if people.is_empty() or strange.is_empty():
        return []
    return [
        f"{count_of(strange.height, 'duty', 'duties')} of {duties.height:,} belong to people that 'people' does not "
        "have on that day: they are taken to be neither students nor restricted."
    ]


def _notes_on_loans(duties: pl.DataFrame) -> list[str]:
    loans = find_loans(duties)
    if loans.is_empty():
        return []
    most = loans.row(0, named=True)
    return [
        f"{count_of(round(loans['officer_hours'].sum()), 'officer-hour')} of duty lie in another role or pool than the "
        f"posted one, and count where they are performed; most of them from {most['posted_pool_id']} "
        f"({most['posted_role_code']}) to {most['pool_id']} ({most['role_code']})."
    ]


def _notes_on_operations(hours: int) -> list[str]:
    if not hours:
        return []
    return [
        f"In {count_of(hours, 'hour')} of single pools planned operations ask for more officers than are there, and "
        "are given those that are."
    ]


def _notes_on_refreshments(break_shares: BreakShares | None) -> list[str]:
    if break_shares is None:
        return [
            "Refreshments are spread evenly over the middle half of each turn: no status log with bookings tells when "
            "officers have theirs."
        ]
    early, middle, late = np.quantile(break_shares.usual, [0.1, 0.5, 0.9])
    seen = f"{len(break_shares.usual):,} breaks"
    return [
        f"Refreshments begin when officers have gone to theirs, as {seen} in the status log tell: half of them before "
        f"{middle:.0%} of a turn, and four in five between {early:.0%} and {late:.0%}."
    ]
