"""The peers of feeds: the same three exports loaded, and the next day's merged into them, by other tools.

One tool and one act a process, so that each is measured whole: `python feed_peers.py duckdb load FOLDER TARGET`, then
`python feed_peers.py duckdb merge FOLDER TARGET`. FOLDER is a morning's export of the made-up force. It prints the rows
that each table then has, which must be those that Bluelamp has.

Each does what a careful analyst would write with it:

- times are read by the one form that the file has, local ones by the force's clock;
- of rows with the same key one stays: of logs that with the latest AMENDED, else the last one;
- 'merge' writes new rows and replaces those with a known key, where they are not older (upsert), as dbt's incremental
  models do.

None of them says of a row why it was set aside or changed, checks a value against its definition, keeps the versions
that are replaced, lists what names rows that are not there, or seals files with hashes. 'polars' is no peer but the
engine that Bluelamp stands on, used bare: it writes each table anew for a day's rows.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ZONE = "Europe/London"
OFFSET, DAY_FIRST = "%Y-%m-%dT%H:%M:%S%:z", "%d/%m/%Y %H:%M:%S"


@dataclass(frozen=True)
class Export:
    """One file: its table, what its rows are known by, its times and their form, and which version is the later."""

    file: str
    table: str
    key: tuple[str, ...]
    times: tuple[str, ...]
    form: str = OFFSET
    version: str | None = None


EXPORTS = (
    Export(
        "command_logs.csv",
        "incidents",
        ("LOG_REF",),
        ("CREATED", "FIRST_SENT", "FIRST_THERE", "LAST_CLEAR", "CLOSED", "AMENDED"),
        version="AMENDED",
    ),
    Export("command_status.csv.gz", "unit_status", ("CALLSIGN", "STATUS_TIME", "STATUS", "LOG_REF"), ("STATUS_TIME",)),
    Export("contact_calls.csv", "contacts", ("CONTACT_NO",), ("ARRIVED", "ANSWERED", "FINISHED"), DAY_FIRST),
)


def with_duckdb(act: str, folder: Path, target: Path) -> list[int]:
    import duckdb

    engine = duckdb.connect(str(target / "peer.duckdb"))
    engine.execute(f"set TimeZone = '{ZONE}'")
    rows = []
    for each in EXPORTS:
        read = "{0}::timestamptz" if each.form == OFFSET else f"strptime({{0}}, '{each.form}')::timestamptz"
        times = ", ".join(f"{read.format(name)} as {name}" for name in each.times)
        latest = f"{each.version} desc, place desc" if each.version else "place desc"
        coming = (
            f"select * exclude (place) from (select * replace ({times}), row_number() over () as place from "
            f"read_csv('{folder / each.file}', header = true, all_varchar = true)) "
            f"qualify row_number() over (partition by {', '.join(each.key)} order by {latest}) = 1"
        )
        if act == "load":
            engine.execute(f"create table {each.table} as {coming}")
        else:
            same = " and ".join(f"held.{name} is not distinct from coming.{name}" for name in each.key)
            later = f"and coming.{each.version} >= held.{each.version}" if each.version else ""
            engine.execute(
                f"merge into {each.table} held using ({coming}) coming on {same} "
                f"when matched {later} then update when not matched then insert"
            )
        found = engine.execute(f"select count(*) from {each.table}").fetchone()
        assert found
        rows.append(found[0])
    engine.close()
    return rows


def with_polars(act: str, folder: Path, target: Path) -> list[int]:
    import polars as pl

    rows = []
    for each in EXPORTS:
        times, place = pl.col(each.times), target / f"{each.table}.parquet"
        coming = pl.read_csv(folder / each.file, infer_schema=False)
        if each.form == OFFSET:
            coming = coming.with_columns(times.str.to_datetime(each.form, time_unit="us", time_zone="UTC"))
        else:
            local = times.str.to_datetime(each.form, time_unit="us")
            local = local.dt.replace_time_zone(ZONE, ambiguous="earliest", non_existent="null")
            coming = coming.with_columns(local.dt.convert_time_zone("UTC"))
        held = pl.concat([pl.read_parquet(place), coming]) if act == "merge" else coming
        if each.version:
            held = held.sort(each.version, maintain_order=True)
        held = held.unique(each.key, keep="last", maintain_order=True)
        held.write_parquet(place, compression="zstd")
        rows.append(held.height)
    return rows


TOOLS = {"duckdb": with_duckdb, "polars": with_polars}

if __name__ == "__main__":
    tool, act, folder, target = sys.argv[1:5]
    Path(target).mkdir(exist_ok=True)
    print(*TOOLS[tool](act, Path(folder), Path(target)))
