"""The event loop, compiled: every event is handled once, in order of time.

Nothing here allocates, and nothing is a Python object: units, jobs and the calendar are rows of arrays that carry
names. A unit has at most one appointment in the calendar (when it is done, or its break), and so has a job (when it
lapses, comes back, wants relief or is over); duties, regrades, changes of cover and new jobs come from sorted lists.

Who is free stands in a line a pool, longest free first; who waits stands in a line a group of places that are covered
alike and a level (level 0 wants relief, level p + 1 is priority p), earliest ready first.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator,override,index"

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numba import from_dtype, njit, types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, lower_builtin, lower_getattr_generic, models, register_model
from numba.np import arrayobj

# What can happen, in the order in which it is handled within the same minute. These are NumPy's numbers, because for
# each plain one that is passed a function would be compiled again.
LAPSE, DONE, OVER, END, START, BREAK, COVER, RELIEVE, REGRADE, RETURN, READY = np.arange(11)
NOTHING = np.int64(99)
# What a unit is at.
OFF, NO_VEHICLE, BRIEFED, FREE, PICKED, BUSY, AT_BREAK, GONE = np.arange(8)
# Rows of `minutes`.
IDLE, BRIEFING, TRAVEL, WORK, REST = np.arange(5)
# Lines that units stand in, by pool.
FREE_LINE, BUSY_LINE, VEHICLE_LINE = np.arange(3)
NOBODY = np.int64(-1)
# A key of the calendar is what happens, then to whom; both in one number, so that ties are one comparison.
_BITS = 40
_WHO = (1 << _BITS) - 1

UNIT = np.dtype(
    [
        *((name, np.float64) for name in ("starts", "ends", "briefing", "break_from", "break_minutes")),
        *((name, np.int64) for name in ("pool", "kind", "abilities", "place")),
        # What follows is the simulation's own.
        *((name, np.int64) for name in ("state", "job", "came_from", "sending", "next", "previous")),
        *((name, np.float64) for name in ("since", "sent", "arrives", "leaves")),
        *((name, np.float64) for name in ("busy", "overtime", "out_from", "out_until")),
        ("unit_jobs", np.int64),
    ]
)
# One line of a processor's cache; it holds for a job what the loop changes, but for what is given back.
JOB = np.dtype(
    [
        *((name, np.float64) for name in ("since", "rest", "latest")),
        *((name, np.int64) for name in ("asks", "first")),
        *((name, np.int32) for name in ("next", "previous", "group", "is_waiting")),
        *((name, np.int16) for name in ("priority", "level", "wanted", "wants")),
    ]
)
POOL = np.dtype([(name, np.int64) for name in ("free", "out", "vehicles")])
APPOINTMENT = np.dtype([("at", np.float64), ("key", np.int64)])
SENDING = np.dtype(
    [("job", np.int64), ("unit", np.int64), ("sent", np.float64), ("arrived", np.float64), ("left", np.float64),
     ("is_help", np.int64)]
)  # fmt: skip
STATE = np.dtype(
    [
        *((name, np.float64) for name in ("until", "hour_ends")),
        *((name, np.int64) for name in ("hour", "calendar", "free", "waiting", "once", "again", "sendings", "now")),
        # Rules.
        *((name, np.int64) for name in ("alone", "levels", "help_to", "help_units", "last_for")),
        *((name, np.int64) for name in ("is_nearest", "may_pass", "holds_back", "takes", "keeps")),
        *((name, np.float64) for name in ("help_travel_factor", "last_minutes", "last_minutes_handed_over")),
        *((name, np.float64) for name in ("relief_before", "clearing")),
    ]
)


# All arrays of a run: what an element is, how many axes there are, and whether it was given by the caller, so that one
# number may stand for all jobs. By job; the order of events; the ground, by groups of places that are covered alike;
# what changes; and what is given back, by job.
_GIVEN: dict[Any, dict[str, int]] = {
    np.float64: {
        "ready": 1, "first_minutes": 1, "after_minutes": 1, "further_minutes": 2, "travel": 2, "stretch": 2,
        "regraded_at": 1, "patience": 1,
    },
    np.bool_: {"is_at_once": 1, "is_handed_over": 1, "may_be_left": 1},
    np.int64: {"place": 1, "priority": 1, "asks": 1, "regraded_to": 1, "regraded_asks": 1, "wanted": 2,
               "first_child": 1, "next_child": 1},
}  # fmt: skip
_OWN: dict[Any, dict[str, int]] = {
    np.float64: {
        "way": 2, "way_factor": 1, "minutes": 3, "oldest": 3, "was_ready": 1, "sent": 1, "arrived": 1,
        "all_arrived": 1, "left": 1, "lapsed": 1,
    },
    np.bool_: {"is_also": 2, "is_helped": 1},  # is_also: groups × pools
    np.int64: {
        "by_ready": 1, "by_start": 1, "by_end": 1, "by_regrade": 1, "cover_changes": 1, "group": 1, "own": 2,
        "also": 2, "help": 2, "covers": 2, "lends_to": 2, "keep_free": 3, "aside": 2, "takes_from": 2, "wants": 2,
        "unit_lines": 2, "job_lines": 2, "cursors": 1, "slots": 1, "picked": 1, "had": 1, "waiting": 3,
    },
    STATE: {"state": 1}, UNIT: {"units": 1}, JOB: {"jobs": 1}, POOL: {"pools": 1}, APPOINTMENT: {"calendar": 1},
    SENDING: {"sendings": 1},
}  # fmt: skip
ARRAYS: dict[str, tuple[Any, int, bool]] = {
    name: (np.dtype(kind), axes, table is _GIVEN)
    for table in (_GIVEN, _OWN)
    for kind, arrays in table.items()
    for name, axes in arrays.items()
}

# A function of the loop takes one argument, a row that says where each array lies and how long its axes are. Passed one
# by one, sixty arrays would be counted in and out of every call, which takes many times longer than the work.
WORLD = np.dtype([(name, np.int64, 1 + 2 * axes) for name, (_, axes, _) in ARRAYS.items()])


def point_at(arrays: dict[str, Any]) -> Any:
    """Give the row that says where arrays lie; they must outlive it, be of their kind, and C-contiguous if our own."""
    numbers: list[int] = []
    for name, (kind, axes, is_given) in ARRAYS.items():
        array = arrays[name]
        assert (array.dtype, array.ndim) == (kind, axes), name
        assert is_given or array.flags.c_contiguous, name
        numbers += (array.ctypes.data, *array.shape, *array.strides)
    return np.array(numbers, dtype=np.int64).view(WORLD)


_WORLD = from_dtype(WORLD)
# Only what is called from outside is kept on disk; it holds the rest, which Python can't call: a door to it for each
# function took a tenth of the compiling.
_kept = njit(cache=True, nogil=True, error_model="numpy")
_WITHIN: dict[str, Any] = {
    "nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True
}  # fmt: skip
_compiled = njit(**_WITHIN, forceinline=False)
# What nearly every job passes through, and few call, is written out where it is called. That must be refused above, or
# whatever these call would be written out too, which takes minutes to compile and is no faster.
_inlined = njit(**_WITHIN, forceinline=True)


class _Rows(types.Array):
    """An array of which no index is counted from the end, so that none is looked at for its sign.

    It knows where its entries lie, and not who uses them: nothing is counted when it is passed on.
    """


@register_model(_Rows)
class _RowsModel(models.StructModel):
    def __init__(self, manager, rows):
        axes = types.UniTuple(types.intp, rows.ndim)
        members = [("data", types.CPointer(rows.dtype)), ("shape", axes), ("strides", axes)]
        super().__init__(manager, rows, members)


@infer_getattr
class _ArraysOfWorld(AttributeTemplate):
    """Let loops write `w.units` for the array that a row points at."""

    key = _WORLD

    def generic_resolve(self, _world, name):
        return _array_type(name)


def _array_type(name):
    kind, axes, is_given = ARRAYS[name]
    return _Rows(from_dtype(kind), axes, "A" if is_given else "C", name=f"_Rows({kind}, {axes}, {is_given})")


@lower_getattr_generic(_WORLD)
def _read_array(context, builder, _world, row, name):
    kind, axes, is_given = ARRAYS[name]
    words = builder.bitcast(row, cgutils.intp_t.as_pointer())
    first = WORLD.fields[name][1] // 8
    loaded = [builder.load(builder.gep(words, [cgutils.intp_t(first + word)])) for word in range(1 + 2 * axes)]
    for each in loaded:
        # A row does not change while loops run: what was read of it once need not be read again.
        each.set_metadata("invariant.load", builder.module.add_metadata([]))
    at, *rest = loaded
    shape, strides = rest[:axes], rest[axes:]
    size = cgutils.intp_t(kind.itemsize)
    if not is_given:
        strides[-1] = size
    array = cgutils.create_struct_proxy(_array_type(name))(context, builder)
    array.data = builder.inttoptr(at, context.get_data_type(from_dtype(kind)).as_pointer())
    array.shape = cgutils.pack_array(builder, shape)
    array.strides = cgutils.pack_array(builder, strides)
    return array._getvalue()


@lower_builtin(operator.getitem, _Rows, types.Integer)
@lower_builtin(operator.getitem, _Rows, types.BaseTuple)
def _get_entry(context, builder, signature, arguments):
    return arrayobj.load_item(
        context, builder, signature.args[0], _point_at_entry(context, builder, signature, arguments)
    )


@lower_builtin(operator.setitem, _Rows, types.Integer, types.Any)
@lower_builtin(operator.setitem, _Rows, types.BaseTuple, types.Any)
def _set_entry(context, builder, signature, arguments):
    rows, _, kind = signature.args
    entry = context.cast(builder, arguments[2], kind, rows.dtype)
    arrayobj.store_item(context, builder, rows, entry, _point_at_entry(context, builder, signature, arguments))


def _point_at_entry(context, builder, signature, arguments):
    rows, where = signature.args[:2]
    kinds, given = [where], [arguments[1]]
    if rows.ndim > 1:
        kinds, given = where, cgutils.unpack_tuple(builder, arguments[1], rows.ndim)
    indices = [context.cast(builder, index, kind, types.intp) for index, kind in zip(given, kinds, strict=True)]
    array = cgutils.create_struct_proxy(rows)(context, builder, value=arguments[0])
    return cgutils.get_item_pointer(context, builder, rows, array, indices)


# ---- the calendar: a binary heap in which appointments can be moved ----


@_compiled
def _rise(calendar, slots, slot, at, key):
    """Put an appointment at a slot or above, where it belongs."""
    while slot > 0:
        above = (slot - 1) >> 1
        if not (at < calendar[above].at or (at == calendar[above].at and key < calendar[above].key)):
            break
        calendar[slot].at = calendar[above].at
        calendar[slot].key = calendar[above].key
        slots[calendar[slot].key & _WHO] = slot
        slot = above
    calendar[slot].at = at
    calendar[slot].key = key
    slots[key & _WHO] = slot


@_compiled
def _sink(calendar, slots, size, slot, at, key):
    """Put an appointment below a slot that is free, where it belongs: the earlier ones move up, then it rises."""
    below = 2 * slot + 1
    while below < size:
        if below + 1 < size:
            left, right = calendar[below], calendar[below + 1]
            below += (right.at < left.at) | ((right.at == left.at) & (right.key < left.key))
        calendar[slot].at = calendar[below].at
        calendar[slot].key = calendar[below].key
        slots[calendar[slot].key & _WHO] = slot
        slot = below
        below = 2 * slot + 1
    _rise(calendar, slots, slot, at, key)


@_compiled
def _appoint(w, at, kind, who):
    """Put down when something happens to a unit (its index) or a job (units + its index), in place of what stood."""
    state = w.state[0]
    if who == state.now:
        # What happens to it now stands in front still, and makes room for what happens next.
        state.now = NOBODY
        _sink(w.calendar, w.slots, state.calendar, w.slots[who], at, (kind << _BITS) | who)
        return
    if w.slots[who] >= 0:
        _cancel(w, who)
    slot = state.calendar
    state.calendar += 1
    _rise(w.calendar, w.slots, slot, at, (kind << _BITS) | who)


@_compiled
def _cancel(w, who):
    slot = w.slots[who]
    if slot < 0:
        return
    if who == w.state[0].now:
        w.state[0].now = NOBODY
    w.slots[who] = -1
    w.state[0].calendar -= 1
    last = w.state[0].calendar
    if slot < last:
        at, key = w.calendar[last].at, w.calendar[last].key
        _sink(w.calendar, w.slots, last, slot, at, key)


# ---- lines ----


@_inlined
def _join(w, line, u):
    unit = w.units[u]
    last = w.unit_lines[line, 1]
    unit.previous = last
    unit.next = NOBODY
    if last == NOBODY:
        w.unit_lines[line, 0] = u
    else:
        w.units[last].next = u
    w.unit_lines[line, 1] = u


@_inlined
def _leave(w, line, u):
    before, after = w.units[u].previous, w.units[u].next
    if before == NOBODY:
        w.unit_lines[line, 0] = after
    else:
        w.units[before].next = after
    if after == NOBODY:
        w.unit_lines[line, 1] = before
    else:
        w.units[after].previous = before


@_compiled
def _enqueue(w, j):
    """Let a job wait: behind those of its level that were ready before it."""
    job = w.jobs[j]
    line = job.group * w.state[0].levels + job.level
    before = w.job_lines[line, 1]
    while before != NOBODY and (w.jobs[before].since > job.since or (w.jobs[before].since == job.since and before > j)):
        before = w.jobs[before].previous
    job.previous = before
    if before == NOBODY:
        after = w.job_lines[line, 0]
        w.job_lines[line, 0] = j
    else:
        after = w.jobs[before].next
        w.jobs[before].next = j
    job.next = after
    if after == NOBODY:
        w.job_lines[line, 1] = j
    else:
        w.jobs[after].previous = j
    job.is_waiting = 1
    w.state[0].waiting += 1
    w.state[0].once += w.is_at_once[j]


@_compiled
def _dequeue(w, j):
    job = w.jobs[j]
    line = job.group * w.state[0].levels + job.level
    if job.previous == NOBODY:
        w.job_lines[line, 0] = job.next
    else:
        w.jobs[job.previous].next = job.next
    if job.next == NOBODY:
        w.job_lines[line, 1] = job.previous
    else:
        w.jobs[job.next].previous = job.previous
    job.is_waiting = 0
    w.state[0].waiting -= 1
    if w.is_at_once[j]:
        w.state[0].once -= 1
        # Those whom it held may go to others now.
        w.state[0].again = 1


# ---- minutes ----


@_inlined
def _book(w, stage, pool, start, end):
    state = w.state[0]
    if end <= state.hour_ends and start >= state.hour_ends - 60:
        w.minutes[stage, pool, state.hour] += max(0.0, end - start)
    elif start < end:
        _book_by_hour(w, stage, pool, start, min(end, state.until))


@_compiled
def _book_by_hour(w, stage, pool, start, end):
    hour = int(start / 60)
    while start < end:
        until = min((hour + 1) * 60.0, end)
        w.minutes[stage, pool, hour] += until - start
        start = until
        hour += 1


@_compiled
def _book_job(w, unit, at):
    if unit.arrives > unit.sent:
        _book(w, TRAVEL, unit.pool, unit.sent, min(unit.arrives, at))
    _book(w, WORK, unit.pool, unit.arrives, at)
    unit.busy += at - unit.sent


# ---- who may go where ----


@_inlined
def _is_able(w, at, u, j):
    unit, job = w.units[u], w.jobs[j]
    if w.wants[j, unit.kind] <= 0 or (job.asks & ~unit.abilities) != 0:
        return False
    state = w.state[0]
    if w.is_handed_over[j]:
        return unit.ends - at > state.last_minutes_handed_over
    return job.priority <= state.last_for or unit.ends - at > state.last_minutes


@_inlined
def _covers(w, pool, group):
    return w.own[group, w.state[0].hour] == pool or w.is_also[group, pool]


@_inlined
def _gets_help(w, j):
    return w.jobs[j].priority <= w.state[0].help_to and w.had[j] < w.state[0].help_units


@_compiled
def _is_held(w, at, u, j):
    """Say whether a unit is kept for a job that waits for several at once and comes before this one."""
    pool = w.units[u].pool
    job = w.jobs[j]
    for is_lent in range(2):
        groups = w.lends_to if is_lent else w.covers
        for i in range(groups.shape[1]):
            group = groups[pool, i]
            if group < 0:
                break
            if not is_lent and not _covers(w, pool, group):
                continue
            for level in range(job.level + 1):
                other = w.job_lines[group * w.state[0].levels + level, 0]
                while other != NOBODY:
                    if level == job.level and (
                        w.jobs[other].since > job.since or (w.jobs[other].since == job.since and other >= j)
                    ):
                        break
                    if w.is_at_once[other] and _is_able(w, at, u, other) and (not is_lent or _gets_help(w, other)):
                        return True
                    other = w.jobs[other].next
    return False


@_inlined
def _has_more_than_kept(w, pool, priority):
    hour = min(w.state[0].hour, w.keep_free.shape[2] - 1)
    return w.pools[pool].free > w.keep_free[pool, priority, hour]


@_inlined
def _choose(w, at, pool, j):
    """Give the free unit of a pool that goes: free longest, or nearest."""
    state = w.state[0]
    if not _has_more_than_kept(w, pool, w.jobs[j].priority):
        return NOBODY
    is_nearest = state.is_nearest and w.way.shape[0] > 0
    may_be_held = state.once > 0 and not state.may_pass
    best, shortest = NOBODY, np.inf
    looked_at = w.pools[pool].free
    if is_nearest:
        looked_at -= w.aside[pool, min(state.hour, w.aside.shape[1] - 1)]
    u = w.unit_lines[3 * pool + FREE_LINE, 0]
    while u != NOBODY and looked_at > 0:
        unit = w.units[u]
        if unit.state == FREE:
            looked_at -= 1
            if _is_able(w, at, u, j) and not (may_be_held and _is_held(w, at, u, j)):
                if not is_nearest:
                    return u
                way = w.way[unit.place, w.place[j]]
                if way < shortest:
                    best, shortest = u, way
        u = unit.next
    return best


@_compiled
def _pick(w, at, j):
    """Give the free unit that goes to a job, by the order of pools, and keep it for the job."""
    job = w.jobs[j]
    own = w.own[job.group, w.state[0].hour]
    u = _choose(w, at, own, j)
    if u == NOBODY:
        for i in range(w.also.shape[1]):
            pool = w.also[job.group, i]
            if pool >= 0 and pool != own:
                u = _choose(w, at, pool, j)
                if u != NOBODY:
                    break
    if u == NOBODY and _gets_help(w, j):
        for i in range(w.help.shape[1]):
            pool = w.help[job.group, i]
            if pool >= 0 and not _covers(w, pool, job.group):
                u = _choose(w, at, pool, j)
                if u != NOBODY:
                    break
    if u != NOBODY:
        _keep(w, u, j)
    return u


@_inlined
def _keep(w, u, j):
    unit = w.units[u]
    unit.state = PICKED
    w.pools[unit.pool].free -= 1
    w.state[0].free -= 1
    w.wants[j, unit.kind] -= 1
    w.jobs[j].wants -= 1
    w.had[j] += 1


@_compiled
def _let_go(w, u, j):
    unit = w.units[u]
    unit.state = FREE
    w.pools[unit.pool].free += 1
    w.state[0].free += 1
    w.wants[j, unit.kind] += 1
    w.jobs[j].wants += 1
    w.had[j] -= 1


# ---- sending ----


@_inlined
def _send_free(w, at, u, j, number):
    """Send a free unit that is kept for the job, as the so manieth of its units."""
    unit = w.units[u]
    _book(w, IDLE, unit.pool, unit.since, at)
    _leave(w, 3 * unit.pool + FREE_LINE, u)
    _send(w, at, u, j, number)


@_compiled
def _send(w, at, u, j, number):
    unit, job, state = w.units[u], w.jobs[j], w.state[0]
    is_help = not _covers(w, unit.pool, job.group)
    way = np.nan
    if w.travel.shape[1]:
        way = w.travel[j, min(number, w.travel.shape[1] - 1)]
    if np.isnan(way):
        way = 0.0
        if w.way.shape[0]:
            way = w.way[unit.place, w.place[j]] * w.way_factor[state.hour]
            way *= w.stretch[j, min(number, w.stretch.shape[1] - 1)]
    if is_help:
        way *= state.help_travel_factor
    arrives = at + way
    unit.state = BUSY
    unit.job = j
    unit.came_from = unit.place
    unit.place = w.place[j]
    unit.sent = at
    unit.arrives = arrives
    unit.unit_jobs += 1
    if state.takes:
        _join(w, 3 * unit.pool + BUSY_LINE, u)
    if number == 0:
        w.sent[j] = at
        w.is_helped[j] = is_help
        w.arrived[j] = arrives
        if job.since < at and job.since <= state.hour_ends - 60:
            _count_waiting(w, j, at)
    elif not w.arrived[j] <= arrives:
        w.arrived[j] = arrives
    job.latest = max(job.latest, arrives)
    if w.is_handed_over[j]:
        _stay(w, at, u, j)
    else:
        if w.slots[len(w.units) + j] >= 0:
            _cancel(w, len(w.units) + j)
        if job.first == NOBODY:
            job.first = u
            unit.leaves = arrives + (w.first_minutes[j] if np.isnan(job.rest) else job.rest)
            _set_left(w, j, unit.leaves)
            _appoint(w, unit.leaves + w.after_minutes[j] + state.clearing, DONE, u)
        else:
            unit.leaves = arrives + w.further_minutes[j, max(min(number, w.further_minutes.shape[1]) - 1, 0)]
            _appoint(w, unit.leaves + state.clearing, DONE, u)
    if state.keeps:
        if state.sendings < len(w.sendings):
            row = w.sendings[state.sendings]
            row.job = j
            row.unit = u
            row.sent = at
            row.arrived = arrives
            row.left = unit.leaves
            row.is_help = is_help
            unit.sending = state.sendings
        else:
            unit.sending = NOBODY
        state.sendings += 1


@_inlined
def _set_left(w, j, left):
    """Say when the first unit leaves; what follows the job comes so much later."""
    w.left[j] = left
    child = w.first_child[j]
    while child != NOBODY:
        _appoint(w, left + w.ready[child], RETURN, len(w.units) + child)
        child = w.next_child[child]


@_compiled
def _stay(w, at, u, j):
    """Let a unit stay at a job that is handed over, and relieve whoever was there."""
    unit, job, state = w.units[u], w.jobs[j], w.state[0]
    before = job.first
    if before == NOBODY:
        _set_left(w, j, unit.arrives + w.first_minutes[j])
    else:
        relieved = min(unit.arrives, w.left[j])
        w.units[before].leaves = relieved
        if state.keeps and w.units[before].sending != NOBODY:
            w.sendings[w.units[before].sending].left = relieved
        _appoint(w, max(relieved, w.units[before].arrives) + state.clearing, DONE, before)
    job.first = u
    unit.leaves = max(w.left[j], unit.arrives)
    wants_relief = max(unit.arrives, unit.ends - state.relief_before)
    if wants_relief < w.left[j]:
        _appoint(w, wants_relief, RELIEVE, len(w.units) + j)
    else:
        _appoint(w, w.left[j], OVER, len(w.units) + j)
    _cancel(w, u)


@_compiled
def _try(w, at, j):
    """Send what can go to a job now; says whether it has all that it wants."""
    job = w.jobs[j]
    if not w.is_at_once[j]:
        while job.wants > 0:
            number = w.had[j]
            u = _pick(w, at, j)
            if u == NOBODY:
                break
            _send_free(w, at, u, j, number)
    else:
        number = w.had[j]
        picked = 0
        while job.wants > 0:
            u = _pick(w, at, j)
            if u == NOBODY:
                break
            w.picked[picked] = u
            picked += 1
        if job.wants > 0:
            for i in range(picked):
                _let_go(w, w.picked[i], j)
        else:
            for i in range(picked):
                _send_free(w, at, w.picked[i], j, number + i)
    return _has_all(w, j)


@_inlined
def _has_all(w, j):
    """Say whether a job has all units that it wants; then it waits no longer."""
    job = w.jobs[j]
    if job.wants > 0:
        return False
    if np.isnan(w.all_arrived[j]):
        w.all_arrived[j] = job.latest
    if job.is_waiting:
        _dequeue(w, j)
    return True


@_compiled
def _find_victim(w, at, j):
    """Give the unit that is taken from another job: the least urgent, on its way rather than there, sent last."""
    job = w.jobs[j]
    own = w.own[job.group, w.state[0].hour]
    best, best_priority, best_on_way, best_sent = NOBODY, -1, False, 0.0
    for i in range(-1, w.also.shape[1]):
        pool = own if i < 0 else w.also[job.group, i]
        if pool < 0 or (i >= 0 and pool == own):
            continue
        u = w.unit_lines[3 * pool + BUSY_LINE, 0]
        while u != NOBODY:
            unit = w.units[u]
            other = w.jobs[unit.job]
            on_way = at < unit.arrives
            if (
                w.may_be_left[unit.job]
                and other.wanted == 1
                and not w.is_handed_over[unit.job]
                and at < unit.leaves
                and w.takes_from[job.priority, other.priority] >= (1 if on_way else 2)
                and _is_able(w, at, u, j)
            ):
                is_better = other.priority > best_priority
                if other.priority == best_priority:
                    if on_way != best_on_way:
                        is_better = on_way
                    else:
                        is_better = unit.sent > best_sent or (unit.sent == best_sent and u < best)
                if is_better:
                    best, best_priority, best_on_way, best_sent = u, other.priority, on_way, unit.sent
            u = unit.next
    return best


@_compiled
def _call_off(w, at, u):
    """Take a unit from its job; gives the job, which wants one again and keeps what was done."""
    unit = w.units[u]
    k = unit.job
    job = w.jobs[k]
    _book_job(w, unit, at)
    _leave(w, 3 * unit.pool + BUSY_LINE, u)
    if at < unit.arrives:
        unit.place = unit.came_from
        if w.arrived[k] == unit.arrives:
            w.arrived[k] = np.nan
            job.latest = -np.inf
            w.all_arrived[k] = np.nan
    else:
        job.rest = unit.leaves - at
    if w.state[0].keeps and unit.sending != NOBODY:
        row = w.sendings[unit.sending]
        row.left = at
        if at < unit.arrives:
            row.arrived = np.nan
    job.first = NOBODY
    w.left[k] = np.nan
    child = w.first_child[k]
    while child != NOBODY:
        _cancel(w, len(w.units) + child)
        child = w.next_child[child]
    w.wants[k, unit.kind] += 1
    job.wants += 1
    return k


@_inlined
def _answer(w, at, j):
    """Send to a job that has become ready, more urgent, or lost its unit; what it does not get, it waits for."""
    while not _try(w, at, j):
        job = w.jobs[j]
        u = NOBODY
        if w.state[0].takes and not w.is_at_once[j] and job.first == NOBODY:
            u = _find_victim(w, at, j)
        if u == NOBODY:
            _enqueue(w, j)
            return
        other = _call_off(w, at, u)
        w.wants[j, w.units[u].kind] -= 1
        job.wants -= 1
        w.had[j] += 1
        _send(w, at, u, j, w.had[j] - 1)
        if not _has_all(w, j):
            _enqueue(w, j)
        j = other


# ---- who waits ----


@_inlined
def _first_waiting(w, at, groups, pool, level, is_lent):
    """Give the first of those that wait, over a pool's groups of places, and move on behind it."""
    best = NOBODY
    for i in range(groups.shape[1]):
        group = groups[pool, i]
        if group < 0:
            break
        if _covers(w, pool, group) == is_lent:
            continue
        j = w.cursors[group]
        while j != NOBODY and w.had[j] > 0 and not w.is_handed_over[j] and w.left[j] <= at:
            # The first unit has left: those still wanted beside it need not come.
            after = w.jobs[j].next
            _want_nothing(w, j)
            _dequeue(w, j)
            w.cursors[group] = after
            j = after
        if j == NOBODY:
            continue
        if (
            best == NOBODY
            or w.jobs[j].since < w.jobs[best].since
            or (w.jobs[j].since == w.jobs[best].since and j < best)
        ):
            best = j
    if best != NOBODY:
        w.cursors[w.jobs[best].group] = w.jobs[best].next
    return best


@_compiled
def _look_for_work(w, at, u):
    """Let the jobs that wait be tried because a unit has become free, until it has gone."""
    state = w.state[0]
    unit = w.units[u]
    pool = unit.pool
    # With nothing held back or kept, all other free units have been tried before.
    is_alone = not state.holds_back and state.once == 0
    is_kept = not state.holds_back and not state.may_pass
    for is_lent in range(2):
        is_over = False
        groups = w.lends_to if is_lent else w.covers
        for level in range(state.levels):
            if is_lent and level > state.help_to + 1:
                break
            if state.holds_back and level > 0 and not _has_more_than_kept(w, pool, level - 1):
                # Only this unit has become free, so that only its pool may have one to send now.
                continue
            some = False
            for i in range(groups.shape[1]):
                group = groups[pool, i]
                if group < 0:
                    break
                w.cursors[group] = w.job_lines[group * state.levels + level, 0]
                some = some or w.cursors[group] != NOBODY
            while some:
                j = _first_waiting(w, at, groups, pool, level, is_lent)
                if j == NOBODY:
                    break
                if is_lent and not _gets_help(w, j):
                    continue
                if is_alone:
                    if _is_able(w, at, u, j):
                        number = w.had[j]
                        _keep(w, u, j)
                        _send_free(w, at, u, j, number)
                        _has_all(w, j)
                        return
                    continue
                _try(w, at, j)
                if unit.state != FREE:
                    return
                if is_kept and not is_lent and w.is_at_once[j] and _is_able(w, at, u, j):
                    # It is kept for this job, and so for none that comes later.
                    is_over = True
                    break
            if is_over:
                break


@_compiled
def _look_at_all(w, at):
    """Try every job that waits, because cover has changed or units are no longer kept for another."""
    state = w.state[0]
    groups = len(w.cursors)
    for level in range(state.levels):
        for group in range(groups):
            w.cursors[group] = w.job_lines[group * state.levels + level, 0]
        while state.free > 0:
            best = NOBODY
            for group in range(groups):
                j = w.cursors[group]
                if j != NOBODY and (
                    best == NOBODY
                    or w.jobs[j].since < w.jobs[best].since
                    or (w.jobs[j].since == w.jobs[best].since and j < best)
                ):
                    best = j
            if best == NOBODY:
                break
            job = w.jobs[best]
            w.cursors[job.group] = job.next
            if w.had[best] > 0 and not w.is_handed_over[best] and w.left[best] <= at:
                _want_nothing(w, best)
                _dequeue(w, best)
            else:
                _try(w, at, best)


# ---- duties ----


@_compiled
def _start(w, at, u):
    unit = w.units[u]
    pool = w.pools[unit.pool]
    if unit.ends <= at:
        unit.state = GONE
    elif pool.vehicles < 0 or pool.out < pool.vehicles:
        _go_out(w, at, u)
    else:
        unit.state = NO_VEHICLE
        _join(w, 3 * unit.pool + VEHICLE_LINE, u)


@_compiled
def _go_out(w, at, u):
    unit = w.units[u]
    w.pools[unit.pool].out += 1
    unit.out_from = at
    unit.since = at
    unit.state = BRIEFED
    _appoint(w, max(at, unit.starts + unit.briefing), DONE, u)


@_compiled
def _go_home(w, at, u):
    unit = w.units[u]
    unit.state = GONE
    unit.out_until = at
    unit.overtime = max(0.0, at - unit.ends)
    w.pools[unit.pool].out -= 1
    line = 3 * unit.pool + VEHICLE_LINE
    while w.unit_lines[line, 0] != NOBODY:
        following = w.unit_lines[line, 0]
        _leave(w, line, following)
        if w.units[following].ends > at:
            _go_out(w, at, following)
            return
        w.units[following].state = GONE


@_compiled
def _end(w, at, u):
    unit = w.units[u]
    if unit.state == FREE:
        _book(w, IDLE, unit.pool, unit.since, at)
        _leave(w, 3 * unit.pool + FREE_LINE, u)
        w.pools[unit.pool].free -= 1
        w.state[0].free -= 1
        _cancel(w, u)
        _go_home(w, at, u)
    elif unit.state == NO_VEHICLE:
        _leave(w, 3 * unit.pool + VEHICLE_LINE, u)
        unit.state = GONE


@_inlined
def _be_done(w, at, u):
    """Let a unit be done with what it was at: it goes home, has its break, or is free."""
    unit = w.units[u]
    if unit.state == BUSY:
        _book_job(w, unit, at)
        if w.state[0].takes:
            _leave(w, 3 * unit.pool + BUSY_LINE, u)
    elif unit.state == BRIEFED:
        _book(w, BRIEFING, unit.pool, unit.since, at)
    else:
        _book(w, REST, unit.pool, unit.since, at)
    unit.since = at
    if unit.ends <= at:
        _go_home(w, at, u)
        return
    if unit.break_minutes > 0 and unit.break_from <= at and unit.ends - at > unit.break_minutes:
        _rest(w, at, u)
        return
    unit.state = FREE
    _join(w, 3 * unit.pool + FREE_LINE, u)
    w.pools[unit.pool].free += 1
    w.state[0].free += 1
    if unit.break_minutes > 0 and unit.break_from > at:
        _appoint(w, unit.break_from, BREAK, u)
    if w.state[0].waiting:
        _look_for_work(w, at, u)


@_compiled
def _rest(w, at, u):
    unit = w.units[u]
    unit.state = AT_BREAK
    unit.since = at
    _appoint(w, at + unit.break_minutes, DONE, u)
    unit.break_minutes = 0.0


@_compiled
def _take_break(w, at, u):
    unit = w.units[u]
    if unit.ends - at > unit.break_minutes:
        _book(w, IDLE, unit.pool, unit.since, at)
        _leave(w, 3 * unit.pool + FREE_LINE, u)
        w.pools[unit.pool].free -= 1
        w.state[0].free -= 1
        _rest(w, at, u)


# ---- jobs ----


@_compiled
def _want_nothing(w, j):
    w.jobs[j].wants = 0
    for kind in range(w.wants.shape[1]):
        w.wants[j, kind] = 0


@_inlined
def _enter(w, j):
    """Write a job's own row."""
    job = w.jobs[j]
    job.group = w.group[w.place[j]]
    job.priority = w.priority[j]
    job.asks = w.asks[j]
    job.wants = 0
    for kind in range(w.wanted.shape[1]):
        w.wants[j, kind] = w.wanted[j, kind]
        job.wants += w.wanted[j, kind]
    job.wanted = job.wants
    job.first = NOBODY
    job.rest = np.nan
    job.latest = -np.inf
    job.is_waiting = 0


@_inlined
def _be_ready(w, at, j, since):
    _enter(w, j)
    job = w.jobs[j]
    w.was_ready[j] = since
    job.since = since
    if w.regraded_at[j] <= at:
        job.priority = w.regraded_to[j]
        job.asks = w.regraded_asks[j]
    job.level = job.priority + 1
    _answer(w, at, j)
    if job.is_waiting and w.had[j] == 0 and w.patience[j] < np.inf:
        if since + w.patience[j] <= at:
            _lapse(w, at, j)
        else:
            _appoint(w, since + w.patience[j], LAPSE, len(w.units) + j)


@_compiled
def _lapse(w, at, j):
    _dequeue(w, j)
    w.lapsed[j] = at
    _count_waiting(w, j, at)


@_compiled
def _regrade(w, at, j):
    job = w.jobs[j]
    if job.is_waiting and w.had[j] == 0:
        _dequeue(w, j)
        job.priority = w.regraded_to[j]
        job.asks = w.regraded_asks[j]
        job.level = job.priority + 1
        _answer(w, at, j)


@_compiled
def _ask_for_relief(w, at, j):
    job = w.jobs[j]
    _appoint(w, w.left[j], OVER, len(w.units) + j)
    if w.left[j] - at > w.state[0].relief_before:
        for kind in range(w.wanted.shape[1]):
            w.wants[j, kind] = w.wanted[j, kind]
        job.wants = 1
        job.level = 0
        job.since = at
        if not _try(w, at, j):
            _enqueue(w, j)


@_compiled
def _be_over(w, at, j):
    job = w.jobs[j]
    _want_nothing(w, j)
    if job.is_waiting:
        _dequeue(w, j)
    unit = w.units[job.first]
    # Who is still on the way to relieve turns round on arrival.
    _appoint(w, max(at, unit.arrives) + w.state[0].clearing, DONE, job.first)


@_compiled
def _count_waiting(w, j, until):
    """Count a job to which nobody was sent before `until` at each full hour, in the pool that covered it then."""
    since = w.was_ready[j]
    hour = max(int(np.ceil(since / 60)), 0)
    hours = w.own.shape[1]
    while hour <= hours and hour * 60.0 < until:
        pool = w.own[w.jobs[j].group, min(hour, hours - 1)]
        priority = w.regraded_to[j] if w.regraded_at[j] <= hour * 60.0 else w.priority[j]
        w.waiting[pool, priority, hour] += 1
        w.oldest[pool, priority, hour] = max(w.oldest[pool, priority, hour], hour * 60.0 - since)
        hour += 1


# ---- the run ----


@_inlined
def _next_ready_at(w, number):
    """Give when the next job without a parent is ready; what is open from before is from the first minute on."""
    if number >= w.state[0].alone:
        return np.inf
    return max(w.ready[w.by_ready[number] if len(w.by_ready) else number], 0.0)


@_kept
def run(world):
    """Let everything happen that happens before `until`, in the world that a row points at."""
    w = world[0]
    state = w.state[0]
    units = len(w.units)
    next_ready = next_start = next_end = next_regrade = next_cover = 0
    ready_at = _next_ready_at(w, 0)
    soon_at, soon = -np.inf, NOTHING
    while True:
        if soon == NOTHING:
            # The first of duties that end and start, changed cover and regrades.
            soon_at = np.inf
            if next_end < len(w.by_end):
                soon_at, soon = w.units[w.by_end[next_end]].ends, END
            if next_start < len(w.by_start) and w.units[w.by_start[next_start]].starts < soon_at:
                soon_at, soon = w.units[w.by_start[next_start]].starts, START
            if next_cover < len(w.cover_changes) and w.cover_changes[next_cover] * 60.0 < soon_at:
                soon_at, soon = w.cover_changes[next_cover] * 60.0, COVER
            if next_regrade < len(w.by_regrade) and w.regraded_at[w.by_regrade[next_regrade]] < soon_at:
                soon_at, soon = w.regraded_at[w.by_regrade[next_regrade]], REGRADE
            soon_at = max(soon_at, 0.0)
            if soon == NOTHING:
                soon = READY
        at, what, who = soon_at, soon, -1
        if state.calendar > 0:
            first = w.calendar[0]
            if first.at < at or (first.at == at and first.key >> _BITS < what):
                at, what, who = first.at, first.key >> _BITS, first.key & _WHO
        if ready_at < at:
            at, what, who = ready_at, READY, -1
        if at >= state.until:
            break
        if at >= state.hour_ends:
            state.hour = int(at / 60)
            state.hour_ends = 60.0 * (state.hour + 1)
        if what == READY:
            j = w.by_ready[next_ready] if len(w.by_ready) else next_ready
            next_ready += 1
            ready_at = _next_ready_at(w, next_ready)
            _be_ready(w, at, j, w.ready[j])
        elif who >= 0:
            state.now = who
            if what == DONE:
                _be_done(w, at, who)
            elif what == BREAK:
                _take_break(w, at, who)
            elif what == LAPSE:
                _lapse(w, at, who - units)
            elif what == RETURN:
                _be_ready(w, at, who - units, at)
            elif what == RELIEVE:
                _ask_for_relief(w, at, who - units)
            else:
                _be_over(w, at, who - units)
            if state.now == who:
                _cancel(w, who)
        else:
            if what == END:
                _end(w, at, w.by_end[next_end])
                next_end += 1
            elif what == START:
                _start(w, at, w.by_start[next_start])
                next_start += 1
            elif what == COVER:
                next_cover += 1
                state.again = 1
            else:
                _regrade(w, at, w.by_regrade[next_regrade])
                next_regrade += 1
            soon = NOTHING
        while state.again:
            state.again = 0
            if state.waiting and state.free:
                _look_at_all(w, at)
    _close(w)


@_compiled
def _close(w):
    """Book what units are at when the run ends."""
    until = w.state[0].until
    for u in range(len(w.units)):
        unit = w.units[u]
        if unit.state == BUSY:
            _book_job(w, unit, until)
        elif unit.state == FREE:
            _book(w, IDLE, unit.pool, unit.since, until)
        elif unit.state == BRIEFED:
            _book(w, BRIEFING, unit.pool, unit.since, until)
        elif unit.state == AT_BREAK:
            _book(w, REST, unit.pool, unit.since, until)
        else:
            continue
        unit.overtime = max(0.0, until - unit.ends)
    for line in range(len(w.job_lines)):
        j = w.job_lines[line, 0]
        while j != NOBODY:
            if w.had[j] == 0:
                # The end of the run counts as the start of an hour.
                _count_waiting(w, j, until + 1)
            j = w.jobs[j].next
