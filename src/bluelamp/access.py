"""Who may do what: roles, kinds of data, and what each role may do with each kind.

This page is the whole rule. Addresses say which kind they give and what they do with it (`web/access_table.py`); an
account says its role, its force and its districts or teams. What is not written here is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from bluelamp import tables

Role = Literal[
    "viewer",
    "analyst",
    "planner",
    "supervisor",
    "chief",
    "auditor",
    "administrator",
    "peer_force",
    "source",
    "monitor",
]
Action = Literal["consult", "export", "change"]
Kind = Literal[
    "public",  # what anybody may see: how to sign in, and whether the service is alive
    "own",  # a person's own account
    "shared",  # what forces show each other: areas, standards, how right the forecast has been
    "figures",  # demand, forecast, cover and what follows from them, by place and hour; nobody can be told
    "strength",  # personnel figures of pools and roles; nobody can be told
    "records",  # single incidents, logs, units
    "people",  # named duties and capability flags, never a reason
    "codes",  # the crosswalk, which decides what an incident counts as
    "arrivals",  # what a control room's system sends as it happens
    "accounts",  # who may sign in
    "log",  # who saw, changed, exported or shared what
    "jobs",  # long work that is asked for, such as a new run, and what became of it
    "operations",  # how the service runs: metrics, runs
]
ROLES: tuple[Role, ...] = get_args(Role)
KINDS: tuple[Kind, ...] = get_args(Kind)
ACTIONS: tuple[Action, ...] = get_args(Action)

ROLE_WORDS: dict[Role, str] = {
    "viewer": "sees the map and its figures, such as a screen on the wall",
    "analyst": "sees and exports figures and records, keeps the crosswalk, and asks for imports and runs",
    "planner": "sees and exports figures and named duties with what people can do, never why not, and asks for runs",
    "supervisor": "sees figures, records and the people of the teams that the account names",
    "chief": "sees and exports figures",
    "auditor": "sees and exports the log, and who may sign in",
    "administrator": "makes and closes accounts, and looks after the service; sees nobody's duties",
    "peer_force": "another force: sees what forces share, and nothing else",
    "source": "a system that sends incidents as they happen, and reads nothing",
    "monitor": "a system that watches how the service runs: its metrics and jobs, and no figures",
}  # fmt: skip

_LOOK: frozenset[Action] = frozenset({"consult"})
_TAKE: frozenset[Action] = frozenset({"consult", "export"})
_ALL: frozenset[Action] = frozenset(ACTIONS)
_SYSTEMS: tuple[Role, ...] = ("source", "monitor")
_EVERYBODY: dict[Kind, frozenset[Action]] = {"public": _ALL, "own": _ALL, "shared": _TAKE}
_RIGHTS: dict[Role, dict[Kind, frozenset[Action]]] = {
    "viewer": {"figures": _LOOK},
    "analyst": {
        "figures": _TAKE,
        "strength": _TAKE,
        "records": _TAKE,
        "codes": _ALL,
        "jobs": _ALL,
        "operations": _LOOK,
    },
    "planner": {"figures": _TAKE, "strength": _TAKE, "people": _TAKE, "jobs": _ALL},
    "supervisor": {"figures": _TAKE, "strength": _LOOK, "records": _LOOK, "people": _LOOK, "jobs": _LOOK},
    "chief": {"figures": _TAKE, "strength": _TAKE, "jobs": _LOOK},
    "auditor": {"figures": _LOOK, "accounts": _LOOK, "log": _TAKE, "jobs": _LOOK},
    "administrator": {"figures": _LOOK, "accounts": _ALL, "jobs": _ALL, "operations": _ALL, "codes": _LOOK},
    "peer_force": {},
    "source": {"arrivals": _ALL},
    "monitor": {"jobs": _LOOK, "operations": _LOOK},
}

# Tables whose rows are single happenings; the others of law enforcement are figures.
_RECORDS = frozenset({
    "incidents", "contacts", "offences", "grade_history", "unit_status", "cases", "commitments", "quarantine",
    "open_logs", "units_now", "most_repeated", "vehicles", "erasures",
})  # fmt: skip
_PEOPLE = frozenset({"people", "duties", "absences", "unit_crews", "visits"})
_SHARED = frozenset({"areas", "standards", "scoreboard_scores", "scoreboard_weeks", "scoreboard_places"})


@dataclass(frozen=True)
class Holder:
    """Whoever asks: an account with its role, force and scope, or nobody who has signed in (`role` is None).

    `districts` limit what is seen to those districts, none of them to nothing less than the force. `teams` are those
    whose people a supervisor sees, each `pool/team`.
    """

    name: str
    role: Role | None
    force_id: str
    districts: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    account_id: int | None = None

    @property
    def is_signed_in(self) -> bool:
        """Whether anybody is known to ask."""
        return self.role is not None


NOBODY = Holder("nobody", None, "")


def may(holder: Holder, kind: Kind, action: Action, force_id: str) -> bool:
    """Say whether somebody may do something with a kind of a force's data.

    Whoever belongs to another force is to this one a peer force, whatever the role at home.

    >>> may(Holder("ann", "planner", "LV"), "people", "consult", "LV")
    True
    >>> may(Holder("ann", "planner", "QY"), "people", "consult", "LV")
    False
    """
    if kind == "public":
        return True
    if holder.role is None:
        return False
    role = holder.role if holder.force_id == force_id else "peer_force"
    if role in _SYSTEMS:
        # A key that lies in another system's settings opens one door only.
        return action in _RIGHTS[role].get(kind, frozenset())
    return action in (_EVERYBODY | _RIGHTS[role]).get(kind, frozenset())


def kind_of_table(name: str) -> Kind:
    """Say which kind of data the rows of a table are."""
    if name in _PEOPLE:
        return "people"
    if name in _RECORDS:
        return "records"
    if name in _SHARED:
        return "shared"
    return "strength" if tables.table(name).regime == "personnel" else "figures"
