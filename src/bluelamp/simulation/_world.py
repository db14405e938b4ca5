"""From what a caller says to the arrays of the event loop, and back."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bluelamp.simulation import _kernel
from bluelamp.simulation._checks import count_pools, is_same

WholeNumbers = NDArray[np.int64]
_MINUTES = 60.0
# What a run needs while it lasts is kept for the next one of the same thread, up to so much: memory that is new to the
# process took a quarter of a run.
_KEPT_BYTES = 64 << 20
_KEPT = threading.local()


class Ground(NamedTuple):
    """What is the same in every run: groups of places that are covered alike, and who covers and helps them."""

    pools: int
    priorities: int
    arrays: dict[str, Any]


def lay_ground(units: Any, cover: Any, rules: Any, travel: Any, *, priorities: int, hours: int) -> Ground:
    """Group the places that are covered alike all the time, and list by pool the groups that it covers and helps."""
    pools = count_pools(units, cover, rules)
    rows = np.concatenate([cover.own, cover.also, cover.help], axis=1)
    number: dict[bytes, int] = {}
    group = np.array([number.setdefault(row.tobytes(), len(number)) for row in rows], dtype=np.int64)
    firsts = np.unique(group, return_index=True)[1]
    own = np.ascontiguousarray(np.broadcast_to(cover.own, (len(rows), hours))[firsts]) if hours else cover.own[firsts]
    also, help_ = np.ascontiguousarray(cover.also[firsts]), np.ascontiguousarray(cover.help[firsts])
    is_also, is_own, is_help = (np.zeros((len(firsts), pools), dtype=np.bool_) for _ in range(3))
    for flags, table in ((is_also, also), (is_own, own), (is_help, help_)):
        rows_of, columns = np.nonzero(table >= 0)
        flags[rows_of, table[rows_of, columns]] = True
    keep_free = np.zeros((pools, priorities, 1), dtype=np.int64)
    if rules.keep_free is not None:
        given = rules.keep_free.reshape(*rules.keep_free.shape[:2], -1)
        keep_free = np.zeros((pools, priorities, given.shape[2]), dtype=np.int64)
        keep_free[:, : given.shape[1]] = given
    aside = np.zeros((pools, 1), dtype=np.int64)
    if rules.aside is not None and rules.is_nearest:
        aside = np.ascontiguousarray(rules.aside, dtype=np.int64)
    changes = (
        own[:, 1:] != own[:, :-1],
        (keep_free[:, :, 1:] != keep_free[:, :, :-1]).any(axis=1),
        aside[:, 1:] != aside[:, :-1],
    )
    takes_from = np.zeros((priorities, priorities), dtype=np.int64)
    if rules.takes_from is not None:
        takes_from[: len(rules.takes_from), : len(rules.takes_from)] = rules.takes_from
    way, factor = np.zeros((0, 0)), np.ones(1)
    if travel is not None:
        way, factor = np.ascontiguousarray(travel.minutes, dtype=np.float64), travel.factor
    arrays = {
        "group": group, "own": own, "also": also, "help": help_, "is_also": is_also,
        "covers": _listed((is_own | is_also).T), "lends_to": _listed(is_help.T),
        "cover_changes": np.unique(np.concatenate([1 + np.flatnonzero(each.any(axis=0)) for each in changes])),
        "keep_free": keep_free, "aside": aside, "takes_from": takes_from, "way": way,
        "way_factor": np.ascontiguousarray(np.broadcast_to(factor, max(hours, 1)), dtype=np.float64),
    }  # fmt: skip
    return Ground(pools, priorities, arrays)


def lay_out(
    jobs: Any, units: Any, cover: Any, rules: Any, ground: Ground, *, hours: int, sendings: int
) -> dict[str, Any]:
    """Give the arrays of one run, before anything has happened; `sendings` is how many can be kept."""
    count, levels, groups = len(jobs), ground.priorities + 1, len(ground.arrays["own"])
    first_child, next_child, has_followers = _children(jobs.parent)
    by_ready = _in_order(jobs, has_followers)
    state = np.zeros(1, dtype=_kernel.STATE)
    state["until"], state["hour_ends"] = _MINUTES * hours, _MINUTES
    state["alone"] = len(by_ready) if has_followers else count
    state["levels"], state["keeps"], state["now"] = levels, sendings > 0, -1
    state["holds_back"] = ground.arrays["keep_free"].any() or ground.arrays["aside"].any()
    state["takes"] = ground.arrays["takes_from"].any()
    for name in ("help_to", "help_units", "last_for", "is_nearest", "may_pass", "help_travel_factor", "last_minutes",
                 "last_minutes_handed_over", "relief_before", "clearing"):  # fmt: skip
        state[name] = getattr(rules, name)
    out = np.zeros(len(units), dtype=_kernel.UNIT)
    for name in ("starts", "ends", "briefing", "break_from", "break_minutes", "pool", "kind", "abilities", "place"):
        out[name] = getattr(units, name)
    out["out_from"] = out["out_until"] = np.nan
    # A unit of a kind that nobody wants still has a column to be looked up in.
    kinds = max(int(units.kind.max(initial=0)) + 1, jobs.units.shape[1])
    wanted = jobs.units
    if kinds > wanted.shape[1]:
        wanted = np.pad(wanted, ((0, 0), (0, kinds - wanted.shape[1])))
    by_hour = (ground.pools, ground.priorities, hours + 1)
    # One block, because the operating system gives a large one out in larger pages.
    unknown = np.full((6, count), np.nan)
    borrowed = _borrow(count, len(units), kinds)
    borrowed["slots"][:] = -1
    by_regrade = _by_regrade(jobs.regraded_at)
    if len(by_regrade):
        # A job may be regraded before it has come.
        borrowed["jobs"]["is_waiting"] = 0
    pools = np.zeros(ground.pools, dtype=_kernel.POOL)
    pools["vehicles"] = -1
    pools["vehicles"][: len(cover.vehicles)] = cover.vehicles
    return dict(
        ready=jobs.ready, place=jobs.place, priority=jobs.priority, asks=jobs.asks, is_at_once=jobs.is_at_once,
        first_minutes=jobs.first_minutes, after_minutes=jobs.after_minutes, further_minutes=jobs.further_minutes,
        travel=jobs.travel, stretch=jobs.stretch, regraded_at=jobs.regraded_at, regraded_to=jobs.regraded_to,
        regraded_asks=jobs.regraded_asks, patience=jobs.patience, is_handed_over=jobs.is_handed_over,
        may_be_left=jobs.may_be_left, wanted=wanted, first_child=first_child, next_child=next_child,
        by_ready=by_ready,
        by_start=np.argsort(units.starts, kind="stable"), by_end=np.argsort(units.ends, kind="stable"),
        by_regrade=by_regrade, state=state, units=out, pools=pools, unit_lines=np.full((3 * ground.pools, 2), -1),
        job_lines=np.full((groups * levels, 2), -1), cursors=np.empty(groups, dtype=np.int64),
        picked=np.empty(len(units), dtype=np.int64), minutes=np.zeros((5, ground.pools, hours)),
        sendings=np.empty(sendings, dtype=_kernel.SENDING), waiting=np.zeros(by_hour, dtype=np.int64),
        oldest=np.zeros(by_hour), had=np.zeros(count, dtype=np.int64), is_helped=np.zeros(count, dtype=np.bool_),
        was_ready=unknown[5], sent=unknown[0], arrived=unknown[1], all_arrived=unknown[2],
        left=unknown[3], lapsed=unknown[4], **borrowed, **ground.arrays,
    )  # fmt: skip


def _borrow(jobs: int, units: int, kinds: int) -> dict[str, NDArray[Any]]:
    """Give arrays that nobody sees after a run, with whatever was in them."""
    wanted = {
        "jobs": (_kernel.JOB, (jobs,)), "calendar": (_kernel.APPOINTMENT, (jobs + units,)),
        "slots": (np.dtype(np.int64), (jobs + units,)), "wants": (np.dtype(np.int64), (jobs, kinds)),
    }  # fmt: skip
    sizes = {name: kind.itemsize * int(np.prod(shape)) for name, (kind, shape) in wanted.items()}
    room = sum(sizes.values())
    block: NDArray[np.uint8] | None = getattr(_KEPT, "block", None)
    if block is None or len(block) < room:
        block = np.empty(room, dtype=np.uint8)
        if room <= _KEPT_BYTES:
            _KEPT.block = block
    found, at = {}, 0
    for name, (kind, shape) in wanted.items():
        found[name] = block[at : at + sizes[name]].view(kind).reshape(shape)
        at += sizes[name]
    return found


def _listed(flags: NDArray[np.bool_]) -> WholeNumbers:
    """Give the columns that are true in each row, -1 padded."""
    most = int(flags.sum(axis=1).max(initial=0))
    listed = np.full((len(flags), most), -1)
    for row, each in enumerate(flags):
        there = np.flatnonzero(each)
        listed[row, : len(there)] = there
    return listed


def _children(parent: WholeNumbers) -> tuple[WholeNumbers, WholeNumbers, bool]:
    if is_same(parent) and parent[0] < 0:
        return parent, parent, False
    first, following = np.full(len(parent), -1), np.full(len(parent), -1)
    followers = np.flatnonzero(parent >= 0)
    for child in followers[::-1]:
        following[child] = first[parent[child]]
        first[parent[child]] = child
    return first, following, len(followers) > 0


def _in_order(jobs: Any, has_followers: bool) -> WholeNumbers:
    """Give the jobs without a parent by when they are ready; at the same minute the more urgent and longest waiting.

    Nothing is given where they stand in that order already.
    """
    if not has_followers and (not len(jobs) or (jobs.ready[0] >= 0 and np.all(jobs.ready[1:] > jobs.ready[:-1]))):
        return np.empty(0, dtype=np.int64)
    own = np.flatnonzero(jobs.parent < 0)
    ready = jobs.ready[own]
    return own[np.lexsort((own, ready, jobs.priority[own], np.maximum(ready, 0)))]


def _by_regrade(at: NDArray[np.float64]) -> WholeNumbers:
    if is_same(at) and np.isnan(at[0]):
        return np.empty(0, dtype=np.int64)
    regraded = np.flatnonzero(~np.isnan(at))
    return regraded[np.argsort(at[regraded], kind="stable")]
