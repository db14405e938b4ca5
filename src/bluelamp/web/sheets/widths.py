"""How wide the columns of a table are on paper, and what becomes of a table that is wider than its page.

Letters are measured by the widths of a usual sans serif, a little too wide rather than too narrow. A table that does
not fit gets smaller letters, then is parted: each part begins with the table's first column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Of a sheet of A4 with its margins, in points.
PORTRAIT, LANDSCAPE = 510.0, 757.0
SIZES = (8.0, 7.0, 6.2)
_PADDING = 8.0
# As a share of the size of the letters.
_NARROW, _USUAL, _DIGIT, _CAPITAL, _BROAD = 0.30, 0.53, 0.57, 0.70, 0.90
_BOLD = 1.08


@dataclass(frozen=True)
class Cell:
    """What a cell needs: its text, the width of a picture in it, and whether lines may be broken between words."""

    text: str
    picture: float = 0.0
    is_bold: bool = False
    is_whole: bool = False


@dataclass(frozen=True)
class Layout:
    """Columns as they are printed: the size of the letters, and for each part its columns and their widths."""

    size: float
    parts: tuple[tuple[tuple[int, ...], tuple[float, ...]], ...]


def width_of(text: str, size: float) -> float:
    """Give the width of a text in points."""
    return size * sum(_of_letter(each) for each in text)


def _of_letter(letter: str) -> float:
    if letter in "iljt.,:;'|!()[] ":
        return _NARROW
    if letter.isdigit():
        return _DIGIT
    if letter in "mwMW%@—":
        return _BROAD
    if ord(letter) > 0x1100:  # beyond alphabets, letters are as broad as they are high
        return 1.0
    return _CAPITAL if letter.isupper() else _USUAL


def lay_out(rows: Sequence[Sequence[Cell]], available: float) -> Layout:
    """Give the widths of a table's columns; each row has a cell, which may be empty, for every column."""
    count = max((len(row) for row in rows), default=0)
    for size in SIZES:
        least, most = _needs(rows, count, size)
        if sum(least) <= available:
            return Layout(size, ((tuple(range(count)), _shared(least, most, available)),))
    # A table that is parted anyway need not be small.
    size = SIZES[1]
    least, most = _needs(rows, count, size)
    parts = _parted(least, available)
    return Layout(
        size,
        tuple((part, _shared([least[each] for each in part], [most[each] for each in part], available))
              for part in parts),
    )  # fmt: skip


def preferred(rows: Sequence[Sequence[Cell]]) -> tuple[float, float]:
    """Give the least width of a table in the largest letters, and the one at which no line of it is broken."""
    least, most = _needs(rows, max((len(row) for row in rows), default=0), SIZES[0])
    return sum(least), sum(most)


def _needs(rows: Sequence[Sequence[Cell]], count: int, size: float) -> tuple[list[float], list[float]]:
    least, most = [0.0] * count, [0.0] * count
    for row in rows:
        for column, cell in enumerate(row):
            bold = _BOLD if cell.is_bold else 1.0
            lines = cell.text.splitlines() or [""]
            words = [width_of(word, size) * bold for word in (lines if cell.is_whole else cell.text.split())]
            least[column] = max(least[column], cell.picture, *words, 0.0)
            most[column] = max(most[column], cell.picture, *(width_of(line, size) * bold for line in lines))
    return [each + _PADDING for each in least], [each + _PADDING for each in most]


def _shared(least: Sequence[float], most: Sequence[float], available: float) -> tuple[float, ...]:
    """Share out what is left once every column holds its longest word."""
    if sum(most) <= available:
        return tuple(most)
    wanted = [high - low for low, high in zip(least, most, strict=True)]
    spare = max(available - sum(least), 0.0)
    shrink = min(1.0, available / sum(least))
    return tuple(low * shrink + spare * want / sum(wanted) for low, want in zip(least, wanted, strict=True))


def _parted(least: Sequence[float], available: float) -> list[tuple[int, ...]]:
    """Part columns into as few parts as hold them, about as wide as each other, each with the first column."""
    rest = sum(least[1:])
    count = max(1, -int(-rest // max(available - least[0], 1.0)))
    while True:
        parts: list[list[int]] = [[0]]
        for column in range(1, len(least)):
            wide = sum(least[each] for each in parts[-1])
            is_full = wide - least[0] >= rest / count or wide + least[column] > available
            if len(parts[-1]) > 1 and is_full:
                parts.append([0])
            parts[-1].append(column)
        # Rounding may leave a part over: it is one more then, and all are narrower.
        if len(parts) <= count or count >= len(least):
            return [tuple(part) for part in parts]
        count += 1
