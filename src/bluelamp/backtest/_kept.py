"""What a backtest has done so far, kept beside the store as soon as it is done, and found again by what it was made of.

`backtest/KEY/` holds a pair of files for each origin and method; `KEY` is a hash of the demand, the settings, the code
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
from typing import Any

import polars as pl

FOLDER = "backtest"
LATEST = "latest.json"
# What scores are made by; what is only told of them may change without making them again.
_CODE = ("forecast", "backtest/_trial.py", "scoring.py", "periods.py")


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


class Kept:
    """The pieces of one key."""

    def __init__(self, folder: Path | str, key: str) -> None:
        self._path = Path(folder) / FOLDER / key[:16]

    def read(self, day: date, method: str) -> tuple[pl.DataFrame, pl.DataFrame] | None:
        """Give the scores and weak spots of a method at an origin; None where they are not there, or harmed."""
        scores, spots = self._files(day, method)
        try:
            return pl.read_parquet(scores), pl.read_parquet(spots)
        except (OSError, pl.exceptions.PolarsError):
            return None

    def write(self, day: date, method: str, scores: pl.DataFrame, spots: pl.DataFrame) -> None:
        """Keep them. Either both are there, or it counts as not done."""
        self._path.mkdir(parents=True, exist_ok=True)
        for path, rows in zip(self._files(day, method), (scores, spots), strict=True):
            beside = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                with beside.open("wb") as file:
                    rows.write_parquet(file)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    def _files(self, day: date, method: str) -> tuple[Path, Path]:
        return self._path / f"{day}_{method}_scores.parquet", self._path / f"{day}_{method}_spots.parquet"


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


def gather(folder: Path | str, key: str, pieces: Sequence[tuple[str, str]]) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Give the scores and weak spots of several pieces (day, method) as two tables; None where one is missing."""
    kept = Kept(folder, key)
    scores, spots = [], []
    for day, method in pieces:
        found = kept.read(date.fromisoformat(day), method)
        if found is None:
            return None
        named = pl.lit(method).alias("method")
        scores.append(found[0].with_columns(named))
        spots.append(found[1].with_columns(named))
    return pl.concat(scores), pl.concat(spots)
