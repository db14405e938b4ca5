"""The one navigation of all pages: the views in few groups, those alone that whoever asks may open.

What an account may open, `access_table` says; a link that would be refused is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import urlencode

from bluelamp.access import Action, Holder, kind_of_table, may
from bluelamp.web.access_table import TABLE


@dataclass(frozen=True)
class View:
    """One view: where it is, what it is called, and whether it can show an earlier run."""

    address: str
    words: str
    takes_run: bool = False


FIRST = (
    View("/now", "Now"),
    View("/", "Map", takes_run=True),
    View("/areas", "Areas", takes_run=True),
    View("/what-if", "What if", takes_run=True),
    View("/data", "Data", takes_run=True),
)
MORE: Mapping[str, tuple[View, ...]] = {
    "People": (
        View("/contacts", "Contacts", takes_run=True),
        View("/strength", "Strength", takes_run=True),
        View("/duties", "Duties"),
    ),
    "Further ahead": (View("/outlook", "Four years", takes_run=True), View("/hotspots", "Hotspots", takes_run=True)),
    "How right": (
        View("/backtest", "Backtest"),
        View("/validation", "Validation"),
        View("/scoreboard", "Scoreboard", takes_run=True),
    ),
    "Figures": (View("/runs", "Runs"), View("/tables", "All tables"), View("/codes", "Codes")),
    "Service": (View("/jobs", "Jobs"), View("/accounts", "Accounts"), View("/log", "Log")),
}
OWN = View("/account", "Account")


@dataclass(frozen=True)
class Shown:
    """A view as a link."""

    address: str
    path: str
    words: str


@dataclass(frozen=True)
class Navigation:
    """The links of one page: the first ones, those under 'More' by group, and the own account."""

    first: tuple[Shown, ...]
    more: Mapping[str, tuple[Shown, ...]]
    own: Shown | None

    def named(self, path: str) -> str:
        """Give the name of a view that is under 'More', or nothing."""
        return next((each.words for group in self.more.values() for each in group if each.path == path), "")


@dataclass(frozen=True)
class _Asked:
    holder: Holder
    force_id: str
    run_id: str | None


# Pages are made by functions of figures, which know nothing of who asks: the door tells it here, for each request.
_ASKED: ContextVar[_Asked | None] = ContextVar("asked", default=None)


def tell(holder: Holder, force_id: str, run_id: str | None) -> None:
    """Say who asks for what follows in this request, and for which run, where one is named."""
    _ASKED.set(_Asked(holder, force_id, run_id))


def may_look(table: str) -> bool:
    """Say whether whoever asks may look at a table; a page that nobody asked for has every link."""
    return _may_with(table, "consult")


def may_take(table: str) -> bool:
    """Say whether whoever asks may take a table out."""
    return _may_with(table, "export")


def _may_with(table: str, action: Action) -> bool:
    asked = _ASKED.get()
    return asked is None or may(asked.holder, kind_of_table(table), action, asked.force_id)


def seen_by(holder: Holder, force_id: str) -> frozenset[str]:
    """Give the addresses of views that an account may open."""
    every = (*FIRST, *(view for group in MORE.values() for view in group), OWN)
    return frozenset(each.address for each in every if _may_open(each, holder, force_id))


def navigation() -> Navigation:
    """Give the links for whoever asks: none but the map where nobody is known to."""
    asked = _ASKED.get()
    if asked is None or not asked.holder.is_signed_in:
        return Navigation((Shown("/", "/", "Map"),), {}, None)
    open_to = seen_by(asked.holder, asked.force_id)

    def links(views: tuple[View, ...]) -> tuple[Shown, ...]:
        return tuple(_link(each, asked.run_id) for each in views if each.address in open_to)

    more = {name: shown for name, views in MORE.items() if (shown := links(views))}
    # Where nobody signs in, there is no account to look after.
    own = _link(OWN, None) if asked.holder.account_id is not None else None
    return Navigation(links(FIRST), more, own)


def _link(view: View, run_id: str | None) -> Shown:
    query = f"?{urlencode({'run': run_id})}" if run_id and view.takes_run else ""
    return Shown(f"{view.address}{query}", view.address, view.words)


def _may_open(view: View, holder: Holder, force_id: str) -> bool:
    row = TABLE.get(("GET", view.address))
    if row is None or row.kind is None or (row.whole_force and holder.districts):
        return False
    return may(holder, row.kind, row.action, force_id)
