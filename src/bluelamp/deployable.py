"""Duties to net deployable: who can go out, once everything that keeps officers from calls is taken off the sheet.

The rules, in one place:

- A duty as it was worked takes the place of the planned ones of the same person that it overlaps. Of duties that
  overlap otherwise the one that starts last has the time, as an overlay lies on the duty beneath it; nobody is on duty
  twice. The role and pool that are performed count, not the posted ones.
- Officers count by the time that they are there, in whole seconds: six who leave at half past and six who come then
  are six in that hour.
- An officer whose pool does not run in an hour (a late duty that outlasts the day's pools) counts for the pool that
  covers most of that pool's areas then. So do planned operations.
- Hours before the first and after the last duty of a pool are unknown, not empty: a roster that has not been written
  yet is not a night without officers. They have no row.
- Each second of a duty counts once, for the first of these that holds: absent, tutored, restricted, in briefing, at
  refreshments, deployable. Capability is that of the duty day; who is not in `people` has no restriction.
- Duties of one person that touch or overlap are one turn. Briefing is at its start. Refreshments lie in its middle
  half: those in a pool whose turns are the same go one after another, evenly spread over it.
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
from bluelamp.errors import count_of
from bluelamp.pools import Integers, PoolHours, vehicles_of

# What an officer on duty is at, in the order in which it is taken off.
_STATES = ("absent", "tutored", "restricted", "briefing", "refreshments", "in_pairs", "alone")
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
    desk_roles: Sequence[str] = (),
) -> Deployable:
    """Take down the officers on duty to those who can go out, by role, pool and hour, as the table `deployable`.

    `pool_hours` are the pools of the role that answers incidents; a pool of another role in `pools` stands for itself
    at all hours, with crews of one. `hours` follow each other and the last ends at `ends_at`. `refreshments` are (at
    least so many hours of turn, minutes). Steps are rounded down to thousandths from what is left, so that they add up
    exactly. There is no row where it is not known who is on duty, nor where a pool does not run and has nobody.
    """
    came = _as_it_came(duties)
    cover = _Cover.of(pools, pool_hours, len(hours))
    came = came.join(cover.places, on=["role_code", "pool_id"], how="left").with_columns(pl.col("place").fill_null(-1))
    clock = _Hours(hours.dt.epoch("s").to_numpy(), int(ends_at.timestamp()))
    first, last = hours[0], ends_at
    near = came.filter(pl.col("ends_at") > first - _MARGIN, pl.col("starts_at") < last + _MARGIN)
    near = near.sort("begins", -pl.col("finishes"), "duty_id")
    able = _capability(near, people, time_zone, day_starts_at, desk_roles)
    turns = _turns(near)
    sheet = _read_sheet(
        able,
        absences.select(
            "person_id", begins=pl.col("starts_at").dt.epoch("s"), finishes=pl.col("ends_at").dt.epoch("s")
        ),
        turns.with_columns(finishes=pl.min_horizontal("finishes", pl.col("begins") + briefing_minutes * 60)),
        _place_refreshments(turns, refreshments),
        clock,
    )
    count = len(cover.roles)
    on_sheet = sheet.pieces.filter(pl.col("place") >= 0)
    by_state = clock.add_up(
        on_sheet["begins"].to_numpy(),
        on_sheet["finishes"].to_numpy(),
        (on_sheet["state"] * count + on_sheet["place"]).to_numpy(),
        len(_STATES) * count,
    ).reshape(len(_STATES), count, len(hours))
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
        ]  # fmt: skip
    return Deployable(tables.publish(table, "deployable"), notes)


def find_loans(duties: pl.DataFrame) -> pl.DataFrame:
    """Add up duties that are performed in another role or pool than the posted one: `posted_role_code`,
    `posted_pool_id`, `role_code`, `pool_id`, `duties` and `officer_hours`, most hours first.
    """
    places = ["posted_role_code", "posted_pool_id", "role_code", "pool_id"]
    return (
        _as_it_came(duties)
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


# ---- duties, turns and what people may do ----


def _as_it_came(duties: pl.DataFrame) -> pl.DataFrame:
    """Leave out planned duties during which the same person has one that was worked; adds their times in seconds."""
    timed = duties.with_columns(begins=pl.col("starts_at").dt.epoch("s"), finishes=pl.col("ends_at").dt.epoch("s"))
    planned, worked = (timed.filter(pl.col("kind") == kind) for kind in ("planned", "worked"))
    if planned.is_empty() or worked.is_empty():
        return timed
    next_worked = _turns(worked).select("person_id", worked_from="begins", worked_until="finishes")
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


def _turns(duties: pl.DataFrame) -> pl.DataFrame:
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


def _place_refreshments(turns: pl.DataFrame, refreshments: Sequence[tuple[float, int]]) -> pl.DataFrame:
    """Give each turn its refreshments, by its length."""
    rows = sorted(refreshments)
    alike = ["role_code", "pool_id", "begins", "finishes"]
    placed = turns.with_columns(
        rank=pl.col("person_id").rank("ordinal").over(alike).cast(pl.Int64) - 1, last=pl.len().over(alike) - 1
    )
    begins, finishes = placed["begins"].to_numpy(), placed["finishes"].to_numpy()
    reached = np.searchsorted([round(hours * 3600) for hours, _ in rows], finishes - begins, side="right")
    window = (finishes - begins) // 2
    lasts = np.minimum(np.array([0, *(minutes * 60 for _, minutes in rows)])[reached], window)
    rank, last = placed["rank"].to_numpy(), placed["last"].cast(pl.Int64).to_numpy()
    later = np.where(last > 0, (window - lasts) * rank // np.maximum(last, 1), (window - lasts) // 2)
    start = begins + (finishes - begins) // 4 + later
    return placed.select("person_id").with_columns(begins=pl.Series(start), finishes=pl.Series(start + lasts))


def _capability(
    duties: pl.DataFrame, people: pl.DataFrame, time_zone: str, day_starts_at: int, desk_roles: Sequence[str]
) -> pl.DataFrame:
    """Add to each duty what its person may do on its day: `is_tutored`, `is_restricted`, `needs_partner`, `is_known`.

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
        is_known=pl.lit(value=True),
    )  # fmt: skip
    of_day = (
        numbered.select("duty", "person_id", day=day)
        .join(flags, on="person_id")
        .filter(holds)
        .sort("duty", "valid_from", nulls_last=False)
        .unique("duty", keep="last")
        .drop("person_id", "day", "valid_from", "valid_to")
    )
    found = ["is_tutored", "is_restricted", "needs_partner", "is_known"]
    goes_out = ~pl.col("role_code").is_in(list(desk_roles))
    return (
        numbered.join(of_day, on="duty", how="left", maintain_order="left")
        .with_columns(pl.col(found).fill_null(value=False))
        .with_columns(pl.col("is_restricted", "needs_partner") & goes_out)
    )


# ---- the sheet, second by second ----


@dataclass(frozen=True)
class _Sheet:
    """Pieces of duty, each person in one place and one state in each: `place`, `state`, `begins`, `finishes`."""

    pieces: pl.DataFrame
    notes: list[str]


def _read_sheet(
    duties: pl.DataFrame, absent: pl.DataFrame, briefing: pl.DataFrame, refreshments: pl.DataFrame, clock: _Hours
) -> _Sheet:
    """Cut everybody's time wherever something begins or ends, and say of each piece where and what the person is.

    All people's times lie one after another on one line, each on a stretch of its own, so that the cuts are one sorted
    array. `duties` are in the order in which a later one lies on an earlier one.
    """
    persons = duties.select("person_id").unique().sort("person_id").with_row_index("person")
    origin, stretch = int(clock.starts[0]), clock.ends_at - int(clock.starts[0]) + 1

    def on_line(spans: pl.DataFrame) -> tuple[Integers, Integers]:
        found = spans.join(persons, on="person_id", maintain_order="left")
        base = found["person"].cast(pl.Int64).to_numpy() * stretch - origin
        return base + clock.clip(found["begins"].to_numpy()), base + clock.clip(found["finishes"].to_numpy())

    layers = [on_line(each) for each in (duties, absent, briefing, refreshments)]
    # The line begins at 0, so that there is a cut even where there is no duty.
    cuts = np.unique(np.concatenate([np.zeros(1, dtype=np.int64), *(edge for layer in layers for edge in layer)]))

    def depth(layer: tuple[Integers, Integers]) -> Integers:
        change = np.zeros(len(cuts), dtype=np.int64)
        for edge, step in zip(layer, (1, -1), strict=True):
            np.add.at(change, np.searchsorted(cuts, edge), step)
        found: Integers = change.cumsum()[:-1]
        return found

    on_duty, is_absent, in_briefing, at_refreshments = (depth(layer) for layer in layers)
    low, high = (np.searchsorted(cuts, edge) for edge in layers[0])
    piece = np.repeat(low - np.append(0, (high - low).cumsum())[:-1], high - low) + np.arange((high - low).sum())
    duty = np.repeat(np.arange(duties.height), high - low)
    top = np.full(len(cuts) - 1, -1, dtype=np.int64)
    np.maximum.at(top, piece, duty)
    taken = np.flatnonzero(top >= 0)
    of_duty = {name: duties[name].to_numpy()[top[taken]] for name in ("is_tutored", "is_restricted", "needs_partner")}
    conditions = (
        is_absent[taken] > 0, of_duty["is_tutored"], of_duty["is_restricted"], in_briefing[taken] > 0,
        at_refreshments[taken] > 0, of_duty["needs_partner"],
    )  # fmt: skip
    begins = cuts[taken] % stretch + origin
    pieces = pl.DataFrame(
        {
            "place": duties["place"].to_numpy()[top[taken]],
            "state": np.select(list(conditions), list(range(len(conditions))), len(conditions)),
            "begins": begins,
            "finishes": begins + (cuts[1:] - cuts[:-1])[taken],
        },
        schema={"place": pl.Int64, "state": pl.Int64, "begins": pl.Int64, "finishes": pl.Int64},
    )
    place = duties["place"].to_numpy()[duty]
    lowest, highest = np.full(len(top), np.iinfo(np.int64).max), np.full(len(top), -1)
    np.minimum.at(lowest, piece, place)
    np.maximum.at(highest, piece, place)
    twice = np.flatnonzero(on_duty > 1)
    whose = cuts[twice] // stretch
    elsewhere = (lowest != highest)[twice]
    seconds = int((cuts[twice + 1] - cuts[twice]).sum())
    return _Sheet(pieces, _notes_on_overlaps(len(np.unique(whose)), len(np.unique(whose[elsewhere])), seconds))


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


def _notes_on_overlaps(people: int, in_two_places: int, seconds: int) -> list[str]:
    if not people:
        return []
    elsewhere = f", {in_two_places:,} of them in two pools at once" if in_two_places else ""
    have = "person has" if people == 1 else "people have"
    return [
        f"{people:,} {have} duties that overlap{elsewhere} ({count_of(round(seconds / 3600), 'hour')}). That time "
        "counts once, in the duty that starts last."
    ]


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
