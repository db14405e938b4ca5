"""Patrol lists, kept beside the store: one file a list, in which a later one takes the place of an earlier one.

`patrols/LIST.json` is written whole or not at all.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import polars as pl

from bluelamp import tables
from bluelamp.errors import BadData

FOLDER = "patrols"


def keep(folder: Path | str, rows: pl.DataFrame) -> None:
    """Keep the visits of one list, rows of table `patrol_plan`."""
    name = re.sub(r"[^\w.-]", "_", rows["list_id"][0])
    path = Path(folder) / FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(rows.to_dicts(), ensure_ascii=False, default=str, indent=1), encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(folder: Path | str) -> pl.DataFrame:
    """Give the visits of all lists that are kept, as table `patrol_plan`; what can't be read is left out."""
    found = [tables.empty("patrol_plan")]
    for path in sorted((Path(folder) / FOLDER).glob("*.json")):
        try:
            rows = pl.DataFrame(json.loads(path.read_text(encoding="utf-8")), infer_schema_length=None)
            found.append(tables.check(rows, "patrol_plan", str(path)))
        except (OSError, ValueError, TypeError, BadData, pl.exceptions.PolarsError):
            continue
    return tables.publish(pl.concat(found), "patrol_plan")
