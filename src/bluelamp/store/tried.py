"""What a trial found, kept beside the store: the newest one of each name, with what it was tried on.

`tried/NAME.json` is written whole or not at all, and can be deleted: the trial is run again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import tables

FOLDER = "tried"


def write(folder: Path | str, table: str, rows: pl.DataFrame, about: Mapping[str, Any]) -> None:
    """Keep the rows of a table and what they are about, in place of those kept before."""
    path = Path(folder) / FOLDER / f"{table}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_text(
            json.dumps({"about": dict(about), "rows": rows.to_dicts()}, ensure_ascii=False, default=str, indent=1),
            encoding="utf-8",
        )
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(folder: Path | str, table: str) -> tuple[pl.DataFrame, dict[str, Any]] | None:
    """Give what was kept last; None where there is nothing, or what there is can't be read."""
    try:
        found = json.loads((Path(folder) / FOLDER / f"{table}.json").read_text(encoding="utf-8"))
        rows = pl.DataFrame(found["rows"], schema=tables.table(table).polars_schema)
        return tables.publish(rows, table), dict(found["about"])
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError):
        return None


def stamp(folder: Path | str, table: str) -> str:
    """Give what is another where something newer was kept, without reading it; empty where there is nothing."""
    try:
        found = (Path(folder) / FOLDER / f"{table}.json").stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns} {found.st_size}"
