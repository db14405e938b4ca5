"""Any table of a force: as it is stored, as it was known at a moment, or as a run used or made it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from bluelamp import periods, tables
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, UsageError, count_of
from bluelamp.store import Store, listed, tried
from bluelamp.store import filed as filing

# Imported tables as the run used them (areas may have been derived, targets assumed, times measured): kept with the
# run, so that its map can be drawn again when the force's own tables have moved on.
USED = ("areas", "pools", "standards", "service_times")

# Tables that no run makes, with the command that works them out.
_ANALYSES = {
    "near_repeats": "near-repeat", "before_after": "before-after", "solved_units": "solve", "solved_duties": "solve",
    "unit_value": "solve", "what_if": "what-if", "what_if_hours": "what-if", "what_if_changes": "what-if",
    "what_if_changes_hours": "what-if", "next_dispatch": "backlog",
    "backlog": "backlog",
    "beats": "beats", "beat_loads": "beats", "pool_trials": "pools",
}  # fmt: skip


def read_table(folder: Path | str, name: str, run_id: str | None = None, as_of: datetime | None = None) -> pl.DataFrame:
    """Give any table of a force: an imported one as it stands now, a result of a run (the latest by default), or an
    imported one as a run used it, where runs keep it (areas, pools, standards, service_times). `as_of` gives an
    imported table as it was known at an earlier moment.

    Raises UsageError where there is no such table, or a run or a moment is asked for one that has none; NoInput
    where there is no force, or no run to read it from.
    """
    definition = tables.table(name)
    if definition.kind == "analysis":
        raise UsageError(
            f"'{name}' is not stored: it is worked out when it is asked for. 'bluelamp {_ANALYSES[name]} {folder}' "
            "does it, and gives the table with --csv or --json."
        )
    if run_id is not None and definition.kind != "result" and name not in USED:
        raise UsageError(f"'{name}' does not belong to a run: there is one of it for the force. Leave the run out.")
    if as_of is not None and (definition.kind != "imported" or run_id is not None):
        raise UsageError(f"'{name}' is not told as of a moment: only imported tables are, without a run.")
    settings_.read(folder)
    store = Store(folder)
    if as_of is not None:
        return store.read(name, as_of=as_of)
    if name == "batches":
        return store.batches()
    if name == "runs":
        return store.runs()
    if name == "quarantine":
        return store.quarantined()
    if name == "erasures":
        return store.erasures()
    if name == "filed_forecasts":
        return filing.as_table(filing.read(folder))
    if name == "patrol_plan":
        return listed.read(folder)
    if name == "feedback_simulation":
        simulated = tried.read(folder, name)
        if simulated is None:
            raise NoInput(f"No year of patrols was simulated yet. 'bluelamp hotspots {folder} --guard' does.")
        return simulated[0]
    if name in USED and (run_id is not None or not store.runs().is_empty()):
        return read_used(store, name, run_id)
    return store.read(name) if definition.kind == "imported" else store.result(name, run_id)


def tell_imported_since(folder: Path | str, name: str) -> str:
    """Say that rows of a table were imported after the run as which `read_table` shows it; empty where none were."""
    store, zone = Store(folder), periods.zone(settings_.read(folder).force.time_zone)
    if name not in USED or store.runs().is_empty():
        return ""
    run = store.latest_run()
    since = store.batches().filter(
        pl.col("table_name") == name, ~pl.col("batch_id").is_in(json.loads(run["batches"])),
        pl.col("rows_accepted") + pl.col("rows_updated") > 0,
    )  # fmt: skip
    if since.is_empty():
        return ""
    after = since.sort("sequence")["committed_at"].to_list()[-1].astimezone(zone) + timedelta(minutes=1)
    return (
        f"This is '{name}' as run {run['run_id']} used it; {count_of(since.height, 'import')} changed it since. "
        f"--as-of {after:%Y-%m-%dT%H:%M} shows it as it is stored, and `bluelamp plan` takes it up."
    )


def read_used(store: Store, name: str, run_id: str | None = None) -> pl.DataFrame:
    """Give an imported table as a run used it."""
    return pl.read_parquet(store.artefact(f"{name}.parquet", run_id))
