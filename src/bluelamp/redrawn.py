"""Areas that take the place of others: from which day to which each set of them holds.

A file of boundaries is a set of areas with a first day. It holds from then until the day before the next set that is
held already begins; whatever held on those days gives way, and all other days stay as they were. So of however many
files, imported in whatever order, one at most is in force on any day. The same areas with another first day are no
second set: that day was wrong, and is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from bluelamp import tables
from bluelamp.errors import count_of

_KEY = ["area_id", "valid_from"]
_first, _last = pl.col("valid_from").fill_null(date.min), pl.col("valid_to").fill_null(date.max)


@dataclass(frozen=True)
class Succession:
    """What a set of areas and those held before become of each other, as rows of table `areas`.

    `rows` are the set's own, with the days on which they hold. `others` are those of the held that change: they end
    earlier or later, go on after the set, or are taken back. `notes` say so.
    """

    rows: pl.DataFrame
    others: pl.DataFrame
    notes: list[str]


def that_hold(areas: pl.DataFrame) -> pl.DataFrame:
    """Leave out the rows that were taken back: they end before they begin, and hold on no day."""
    return areas.filter(_last >= pl.col("valid_from").fill_null(_day_after(date.min)))


def kinds_of(areas: pl.DataFrame) -> dict[str, str]:
    """Say by code which areas are urban or rural: as the latest row that says so has it."""
    told = _lowest(that_hold(areas)).filter(pl.col("kind") != "all").sort("valid_from", nulls_last=False)
    return dict(told.select("area_id", "kind").iter_rows())


def succeed(held: pl.DataFrame, new: pl.DataFrame) -> Succession:
    """Give the days that a new set of areas is for to it alone.

    `held` and `new` are tables `areas`. A set whose rows begin on several days, such as a file that has both old and
    new beats, is for the days from the earliest on. Where the set next to it in time has the very same areas (by code
    and boundary), it is that set with its first day corrected: moved as a whole, with what came before it.
    """
    held, of_set = that_hold(held), _lowest(new) if "area" in new["level"] else new
    starts, last_start = of_set.select(first=_first.min(), last=_first.max()).row(0)
    following = _next_start(held, last_start)
    moved_from = None
    stay = held
    is_plain = starts == last_start and of_set["valid_to"].null_count() == of_set.height
    if is_plain and not _are_same(_lowest(held).filter(_first == starts), of_set):
        preceding = _start_before(held, starts)
        if following is not None and _are_same(_on(held, following), of_set):
            moved_from, following = following, _next_start(held, following)
        elif preceding is not None and _are_same(_on(held, preceding), of_set):
            moved_from, stay = preceding, _closed_up(held, preceding, starts)
    ends = date.max if following is None else _day_before(following)
    stay = _without_days(stay, starts, ends).join(new, on=_KEY, how="anti", nulls_equal=True, maintain_order="left")
    rows = new.with_columns(valid_to=pl.when(_last > ends).then(pl.lit(ends)).otherwise("valid_to"))
    changed = stay.join(held, on=held.columns, how="anti", nulls_equal=True, maintain_order="left")
    gone = held.join(pl.concat([stay, rows]), on=_KEY, how="anti", nulls_equal=True, maintain_order="left")
    notes = _notes(starts, following, moved_from, changed, gone)
    return Succession(rows, tables.publish(pl.concat([changed, _taken_back(gone)]), "areas"), notes)


def _lowest(areas: pl.DataFrame) -> pl.DataFrame:
    return areas.filter(pl.col("level") == "area")


def _on(areas: pl.DataFrame, day: date) -> pl.DataFrame:
    return _lowest(areas).filter(pl.lit(day).is_between(_first, _last))


def _next_start(areas: pl.DataFrame, day: date) -> date | None:
    return _lowest(areas).filter(_first > day).select(_first.min()).item()  # type: ignore[no-any-return]


def _start_before(areas: pl.DataFrame, day: date) -> date | None:
    """Give the day on which the set in force before a day began, all of it; none where it has no first day."""
    if day == date.min:
        return None
    starts = _on(areas, _day_before(day))["valid_from"].unique()
    return starts.item() if len(starts) == 1 else None


def _are_same(some: pl.DataFrame, others: pl.DataFrame) -> bool:
    what = ["area_id", "boundary"]
    return some.select(what).sort(what).equals(others.select(what).sort(what))


def _closed_up(areas: pl.DataFrame, start: date, day: date) -> pl.DataFrame:
    """Leave out the set that began on one day, and let what ended for it hold until the day before another."""
    gave_way = _last == _day_before(start)
    return areas.filter(_first != start).with_columns(
        valid_to=pl.when(gave_way).then(pl.lit(_day_before(day))).otherwise("valid_to")
    )


def _without_days(areas: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """Take some days away from areas: what holds before and after them goes on doing so."""
    away = areas.filter((_first > last) | (_last < first))
    parts = [away]
    if first > date.min:
        parts.append(areas.filter(_first < first, _last >= first).with_columns(valid_to=pl.lit(_day_before(first))))
    if last < date.max:
        parts.append(areas.filter(_first <= last, _last > last).with_columns(valid_from=pl.lit(_day_after(last))))
    return pl.concat(parts).unique(_KEY, keep="first", maintain_order=True)


def _taken_back(areas: pl.DataFrame) -> pl.DataFrame:
    return areas.with_columns(valid_to=pl.coalesce(pl.col("valid_from").dt.offset_by("-1d"), pl.lit(date.min)))


def _day_before(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)


def _day_after(day: date) -> date:
    return date.fromordinal(day.toordinal() + 1)


def _notes(
    starts: date, following: date | None, moved_from: date | None, changed: pl.DataFrame, gone: pl.DataFrame
) -> list[str]:
    since = "at all times" if starts == date.min else f"from {starts}"
    notes = []
    if moved_from is not None:
        notes.append(f"The same areas held from {moved_from} so far. That day is corrected: they hold {since}.")
    ended = changed.filter(_last == _day_before(starts)) if starts > date.min else changed.clear()
    areas = _lowest(ended).height
    if areas:
        hold = f"They hold {since}; the" if moved_from is None else "The"
        verb = "ends" if areas == 1 else "end"
        notes.append(f"{hold} {count_of(areas, 'area')} that the force had before {verb} on {_day_before(starts)}.")
    if following is not None:
        notes.append(
            f"They hold until {_day_before(following)}, because the force has others from {following} on. Where these "
            f"are to take their place, too, import this file with valid_from = {following} under [areas] in "
            "force.toml, and then once more as now."
        )
    lost = _lowest(gone)
    if moved_from is not None:
        lost = lost.filter(_first != moved_from)
    if lost.height:
        codes = lost["area_id"].unique(maintain_order=True).to_list()
        more = f" and {len(codes) - 5:,} more" if len(codes) > 5 else ""
        notes.append(
            f"{count_of(lost.height, 'area is', 'areas are')} taken back, because this file is for the same days and "
            f"does not have them: {', '.join(codes[:5])}{more}. One file holds all areas of its day. A view of an "
            "earlier moment (--as-of) still has them."
        )
    return notes
