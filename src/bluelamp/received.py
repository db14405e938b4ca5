"""What a force has received: the tables of kind 'account', worked out from its store when they are asked for.

They are what the data page shows, what `bluelamp data FORCE` prints and what `bluelamp table received FORCE` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from bluelamp import committed, intake, periods, remarks, sources, tables
from bluelamp import settings as settings_
from bluelamp.errors import NoInput
from bluelamp.reports import data
from bluelamp.store import Store

NAMES = ("received", "received_days", "rules_applied", "orphans", "set_aside")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Holdings:
    """What the accounts of one moment are made of, which takes seconds to read at a county's size.

    `current` and `of_days` are what `data.describe_received` wants.
    """

    folder: str
    time_zone: str
    batches: pl.DataFrame
    current: pl.DataFrame
    of_days: pl.DataFrame
    orphans: pl.DataFrame
    quarantined: pl.DataFrame
    committed_rules: pl.DataFrame


def read_holdings(folder: Path | str) -> Holdings:
    """Read what the accounts of the force in a folder are made of. Raises NoInput where there is no force."""
    zone = settings_.read(folder).force.time_zone
    store = Store(folder).snapshot()
    current, of_days = _current_rows(store, zone)
    about = ["table_name", "file_name", "row_number", "field", "reason_code"]
    return Holdings(
        Path(folder).resolve().name, zone, store.batches(), current, of_days, _orphans(folder),
        store.quarantined(columns=about), _committed_rules(store),
    )  # fmt: skip


def make_account(held: Holdings, now: datetime) -> dict[str, pl.DataFrame]:
    """Give every table of kind 'account' by name, as they stand at a moment."""
    left_out = {name: f"{words[0].upper()}{words[1:]}." for name, words in remarks.LEFT_OUT.items()}
    set_aside = {code: (rule.words, rule.mend) for code, rule in sources.RULES.items() if rule.kind == "set_aside"}
    received = data.describe_received(held.batches, held.current, held.of_days, left_out, held.time_zone, now)
    return {
        "received": received,
        "received_days": data.count_days(held.batches, held.of_days, received, held.time_zone, now),
        "rules_applied": data.count_rules(held.batches, held.committed_rules, committed.OF_INTERVALS),
        "orphans": held.orphans,
        "set_aside": data.group_set_aside(held.quarantined, held.batches, set_aside, held.folder),
    }


def account_for(folder: Path | str, now: Callable[[], datetime] = _now) -> dict[str, pl.DataFrame]:
    """Give every table of kind 'account' of the force in a folder. Raises NoInput where there is no force."""
    return make_account(read_holdings(folder), now())


def lines(folder: Path | str, account: Mapping[str, pl.DataFrame]) -> list[str]:
    """Say an account in lines for people to read."""
    return data.as_lines(account, settings_.read(folder).force.time_zone)


def _current_rows(store: Store, zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Count the rows that each table has now, in all and by the local day of their time."""
    counts, days = [], []
    for name in sorted(set(store.batches()["table_name"])):
        at = next((each.name for each in tables.table(name).fields if each.type == "datetime"), None)
        rows = store.scan(name).select(pl.first(), at=pl.col(at) if at else pl.lit(None, dtype=periods.INSTANT))
        named = pl.lit(name).alias("table_name")
        counts.append(rows.select(named, rows=pl.len(), first_at=pl.col("at").min(), last_at=pl.col("at").max()))
        day = pl.col("at").dt.convert_time_zone(zone).dt.date()
        days.append(rows.drop_nulls("at").group_by(day=day).agg(rows=pl.len()).select(named, "day", "rows"))
    instants = dict.fromkeys(("first_at", "last_at"), periods.INSTANT)
    nothing = pl.DataFrame(schema={"table_name": pl.String(), "rows": pl.UInt32(), **instants})
    no_day = pl.DataFrame(schema={"table_name": pl.String, "day": pl.Date, "rows": pl.UInt32})
    found = pl.collect_all([*counts, *days])
    return pl.concat([nothing, *found[: len(counts)]]), pl.concat([no_day, *found[len(counts) :]])


def _committed_rules(store: Store) -> pl.DataFrame:
    """Give what the rules of committed time did in the latest run; nothing where no run told of it."""
    try:
        return store.result("committed_rules")
    except NoInput:
        return tables.empty("committed_rules")


def _orphans(folder: Path | str) -> pl.DataFrame:
    rows = [(each.table, each.field, each.others, each.rows, each.naming) for each in intake.find_orphans(folder)]
    names = ["table_name", "field", "other_table", "rows", "rows_naming"]
    kinds = tables.table("orphans").polars_schema
    found = pl.DataFrame(rows, schema={name: kinds[name] for name in names}, orient="row")
    return tables.publish(found.with_columns(share=pl.col("rows") / pl.col("rows_naming")), "orphans")
