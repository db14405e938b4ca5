"""The last validation of a force, kept beside its store: three tables and what they were made of."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

FOLDER = "validation"
LATEST = "latest.json"
# What another version kept is not read: it is made again.
FORMAT = 1


def write(folder: Path | str, kept: Mapping[str, pl.DataFrame], about: Mapping[str, Any]) -> None:
    """Keep it; the line that names the files is written last, so that a reader sees the one before or this one."""
    where = Path(folder) / FOLDER
    where.mkdir(parents=True, exist_ok=True)
    mark = "".join(each for each in str(about["made_at"]) if each.isdigit())
    for name, table in kept.items():
        with (where / f"{name}_{mark}.parquet").open("wb") as file:
            table.write_parquet(file)
    beside = where / f"{LATEST}.{os.getpid()}"
    beside.write_text(
        json.dumps({"format": FORMAT, "mark": mark, **about}, ensure_ascii=False, indent=1, sort_keys=True),
        encoding="utf-8",
    )
    beside.replace(where / LATEST)
    for old in where.glob("*.parquet"):
        if not old.name.endswith(f"_{mark}.parquet"):
            old.unlink(missing_ok=True)


def read(folder: Path | str, names: Sequence[str]) -> tuple[dict[str, pl.DataFrame], dict[str, Any]] | None:
    """Give what `write` kept; None where there is nothing, or a part of it is gone or harmed."""
    where = Path(folder) / FOLDER
    try:
        about = json.loads((where / LATEST).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            return None
        return {name: pl.read_parquet(where / f"{name}_{about['mark']}.parquet") for name in names}, about
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError):
        return None


def stamp(folder: Path | str) -> str:
    """Give what is another for another validation; empty where there is none."""
    try:
        return str(json.loads((Path(folder) / FOLDER / LATEST).read_text(encoding="utf-8"))["mark"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
