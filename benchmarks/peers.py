"""The import's peers: the same file read, checked, freed of duplicates and written as Parquet by other tools.

One tool a process, so that each is measured whole: `python peers.py duckdb incidents.csv.gz out.parquet`. It prints
rows read, set aside, duplicate and written; those read and written must be what Bluelamp accounts for.

Each tool does what a careful analyst would write with it, in its quickest reader, and no less than this:

- the five times are read by the one form that the file has; a time that can't be read is empty;
- a row without an id, a receipt, a class or an origin, or with an origin that is not known, is set aside;
- of rows that are the same, one stays; of rows with the same id, the last one stays;
- what stays is written as Parquet, compressed with zstd as Bluelamp's store is.

None of them says which row was set aside and why, compares with what was imported before, commits a batch that is
seen whole or not at all, or seals what it wrote with a hash. 'polars' is no peer: it is the engine that Bluelamp
stands on, used bare, and shows what those promises cost.
"""

from __future__ import annotations

import sys

TIMES = ("received_at", "dispatched_at", "arrived_at", "cleared_at", "closed_at")
REQUIRED = ("incident_id", "received_at", "class_code", "origin")
ORIGINS = (
    "public", "partner", "mandatory_internal", "officer_initiated", "directed", "administrative", "unknown"
)  # fmt: skip
NUMBERS = ("longitude", "latitude")
FORM = "%Y-%m-%dT%H:%M:%SZ"


def with_pandas(source: str, target: str) -> tuple[int, int, int, int]:
    import pandas as pd

    text = dict.fromkeys(pd.read_csv(source, nrows=0).columns, "string[pyarrow]")
    types = text | dict.fromkeys(NUMBERS, "float64") | {"units": "Int64"}
    rows = pd.read_csv(source, engine="pyarrow", dtype=types)
    read = len(rows)
    for name in TIMES:
        rows[name] = pd.to_datetime(rows[name], format=FORM, utc=True, errors="coerce")
    sound = rows[list(REQUIRED)].notna().all(axis=1) & rows["origin"].isin(ORIGINS)
    rows = rows[sound]
    kept = len(rows)
    rows = rows.drop_duplicates()
    distinct = len(rows)
    rows = rows.drop_duplicates("incident_id", keep="last")
    rows.to_parquet(target, compression="zstd", index=False)
    return read, read - kept, kept - distinct, len(rows)


def with_duckdb(source: str, target: str) -> tuple[int, int, int, int]:
    import duckdb

    engine = duckdb.connect()
    engine.execute("set TimeZone = 'UTC'")
    times = ", ".join(f"try_strptime({name}, '{FORM}')::timestamptz as {name}" for name in TIMES)
    numbers = dict.fromkeys(NUMBERS, "DOUBLE") | {"units": "BIGINT"} | dict.fromkeys(TIMES, "VARCHAR")
    engine.execute(
        f"create table calls as select * replace ({times}), row_number() over () as place "
        "from read_csv(?, header = true, strict_mode = true, types = ?)",
        [source, numbers],
    )
    origins = ", ".join(f"'{each}'" for each in ORIGINS)
    sound = " and ".join(f"{name} is not null" for name in REQUIRED) + f" and origin in ({origins})"
    counted = engine.execute(f"select count(*), count(*) filter (where not ({sound})) from calls").fetchone()
    distinct = engine.execute(
        f"select count(*) from (select distinct * exclude (place) from calls where {sound})"
    ).fetchone()
    engine.execute(
        f"copy (select * exclude (place) from calls where {sound} "
        f"qualify row_number() over (partition by incident_id order by place desc) = 1 order by place) "
        f"to '{target}' (format parquet, compression zstd)"
    )
    written = engine.execute(f"select count(*) from '{target}'").fetchone()
    assert counted
    assert distinct
    assert written
    read, aside = counted
    return read, aside, read - aside - distinct[0], written[0]


def with_polars(source: str, target: str) -> tuple[int, int, int, int]:
    import polars as pl

    types = dict.fromkeys(NUMBERS, pl.Float64) | {"units": pl.Int64} | dict.fromkeys(TIMES, pl.String)
    rows = pl.read_csv(source, schema_overrides=types, infer_schema=False).with_columns(
        pl.col(TIMES).str.to_datetime(FORM, strict=False, time_unit="us", time_zone="UTC")
    )
    sound = rows.filter(pl.all_horizontal(pl.col(REQUIRED).is_not_null()) & pl.col("origin").is_in(ORIGINS))
    distinct = sound.unique(maintain_order=True)
    written = distinct.unique("incident_id", keep="last", maintain_order=True)
    written.write_parquet(target, compression="zstd")
    return rows.height, rows.height - sound.height, sound.height - distinct.height, written.height


TOOLS = {"pandas": with_pandas, "duckdb": with_duckdb, "polars": with_polars}

if __name__ == "__main__":
    print(*TOOLS[sys.argv[1]](*sys.argv[2:4]))
