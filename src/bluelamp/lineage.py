"""Where a run's figures come from: the imports it read, its settings and versions, and what was otherwise before.

A run keeps all of it when it is made. Here it is only put beside what the store holds of the imports, and beside the
run that was made before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from bluelamp.errors import NoInput, did_you_mean
from bluelamp.store import Store

_SUMS = (
    ("incidents_mean", "force", "Incidents expected"),
    ("officer_hours_mean", "force", "Officer-hours expected"),
    ("units_required", "pool", "Unit-hours needed"),
    ("units_on_duty", "pool", "Unit-hours on duty"),
)


@dataclass(frozen=True)
class Told:
    """One setting or version of a run, and that of the run before; None where it is not there."""

    name: str
    value: Any
    before: Any
    has_before: bool

    @property
    def differs(self) -> bool:
        """Whether the run before had another."""
        return self.has_before and bool(self.value != self.before)


@dataclass(frozen=True)
class Result:
    """One table that a run made; `differs` from the run before, None where that has none."""

    name: str
    rows: int
    sha256: str
    differs: bool | None


@dataclass(frozen=True)
class Moved:
    """One figure of the hours that a run and the run before both speak of."""

    what: str
    place_id: str
    before: float
    value: float


@dataclass(frozen=True)
class Record:
    """What one run was made from. `imports` are its rows of `batches`; `is_new` is what the run before lacked."""

    run: Mapping[str, Any]
    before: Mapping[str, Any] | None
    imports: pl.DataFrame
    settings: list[Told]
    versions: list[Told]
    results: list[Result]
    moved: list[Moved]
    hours_shared: int
    erasures: int

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        run = {name: json.loads(value) if name in _AS_JSON and value else value for name, value in self.run.items()}
        return {
            "run": run,
            "run_before": None if self.before is None else self.before["run_id"],
            "erasures": self.erasures,
            "imports": self.imports.drop("notes").to_dicts(),
            "results": [vars(each) for each in self.results],
            "changed": {
                "settings": [{"name": each.name, "value": each.value, "before": each.before}
                             for each in self.settings if each.differs],
                "versions": [{"name": each.name, "value": each.value, "before": each.before}
                             for each in self.versions if each.differs],
                "figures": [vars(each) for each in self.moved],
                "hours": self.hours_shared,
            },
        }  # fmt: skip


_AS_JSON = ("settings", "batches", "versions", "results_sha256", "notes", "seconds")


def read_record(store: Store, run_id: str, pools: Collection[str] | None = None) -> Record:
    """Read what a run was made from. `pools` are those that may be named, any where it is left out.

    Raises NoInput, naming the nearest, where there is no such run.
    """
    still = store.snapshot()
    runs = still.runs().sort("sequence")
    known = runs["run_id"].to_list()
    if run_id not in known:
        raise NoInput(f"There is no run '{run_id}'.{did_you_mean(run_id, known)}")
    place = known.index(run_id)
    run = runs.row(place, named=True)
    before = runs.row(place - 1, named=True) if place else None
    read, read_before = (set(json.loads(each["batches"])) if each else set() for each in (run, before))
    imports = still.batches().filter(pl.col("batch_id").is_in(sorted(read))).sort("sequence")
    imports = imports.with_columns(is_new=~pl.col("batch_id").is_in(sorted(read_before)))
    moved, hours = ([], 0) if before is None else _find_moved(still, run["run_id"], before["run_id"], pools)
    erasures = sum(run["run_id"] in json.loads(each) for each in still.erasures()["runs"].drop_nulls())
    return Record(
        run, before, imports, _compare(_of(run, "settings"), None if before is None else _of(before, "settings")),
        _compare(_of(run, "versions"), None if before is None else _of(before, "versions")),
        _results(still, run, before), moved, hours, erasures,
    )  # fmt: skip


def _of(run: Mapping[str, Any], name: str) -> dict[str, Any]:
    return _flatten(json.loads(run[name]))


def _flatten(values: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Name each setting by its way from the top: 'forecast.paths'."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flatten(value, f"{within}{name}.")
        else:
            found[f"{within}{name}"] = value
    return found


def _compare(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[Told]:
    names = sorted(now if before is None else {*now, *before})
    return [
        Told(name, now.get(name), None if before is None else before.get(name), before is not None) for name in names
    ]


def _results(store: Store, run: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[Result]:
    now = json.loads(run["results_sha256"])
    then = {} if before is None else json.loads(before["results_sha256"])
    rows = store.rows_of_results(run["run_id"])
    return [
        Result(name, rows[name], now.get(name, ""), None if name not in then else now.get(name) != then[name])
        for name in sorted(rows)
    ]


def _find_moved(
    store: Store, run_id: str, before_id: str, named: Collection[str] | None
) -> tuple[list[Moved], int]:  # fmt: skip
    """Compare sums over the hours of both runs, of the force; and of the pool that needs most more or fewer."""
    both = [store.result("coverage", each, pl.col("level").is_in(["force", "pool"])) for each in (run_id, before_id)]
    shared = set(both[0]["hour_starting"]) & set(both[1]["hour_starting"])
    if not shared:
        return [], 0
    now, then = (each.filter(pl.col("hour_starting").is_in(sorted(shared))) for each in both)
    moved = []
    for column, level, words in _SUMS:
        value, was = (_sum(each.filter(level=level), column) for each in (now, then))
        if value is not None and was is not None:
            moved.append(Moved(words, "force", was, value))
    short = [_sum(each.filter(pl.col("level") == "pool").with_columns(s=(-pl.col("units_gap")).clip(0)), "s")
             for each in (now, then)]  # fmt: skip
    if short[0] is not None and short[1] is not None:
        moved.append(Moved("Unit-hours short", "force", short[1], short[0]))
    pools = [each.filter(level="pool").group_by("place_id").agg(pl.col("units_required").sum()) for each in (now, then)]
    beside = pools[0].join(pools[1], on="place_id", suffix="_before").with_columns(
        by=(pl.col("units_required") - pl.col("units_required_before")).abs()
    )  # fmt: skip
    if named is not None:
        beside = beside.filter(pl.col("place_id").is_in(list(named)))
    if beside.height and beside["by"].max():
        row = beside.sort(["by", "place_id"], descending=[True, False]).row(0, named=True)
        moved.append(Moved("Unit-hours needed, the pool that moved most", row["place_id"],
                           row["units_required_before"], row["units_required"]))  # fmt: skip
    return moved, len(shared)


def _sum(rows: pl.DataFrame, column: str) -> float | None:
    known = rows[column].drop_nulls()
    return None if known.is_empty() else float(known.sum())
