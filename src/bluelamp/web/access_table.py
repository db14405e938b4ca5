"""Every address in one table: which kind of data it gives, and what asking it does.

What an address is not here for is refused, to everybody: a new one gets its row first. `access.py` says which roles may
do what with a kind. `whole_force` marks addresses whose answer can't be cut down to some districts, so that accounts
that are limited to districts are refused them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from bluelamp import access, tables
from bluelamp.access import Action, Kind
from bluelamp.errors import UsageError
from bluelamp.state.log import Operation


@dataclass(frozen=True)
class Row:
    """One address with one method: `operation` is what the log calls it, `kind` None where the table asked decides."""

    kind: Kind | None
    action: Action
    operation: Operation | None
    whole_force: bool = False
    is_kept: bool = False  # the same for all who may see as much, until a file of the force changes or a minute is over
    is_of_run: bool = False  # a run's own rows, which nothing that is imported changes


def _look(kind: Kind | None, *, whole_force: bool = False, is_kept: bool = True) -> Row:
    return Row(kind, "consult", "consultation", whole_force, is_kept)


def _take(kind: Kind | None, *, whole_force: bool = False, is_kept: bool = True) -> Row:
    return Row(kind, "export", "disclosure", whole_force, is_kept)


def _change(kind: Kind, operation: Operation) -> Row:
    return Row(kind, "change", operation, whole_force=True)


_OPEN = Row("public", "consult", None)
_OWN = Row("own", "consult", None)

# Views that are given as PDF and PNG, too, at their address with .pdf and .png behind it.
SHEETS = ("/map", "/now", "/areas", "/areas/{area_id}", "/data", "/contacts", "/strength", "/duties", "/outlook",
          "/hotspots", "/what-if", "/backtest", "/validation", "/scoreboard", "/runs", "/runs/{run_id}", "/jobs",
          "/log", "/tables/{name}")  # fmt: skip
SheetForm = Literal["pdf", "png"]
SHEET_FORMS: tuple[SheetForm, ...] = get_args(SheetForm)

_ROWS: dict[tuple[str, str], Row] = {
    # How to come in, and whether the service is alive
    ("GET", "/sign-in"): _OPEN,
    ("POST", "/sign-in"): Row("public", "change", None),
    ("GET", "/set-up"): _OPEN,
    ("POST", "/set-up"): Row("public", "change", None),
    ("GET", "/openid/sign-in"): _OPEN,
    ("GET", "/openid/back"): _OPEN,
    ("GET", "/health/live.json"): _OPEN,
    ("GET", "/health/ready.json"): _OPEN,
    ("GET", "/openapi.json"): _OPEN,
    ("GET", "/schemas/{name}.json"): _OPEN,
    # What is sent as it happens, and news of it
    ("POST", "/api/incidents"): _change("arrivals", "collection"),
    ("POST", "/api/unit_status"): _change("arrivals", "collection"),
    ("GET", "/api/live.json"): _look("figures", whole_force=True, is_kept=False),
    ("GET", "/api/live"): Row("figures", "consult", None),
    # One's own account
    ("GET", "/account"): _OWN,
    ("POST", "/account/password"): Row("own", "change", "administration"),
    ("POST", "/sign-out"): Row("own", "change", None),
    # The views
    ("GET", "/"): _look("figures"),
    ("GET", "/map"): _look("figures"),
    ("GET", "/api/map.json"): _look("figures", is_kept=False),
    # One request a handful of tiles: a line in the log for each would bury the others.
    ("GET", "/api/basemap.pmtiles"): Row("figures", "consult", None),
    ("GET", "/api/backlog.json"): _look("figures", whole_force=True),
    ("GET", "/areas"): _look("figures"),
    ("GET", "/areas.csv"): _take("figures"),
    ("GET", "/areas.json"): _take("figures"),
    ("GET", "/areas/{area_id}"): _look("figures"),
    ("GET", "/areas/{area_id}.csv"): _take("figures"),
    ("GET", "/areas/{area_id}.json"): _take("figures"),
    ("GET", "/runs"): _look("figures"),
    ("GET", "/runs/{run_id}"): _look("figures"),
    ("GET", "/runs/{run_id}.json"): _take("figures"),
    ("GET", "/now"): _look("figures", whole_force=True, is_kept=False),
    ("GET", "/now/{name}.csv"): _take(None, whole_force=True, is_kept=False),
    ("GET", "/now/{name}.json"): _take(None, whole_force=True, is_kept=False),
    ("GET", "/data"): _look("figures", whole_force=True),
    ("GET", "/contacts"): _look("figures", whole_force=True),
    ("GET", "/strength"): _look("strength", whole_force=True),
    ("GET", "/duties"): _look("people", is_kept=False),
    ("GET", "/outlook"): _look("figures", whole_force=True),
    ("GET", "/hotspots"): _look("figures", whole_force=True),
    ("GET", "/api/hotspots.json"): _look("figures", whole_force=True, is_kept=False),
    ("GET", "/hotspots.csv"): _take("figures", whole_force=True),
    ("GET", "/hotspots.geojson"): _take("figures", whole_force=True),
    ("GET", "/what-if"): _look("figures", whole_force=True),
    ("GET", "/what-if.csv"): _take("figures", whole_force=True),
    ("GET", "/what-if.json"): _take("figures", whole_force=True),
    ("GET", "/what-if-hours.csv"): _take("figures", whole_force=True),
    ("GET", "/what-if-hours.json"): _take("figures", whole_force=True),
    ("GET", "/backtest"): _look("figures", whole_force=True),
    ("GET", "/validation"): _look("figures", whole_force=True),
    ("GET", "/scoreboard"): _look("shared"),
    # Tables: which kind of data they hold, `access.kind_of_table` says
    ("GET", "/tables"): _look("shared"),
    ("GET", "/tables/{name}"): _look(None),
    ("GET", "/tables/{name}.csv"): _take(None),
    ("GET", "/tables/{name}.json"): _take(None),
    ("GET", "/api/v1/tables"): _look("shared"),
    ("GET", "/api/v1/tables/{name}"): _take(None),
    ("GET", "/api/v1/runs"): _look("figures"),
    # Layers for other maps: each is named as the table whose rows it draws
    ("GET", "/ogc/"): _look("shared"),
    ("GET", "/ogc/conformance"): _look("shared"),
    ("GET", "/ogc/collections"): _look("shared"),
    ("GET", "/ogc/collections/{collection}"): _look(None),
    ("GET", "/ogc/collections/{collection}/items"): _take(None),
    ("GET", "/ogc/collections/{collection}/items/{feature_id}"): _take(None),
    # The crosswalk
    ("GET", "/codes"): _look("codes", whole_force=True, is_kept=False),
    ("GET", "/codes.json"): _take("codes", whole_force=True, is_kept=False),
    ("GET", "/codes.csv"): _take("codes", whole_force=True, is_kept=False),
    ("POST", "/codes"): _change("codes", "alteration"),
    ("POST", "/codes/effect.json"): Row("codes", "change", None, whole_force=True),
    # Long work
    ("GET", "/jobs"): _look("jobs", whole_force=True, is_kept=False),
    ("GET", "/jobs.json"): _look("jobs", whole_force=True, is_kept=False),
    ("GET", "/jobs/{key}.json"): _look("jobs", whole_force=True, is_kept=False),
    ("POST", "/jobs"): _change("jobs", "combination"),
    ("POST", "/jobs.json"): _change("jobs", "combination"),
    ("POST", "/jobs/{key}/stop"): _change("jobs", "administration"),
    ("POST", "/api/extracts"): _change("jobs", "collection"),
    # The service itself; a program asks for its metrics every few seconds, and they speak of nobody
    ("GET", "/metrics"): Row("operations", "consult", None),
    ("GET", "/health.json"): _look("figures"),
    ("GET", "/accounts"): _look("accounts", whole_force=True, is_kept=False),
    ("POST", "/accounts"): _change("accounts", "administration"),
    ("POST", "/accounts/{name}"): _change("accounts", "administration"),
    ("GET", "/log"): _look("log", whole_force=True, is_kept=False),
    ("GET", "/log.csv"): _take("log", whole_force=True, is_kept=False),
    ("GET", "/log.json"): _take("log", whole_force=True, is_kept=False),
}
# A sheet takes a view out: whoever may export what the view shows may have it, cut down as the view is.
TABLE: Mapping[tuple[str, str], Row] = _ROWS | {
    ("GET", f"{view}.{form}"): replace(_ROWS["GET", view], action="export", operation="disclosure")
    for view in SHEETS
    for form in SHEET_FORMS
}


def row_of(method: str, path: str, parts: Mapping[str, Any]) -> Row | None:
    """Give the row of an address, its kind told by the table, or layer, that is asked for; None where there is none.

    `path` is the address as it was added, with its parameters in braces; `parts` are those of this request.
    """
    row = TABLE.get(("GET" if method == "HEAD" else method, path))
    if row is None or row.kind is not None:
        return row
    name = str(parts.get("name", parts.get("collection", "")))
    if name not in tables.names():
        # Whoever may see figures is told by the address itself which tables there are.
        return replace(row, kind="figures")
    return replace(row, kind=access.kind_of_table(name), is_of_run=tables.table(name).kind == "result")


def insist_on_rows(addresses: Mapping[tuple[str, str], object]) -> None:
    """Raise UsageError where an address has no row, or a row no address."""
    missing = sorted(f"{method} {path}" for method, path in addresses if (method, path) not in TABLE)
    if missing:
        raise UsageError(
            "An address of the service is in no row of web/access_table.py, so that nobody could be let in:", missing
        )
