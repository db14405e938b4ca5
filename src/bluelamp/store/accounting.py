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

import numpy as np
import numpy.typing as npt
import polars as pl

from bluelamp import tables

_Hashes = npt.NDArray[np.uint64]
_Positions = npt.NDArray[np.int64]

_POSITION = "_position"
_ROW = "_row"


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


@dataclass
class Rows:
    """A stretch of known rows: a stored file, or rows of this import that wait to be written."""

    height: int
    keys: Callable[[], pl.DataFrame]
    whole: Callable[[], pl.DataFrame]
    first_key: str | None = None
    last_key: str | None = None


def key_range(frame: pl.DataFrame, name: str) -> tuple[str | None, str | None]:
    """Give the first and last value of the first key column as text, or nothing where it may not be written down.

    With it an import of today's rows leaves the files of other days unread.
    """
    first = tables.table(name).by_name[tables.table(name).key[0]]
    if first.sensitive or first.polars not in (pl.String, pl.Date) or frame[first.name].null_count():
        return None, None
    text = frame[first.name].cast(pl.String)
    low, high = text.min(), text.max()
    return (low, high) if isinstance(low, str) and isinstance(high, str) else (None, None)


class Door:
    """Decides, chunk by chunk, which rows of one import are to be stored.

    `stored` are the stretches of rows that the store holds of the table, of all versions.
    """

    def __init__(self, name: str, stored: Sequence[Rows]) -> None:
        self._columns = tables.table(name).columns
        self._keys = list(tables.table(name).key)
        self._name = name
        self._stretches = list(stored)
        self._starts = [0, *np.cumsum([each.height for each in stored], dtype=np.int64).tolist()]
        self._first_of_import = self._starts[-1]
        self._unread = set(range(len(stored)))
        self._seen = np.zeros(self._first_of_import, dtype=np.bool_)
        self._index = _Index()

    def judge(self, chunk: pl.DataFrame) -> tuple[pl.DataFrame, Counts]:
        """Give the rows to be stored, with `is_update`, and the counts. They are known from now on."""
        hashes = _hash_of(chunk, self._keys)
        self._read_keys(chunk)
        is_contested = self._index.holds(hashes) | pl.Series(hashes).is_duplicated().to_numpy()
        contested = chunk.with_row_index(_ROW).filter(pl.Series(is_contested))
        # 0 accepted, 1 updated, 2 unchanged, 3 duplicate
        verdict = np.zeros(chunk.height, dtype=np.int8)
        if contested.height:
            verdict[is_contested] = self._judge_contested(contested, np.unique(hashes[is_contested]))
        kept = verdict < 2
        stored = chunk.with_columns(is_update=pl.Series(verdict == 1)).filter(pl.Series(kept))
        self._learn(stored, hashes[kept])
        numbers = np.bincount(verdict, minlength=4).tolist()
        return stored, Counts(*numbers)

    def _judge_contested(self, contested: pl.DataFrame, hashes: _Hashes) -> npt.NDArray[np.int8]:
        known = self._gather(self._index.positions(hashes))
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
        is_of_import = position >= self._first_of_import
        held_before = np.where(is_held & ~is_of_import, position, 0)
        is_seen = is_of_import.copy()
        if self._first_of_import:
            is_seen |= is_held & ~is_of_import & self._seen[held_before]
        is_repeated = judged["is_repeated"].to_numpy() | is_seen
        if self._first_of_import:
            self._seen[position[is_held & ~is_of_import]] = True
        is_update = (judged["is_known"].fill_null(False) | judged["is_later"]).to_numpy()
        verdict = np.select([is_repeated, is_held, is_update], [3, 2, 1], default=0)
        return verdict.astype(np.int8)

    def _gather(self, positions: _Positions) -> pl.DataFrame:
        """Read the known rows at these positions, whole, stretch by stretch."""
        ordered = np.sort(positions)
        bounds = np.searchsorted(ordered, self._starts)
        found = [pl.DataFrame(schema={**tables.table(self._name).polars_schema, _POSITION: pl.Int64()})]
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            here = ordered[bounds[number] : bounds[number + 1]]
            rows = self._stretches[number].whole()[here - self._starts[number]]
            found.append(rows.select(self._columns).with_columns(pl.Series(_POSITION, here)))
        return pl.concat(found)

    def _read_keys(self, chunk: pl.DataFrame) -> None:
        """Take up the keys of stored stretches, of those only whose range of keys the chunk touches."""
        low, high = key_range(chunk, self._name)
        for number in sorted(self._unread):
            stretch = self._stretches[number]
            if (
                low is not None
                and high is not None
                and stretch.first_key is not None
                and stretch.last_key is not None
                and (stretch.last_key < low or stretch.first_key > high)
            ):
                continue
            self._unread.discard(number)
            self._index.add(_hash_of(stretch.keys(), self._keys), self._starts[number])
        self._index.settle()

    def _learn(self, stored: pl.DataFrame, hashes: _Hashes) -> None:
        if stored.is_empty():
            return
        start = self._starts[-1]
        self._stretches.append(Rows(stored.height, lambda: stored.select(self._keys), lambda: stored))
        self._starts.append(start + stored.height)
        self._index.add(hashes, start)
        self._index.settle()

    def written(self, rows: Rows, stretches: int) -> None:
        """Say that the last `stretches` chunks were written as one file, so that memory need not keep them."""
        start = self._starts[-1 - stretches]
        del self._stretches[-stretches:]
        del self._starts[-stretches:]
        self._stretches.append(rows)
        self._starts.append(start + rows.height)


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
        found = np.zeros(len(hashes), dtype=np.bool_)
        for run, _ in self._runs:
            if len(run):
                place = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
                found |= run[place] == hashes
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
