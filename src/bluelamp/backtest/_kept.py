"""What a backtest has done so far, kept beside the store as soon as it is done, and found again by what it was made of.

`backtest/KEY/` holds three files for each origin and method; `KEY` is a hash of the demand, the settings, the code
and the versions that figures depend on, so that nothing old is ever taken for new. `backtest/latest.json` says which of
them the last finished backtest consists of. All of it can be deleted: it is worked out again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from bluelamp.peaks import JUDGED

FOLDER = "backtest"
LATEST = "latest.json"
# What scores are made by; what is only told of them may change without making them again.
_CODE = (
    "forecast", "backtest/_enough.py", "backtest/_offences.py", "backtest/_trial.py", "scoring.py", "quantiles.py",
    "periods.py", "shifts.py", "aoristic.py", "incidents/offences.py", "peaks/_hours.py", "peaks/_judged.py",
    "peaks/_told.py", "peaks/_usual.py",
)  # fmt: skip


def hash_of(parts: Mapping[str, Any]) -> str:
    """Give a hash of values that can be written as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def hash_rows(rows: pl.DataFrame) -> str:
    """Give a hash of a table's content, in the order of its rows."""
    return hashlib.sha256(rows.write_csv().encode()).hexdigest()


def hash_code() -> str:
    """Give a hash of the code that forecasts and scores."""
    digest = hashlib.sha256()
    root = files("bluelamp")
    for name in _CODE:
        where = root.joinpath(*name.split("/"))
        for each in sorted(where.iterdir(), key=lambda file: file.name) if where.is_dir() else [where]:
            if each.name.endswith(".py"):
                digest.update(each.name.encode() + each.read_bytes())
    return digest.hexdigest()


class Piece(NamedTuple):
    """What one method was worth at one origin: scores, weak spots, and how its peaks came true."""

    scores: pl.DataFrame
    spots: pl.DataFrame
    peaks: pl.DataFrame


class Kept:
    """The pieces of one key."""

    def __init__(self, folder: Path | str, key: str) -> None:
        self._path = Path(folder) / FOLDER / key[:16]

    def read(self, day: date, method: str, *, is_older: bool = False) -> Piece | None:
        """Give what is kept of a method at an origin; None where a part is not there, or harmed. What an older version
        kept may lack peaks, or tried those of incidents alone.
        """
        scores, spots, judged = self._files(day, method)
        try:
            found = pl.DataFrame(schema=JUDGED) if is_older and not judged.exists() else pl.read_parquet(judged)
            if "counted" not in found.columns:
                found = found.with_columns(counted=pl.lit("incidents"))
            return Piece(pl.read_parquet(scores), pl.read_parquet(spots), found.select(list(JUDGED)))
        except (OSError, pl.exceptions.PolarsError):
            return None

    def write(self, day: date, method: str, piece: Piece) -> None:
        """Keep it. Either all of it is there, or it counts as not done."""
        self._path.mkdir(parents=True, exist_ok=True)
        for path, rows in zip(self._files(day, method), piece, strict=True):
            beside = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                with beside.open("wb") as file:
                    rows.write_parquet(file)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    def _files(self, day: date, method: str) -> list[Path]:
        return [self._path / f"{day}_{method}_{name}.parquet" for name in Piece._fields]


def write_latest(folder: Path | str, about: Mapping[str, Any]) -> None:
    """Say which backtest was finished last."""
    path = Path(folder) / FOLDER / LATEST
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{LATEST}.{os.getpid()}")
    beside.write_text(json.dumps(about, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")
    beside.replace(path)


def read_latest(folder: Path | str) -> dict[str, Any] | None:
    """Give what `write_latest` said; None where there is nothing yet."""
    try:
        found = json.loads((Path(folder) / FOLDER / LATEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def gather(folder: Path | str, key: str, pieces: Sequence[tuple[str, str]]) -> Piece | None:
    """Give several pieces (day, method) as one, each row with its method; None where one is missing."""
    kept = Kept(folder, key)
    found = []
    for day, method in pieces:
        piece = kept.read(date.fromisoformat(day), method, is_older=True)
        if piece is None:
            return None
        found.append([rows.with_columns(pl.lit(method).alias("method")) for rows in piece])
    return Piece(*(pl.concat(rows) for rows in zip(*found, strict=True)))
