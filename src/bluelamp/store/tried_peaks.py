"""How often peaks came true in the latest backtest, kept beside the store for whoever tells of peaks to come."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from bluelamp import tables

_PATH = ("backtest", "peaks.parquet")


def write(folder: Path | str, rows: pl.DataFrame) -> None:
    """Keep the rows of `backtest_peaks` of the method that a force's backtest holds against the others."""
    path = Path(folder).joinpath(*_PATH)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    rows.write_parquet(beside)
    beside.replace(path)


def read(folder: Path | str) -> pl.DataFrame:
    """Give them; no row where peaks were not tried yet, or what is kept can't be read."""
    try:
        found = pl.read_parquet(Path(folder).joinpath(*_PATH))
        if "counted" not in found.columns:  # an older version tried peaks of incidents alone
            found = found.with_columns(counted=pl.lit("incidents"))
        return found.select(tables.table("backtest_peaks").columns)
    except (OSError, pl.exceptions.PolarsError):
        return tables.empty("backtest_peaks")
