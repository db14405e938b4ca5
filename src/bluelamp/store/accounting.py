"""Accounting at the door: of each row whether it is new, updated, unchanged or a duplicate.

The rules, in the order in which they are tried:

- the same row stands earlier in the file: duplicate;
- the store has held the same row before, in whatever version of its key: unchanged;
- the key is known, from the store or from earlier in the file: updated, and both versions are kept;
- else: accepted.

A hash of the key only finds the stored rows worth comparing. What is decided is decided by comparing every value, so
that no row is lost to two keys or two rows that happen to share a hash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from bluelamp import periods, tables

_Hashes = npt.NDArray[np.uint64]
_Positions = npt.NDArray[np.int64]

_POSITION = "_position"
_ACCEPTED, _UPDATED, _UNCHANGED, _DUPLICATE = range(4)


@dataclass(frozen=True)
class Counts:
    """How many rows fell to each rule; `read` is their sum."""

    accepted: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0

    @property
    def read(self) -> int:
        """Rows read."""
        return self.accepted + self.updated + self.unchanged + self.duplicate + self.quarantined

    def __add__(self, other: Counts) -> Counts:
        """Add up two chunks."""
        return Counts(
            self.accepted + other.accepted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.duplicate + other.duplicate,
            self.quarantined + other.quarantined,
        )


@dataclass(frozen=True)
class Shelf:
    """The stored files of a table, of all versions, in order: how many rows, from which key to which, how to read.

    `first_keys` and `last_keys` are as `key_range` gives them, empty where a file's range is not known. A file is not
    read before a key of the import may lie in it, so that a year of small files costs a small import little.
    """

    rows: pl.Series
    first_keys: pl.Series
    last_keys: pl.Series
    read: Callable[[int, Sequence[str]], pl.DataFrame]


def ranged_column(name: str) -> str:
    """Give the column of a table's key by whose range files are passed over: its instant, as rows come in the order of
    time, else the first.
    """
    definition = tables.table(name)
    instants = (each for each in definition.key if definition.by_name[each].type == "datetime")
    return next(instants, definition.key[0])


def key_range(frame: pl.DataFrame, name: str) -> tuple[str | None, str | None]:
    """Give the range of a file's keys, of `ranged_column`, as text that may be written down; nothing where none may.

    With it an import of today's rows leaves the files of other days unread. Of numbers no more is written than tells
    files apart: what the first and the last begin with in common and three characters on, never a whole number, because
    a list that only grows would keep it when the incident is erased. Both stand for all numbers that begin so.
    """
    column = tables.table(name).by_name[ranged_column(name)]
    keys = frame[column.name]
    if column.sensitive or column.polars not in (pl.String, pl.Date, periods.INSTANT) or keys.null_count():
        return None, None
    low, high = keys.min(), keys.max()
    if isinstance(low, str) and isinstance(high, str):
        shared = next((at for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low))
        return low[: _kept_of(low, shared)], high[: _kept_of(high, shared)]
    if isinstance(low, date) and isinstance(high, date):
        return low.isoformat(), high.isoformat()
    return None, None


def _kept_of(key: str, shared: int) -> int:
    return max(0, min(shared + 3, len(key) - 2))


class Door:
    """Decides, chunk by chunk, which rows of one import are to be stored."""

    def __init__(self, name: str, shelf: Shelf) -> None:
        self._name = name
        self._columns = tables.table(name).columns
        self._keys = list(tables.table(name).key)
        self._shelf = shelf
        # Every known row has a position: first those of the shelf, then those of this import, as they come.
        self._starts = np.concatenate([[0], np.cumsum(shelf.rows.to_numpy())]).astype(np.int64)
        self._first_of_import = int(self._starts[-1])
        self._is_unread = np.ones(shelf.rows.len(), dtype=np.bool_)
        self._first_keys, self._last_keys = _as_keys(shelf, name)
        self._is_seen = np.zeros(self._first_of_import, dtype=np.bool_)
        self._index = _Index()
        self._own: list[_Stretch] = []

    def judge(self, chunk: pl.DataFrame) -> tuple[pl.DataFrame, Counts]:
        """Give the rows to be stored, with `is_update`, and the counts. They are known from now on."""
        hashes = _hash_of(chunk, self._keys)
        self._read_keys(chunk)
        is_contested = self._index.holds(hashes) | pl.Series(hashes).is_duplicated().to_numpy()
        contested = chunk.filter(pl.Series(is_contested))
        verdict = np.full(chunk.height, _ACCEPTED, dtype=np.int8)
        if contested.height:
            verdict[is_contested] = self._judge_contested(contested, np.unique(hashes[is_contested]))
        kept = (verdict == _ACCEPTED) | (verdict == _UPDATED)
        stored = chunk.with_columns(is_update=pl.Series(verdict == _UPDATED)).filter(pl.Series(kept))
        self._learn(stored, hashes[kept])
        numbers = np.bincount(verdict, minlength=4).tolist()
        return stored, Counts(*numbers)

    def revise(self, chunk: pl.DataFrame) -> tuple[pl.DataFrame, Counts]:
        """Give the rows, each to be stored as an update whatever was held before, and the counts."""
        stored = chunk.with_columns(is_update=pl.lit(True))
        self._learn(stored, _hash_of(chunk, self._keys))
        return stored, Counts(updated=chunk.height)

    def _judge_contested(self, contested: pl.DataFrame, hashes: _Hashes) -> npt.NDArray[np.int8]:
        known = self._gather(self._index.positions(hashes))
        # Only what was revised is held more than once.
        known = known.unique(self._columns, keep="first", maintain_order=True)
        whole, key = pl.struct(self._columns), pl.struct(self._keys)
        judged = (
            contested.with_columns(is_repeated=~whole.is_first_distinct(), is_later=~key.is_first_distinct())
            .join(known, on=self._columns, how="left", nulls_equal=True, maintain_order="left")
            .join(
                known.select(self._keys).unique().with_columns(is_known=pl.lit(True)),
                on=self._keys,
                how="left",
                nulls_equal=True,
                maintain_order="left",
            )
        )
        position = judged[_POSITION].fill_null(-1).to_numpy()
        is_held = position >= 0
        is_repeated = judged["is_repeated"].to_numpy() | (position >= self._first_of_import)
        on_shelf = np.flatnonzero(is_held & (position < self._first_of_import))
        is_repeated[on_shelf] |= self._is_seen[position[on_shelf]]
        self._is_seen[position[on_shelf]] = True
        is_update = (judged["is_known"].fill_null(False) | judged["is_later"]).to_numpy()
        verdict = np.select([is_repeated, is_held, is_update], [_DUPLICATE, _UNCHANGED, _UPDATED], default=_ACCEPTED)
        return verdict.astype(np.int8)

    def _gather(self, positions: _Positions) -> pl.DataFrame:
        """Read the known rows at these positions, whole, file by file."""
        ordered = np.sort(positions)
        found = [pl.DataFrame(schema={**tables.table(self._name).polars_schema, _POSITION: pl.Int64()})]
        bounds = np.searchsorted(ordered, self._starts)
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            here = ordered[bounds[number] : bounds[number + 1]]
            rows = self._shelf.read(number, self._columns)[here - self._starts[number]]
            found.append(rows.with_columns(pl.Series(_POSITION, here)))
        for own in self._own:
            here = ordered[slice(*np.searchsorted(ordered, [own.start, own.start + own.height]))]
            if len(here):
                found.append(own.read()[here - own.start].with_columns(pl.Series(_POSITION, here)))
        return pl.concat(found)

    def _read_keys(self, chunk: pl.DataFrame) -> None:
        """Take up the keys of the shelf, of those files only in whose range the chunk has one."""
        wanted = self._is_unread
        keys = chunk[ranged_column(self._name)]
        if wanted.any() and not keys.null_count():
            ordered = keys.unique().sort()
            first = ordered.search_sorted(self._first_keys, side="left")
            last = ordered.search_sorted(self._last_keys, side="right")
            is_elsewhere = self._first_keys.is_not_null() & self._last_keys.is_not_null() & (first == last)
            wanted = wanted & ~is_elsewhere.to_numpy()
        for number in np.flatnonzero(wanted).tolist():
            self._index.add(_hash_of(self._shelf.read(number, self._keys), self._keys), int(self._starts[number]))
        self._is_unread = self._is_unread & ~wanted
        self._index.settle()

    def _learn(self, stored: pl.DataFrame, hashes: _Hashes) -> None:
        if stored.is_empty():
            return
        start = self._own[-1].start + self._own[-1].height if self._own else self._first_of_import
        self._own.append(_Stretch(start, stored.height, lambda: stored.select(self._columns)))
        self._index.add(hashes, start)
        self._index.settle()

    def held_between(self, first: datetime, last: datetime, columns: Sequence[str]) -> pl.DataFrame:
        """Give the rows of the shelf, of all versions, whose ranged instant lies from one moment to another.

        Only files that may have one are read; those of which the range is not known are passed over.
        """
        is_near = ((self._first_keys <= last) & (self._last_keys >= first)).fill_null(value=False)
        column = ranged_column(self._name)
        shape = tables.table(self._name).polars_schema
        found = [pl.DataFrame(schema={each: shape[each] for each in columns})]
        for number in np.flatnonzero(is_near.to_numpy()).tolist():
            rows = self._shelf.read(number, list(dict.fromkeys([*columns, column])))
            found.append(rows.filter(pl.col(column).is_between(first, last)).select(columns))
        return pl.concat(found)

    def written(self, stretches: int, read: Callable[[], pl.DataFrame]) -> None:
        """Say that the last `stretches` chunks can be read from one file, so that memory need not keep them."""
        taken = self._own[-stretches:]
        self._own[-stretches:] = [_Stretch(taken[0].start, sum(each.height for each in taken), read)]


@dataclass(frozen=True)
class _Stretch:
    """Rows of this import that follow each other."""

    start: int
    height: int
    read: Callable[[], pl.DataFrame]


def _as_keys(shelf: Shelf, name: str) -> tuple[pl.Series, pl.Series]:
    """Give the first and the last keys of a shelf's files as the column's own type."""
    kind = tables.table(name).by_name[ranged_column(name)].polars
    first, last = shelf.first_keys, shelf.last_keys
    if kind == pl.String:
        # The end of a range stands for all that begins with it.
        return first, last + "\U0010ffff"
    if kind == pl.Date:
        return first.str.to_date("%Y-%m-%d"), last.str.to_date("%Y-%m-%d")
    form = "%Y-%m-%dT%H:%M:%S%.f%:z"
    return (
        first.str.to_datetime(form, time_unit="us", time_zone="UTC"),
        last.str.to_datetime(form, time_unit="us", time_zone="UTC"),
    )


def _hash_of(frame: pl.DataFrame, keys: list[str]) -> _Hashes:
    # Only compared within this process: Polars may hash otherwise in its next version.
    hashes: _Hashes = frame.select(keys).hash_rows(seed=0).to_numpy()
    return hashes


class _Index:
    """Where rows with a hash stand. Kept as a few sorted runs, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._new: list[tuple[_Hashes, _Positions]] = []
        self._runs: list[tuple[_Hashes, _Positions]] = []

    def add(self, hashes: _Hashes, start: int) -> None:
        """Take up rows that stand one after the other from `start`."""
        self._new.append((hashes, np.arange(start, start + len(hashes), dtype=np.int64)))

    def settle(self) -> None:
        """Sort what was added, merging runs that have come near in length."""
        if not self._new:
            return
        parts, self._new = self._new, []
        length = sum(len(hashes) for hashes, _ in parts)
        while self._runs and len(self._runs[-1][0]) < 2 * length:
            parts.append(self._runs.pop())
            length += len(parts[-1][0])
        hashes = np.concatenate([each for each, _ in parts])
        positions = np.concatenate([each for _, each in parts])
        order = np.argsort(hashes)
        self._runs.append((hashes[order], positions[order]))

    def holds(self, hashes: _Hashes) -> npt.NDArray[np.bool_]:
        """Say for each hash whether a known row has it."""
        # In order they are looked up several times faster: neighbours lie near each other in memory.
        order = np.argsort(hashes)
        ordered = hashes[order]
        is_found = np.zeros(len(hashes), dtype=np.bool_)
        for run, _ in self._runs:
            if len(run):
                place = np.minimum(np.searchsorted(run, ordered), len(run) - 1)
                is_found |= run[place] == ordered
        found = np.empty_like(is_found)
        found[order] = is_found
        return found

    def positions(self, hashes: _Hashes) -> _Positions:
        """Give the positions of all known rows that have one of these distinct hashes."""
        found = [np.empty(0, dtype=np.int64)]
        for run, positions in self._runs:
            first = np.searchsorted(run, hashes, side="left")
            lengths = np.searchsorted(run, hashes, side="right") - first
            if not lengths.any():
                continue
            skipped = np.cumsum(lengths) - lengths
            places = np.arange(int(lengths.sum())) + np.repeat(first - skipped, lengths)
            found.append(positions[places])
        return np.concatenate(found)
