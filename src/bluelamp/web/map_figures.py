"""The map's figures as its page reads them, for whoever has no browser: values, scales and colours, hours in words.

The page draws the same in `frontend/src` (decode.ts, wording.ts, scales.ts, shortages.ts): a figure has one meaning and
a class one colour, on the screen as on paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import orjson

from bluelamp.errors import UsageError, did_you_mean, one_of
from bluelamp.reports.map import asset
from bluelamp.web.wording import chance

_MINUS = "−"
_USUAL_LATE = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
DAYS_A_WEEK = 7
# Hours that end so soon need no second day.
_A_NIGHT = 18


@lru_cache(maxsize=1)
def _tokens() -> dict[str, Any]:
    """Read what the front end's build says of colours; paper is light."""
    found: dict[str, Any] = orjson.loads(asset("tokens.json"))
    return found


def steps_of(ramp: str) -> tuple[str, ...]:
    """Give the colours of a scale, from little to much, or from the worst shortage to the largest surplus."""
    return tuple(_tokens()["ramp"][ramp]["light"])


def colour_of(token: str) -> str:
    """Give a colour by its name. Raises NoInput where the front end was not built."""
    return str(_tokens()["colour"][token]["light"])


def plain(value: float) -> str:
    """Write two or three digits that mean something: 0.62, 3.4, 14."""
    size = abs(value)
    text = f"{size:.{0 if size == 0 else 2 if size < 1 else 1 if size < 10 else 0}f}"
    return f"{_MINUS}{text}" if value < 0 and float(text) else text


def signed(value: float) -> str:
    """Write a whole number with its sign: −3, +2, 0."""
    text = f"{abs(value):.0f}"
    return text if text == "0" else f"{_MINUS if value < 0 else '+'}{text}"


def _brief(value: float) -> str:
    if value == math.inf:
        return "∞"
    if value >= 0.95 or value == 0:
        return f"{value:.0f}"
    return f"{value:.1f}".removeprefix("0") if value >= 0.05 else ""


@dataclass(frozen=True)
class View:
    """A figure that the map shows: what it is called, how a value is written, and how in a small cell."""

    key: str
    label: str
    title: str
    figure: str
    hue: str
    write: Callable[[float], str]
    brief: Callable[[float], str]

    @property
    def is_of_pools(self) -> bool:
        """Whether areas borrow it from the pool that covers them."""
        return self.key in ("gap", "required")


VIEWS = {
    each.key: each
    for each in (
        View("gap", "Gap", "Gap: units on duty minus required, of the pool that covers each area", "units_gap", "gap",
             signed, signed),
        View("required", "Required", "Units required, of the pool that covers each area", "units_required", "blue",
             lambda value: f"{value:.0f}", lambda value: f"{value:.0f}"),
        View("demand", "Demand", "Incidents expected in the hour", "incidents_mean", "blue", plain, _brief),
        View("officer_hours", "Officer-hours", "Officer-hours expected in the hour", "officer_hours_mean", "teal",
             plain, _brief),
        View("late", "Late calls", "Chance that a call is late", "chance_late", "purple", chance,
             lambda value: f"{value * 100:.0f}"),
        View("delay", "Delay", "Expected delay of the most urgent calls, in minutes", "expected_delay_minutes",
             "amber", lambda value: "without bound" if value == math.inf else f"{plain(value)} min", _brief),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """What the figures beside the map are of: the force, a pool or an area by its number."""

    scope: str = "force"
    index: int = 0


class Figures:
    """The figures of a map, as `reports.map.make_map_data` gives them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.count = len(data["hours"]["starting"])
        self.local = [datetime.fromisoformat(each) for each in data["hours"]["local"]]
        self.patterns: list[list[int | None]] = data["pool_of_area"]["patterns"]
        covering = {pool for pattern in self.patterns for pool in pattern if pool is not None}
        self.covering = sorted(covering)

    def number(self, scope: str, figure: str, index: int, hour: int) -> float | None:
        """Give a value, None where there is none."""
        found = self.data["figures"][scope].get(figure)
        if found is None or index >= len(found["values"]):
            return None
        value = found["values"][index][hour]
        return None if value is None else value / 10 ** found["decimals"]

    def views(self) -> list[View]:
        """Give the views that there are: without duties the requirement takes the gap's place."""
        has_gap = self.data["run"]["has_duties"] and "units_gap" in self.data["figures"]["pool"]
        each = [VIEWS["gap" if has_gap else "required"], *(VIEWS[key] for key in list(VIEWS)[2:])]
        return [view for view in each if view.figure in self.data["figures"]["pool" if view.is_of_pools else "area"]]

    def pool_of(self, area: int, hour: int) -> int | None:
        """Give the pool that covers an area."""
        pattern: int = self.data["pool_of_area"]["pattern_of_hour"][hour]
        return self.patterns[pattern][area]

    def pools_at(self, hour: int) -> list[int]:
        """Give the pools that cover areas in an hour."""
        pattern = self.patterns[self.data["pool_of_area"]["pattern_of_hour"][hour]]
        return sorted({pool for pool in pattern if pool is not None})

    def value(self, view: View, place: Place, hour: int) -> float | None:
        """Give the value of a view; for the whole force the gap is that of its worst pool."""
        if not view.is_of_pools:
            value = self.number(place.scope, view.figure, place.index, hour)
            if value is None and view.key == "delay" and self.number(place.scope, "chance_late", place.index, hour):
                # More comes in than can ever be answered.
                return math.inf
            return value
        if place.scope == "force":
            values = [self.number("pool", view.figure, pool, hour) for pool in self.pools_at(hour)]
            known = [each for each in values if each is not None]
            return None if not known else min(known) if view.key == "gap" else sum(known)
        pool = place.index if place.scope == "pool" else self.pool_of(place.index, hour)
        return None if pool is None else self.number("pool", view.figure, pool, hour)

    def name_of(self, place: Place) -> str:
        """Name a place."""
        if place.scope == "force":
            return "the whole force"
        return str(self.data[f"{place.scope}s"]["name"][place.index])

    # ---- what an address asks for ----

    def view_of(self, key: str | None) -> View:
        """Give the view of a name, the first without one. Raises UsageError."""
        there = {view.key: view for view in self.views()}
        if key is not None and key not in there:
            raise UsageError(f"There is no figure '{key}' here. There are {one_of(list(there))}.")
        return there[key] if key is not None else next(iter(there.values()))

    def hour_of(self, text: str | None) -> int | None:
        """Give the number of an hour such as 2026-11-27T20:00Z. Raises UsageError where the run does not have it."""
        if text is None:
            return None
        starting: Sequence[int] = self.data["hours"]["starting"]
        try:
            at = int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
        except ValueError:
            at = -1
        if at not in starting:
            first, last = (datetime.fromtimestamp(starting[each], UTC) for each in (0, -1))
            raise UsageError(
                f"The run has no hour '{text}'. Hours are written in UTC, from {first:%Y-%m-%dT%H:%MZ} to "
                f"{last:%Y-%m-%dT%H:%MZ}."
            )
        return starting.index(at)

    def place_of(self, text: str | None) -> Place:
        """Give the place of 'force', 'pool:ID' or 'area:ID'. Raises UsageError where the run does not have it."""
        if text in (None, "force", "force:all"):
            return Place()
        assert text is not None
        scope, _, name = text.partition(":")
        known: Sequence[str] = self.data[f"{scope}s"]["id"] if scope in ("pool", "area") else []
        if name not in known:
            raise UsageError(
                f"There is no place '{text}'. Write 'force', 'pool:' or 'area:' with an id.{did_you_mean(name, known)}"
            )
        return Place(scope, known.index(name))

    # ---- hours ----

    def span(self, hour: int, after: int | None = None) -> str:
        """Write hours as people say them: Fri 27 Nov 20:00–21:00 GMT."""
        until = hour + 1 if after is None else after
        zones = self.data["hours"]["zone"]
        is_last = until >= self.count
        starts, ends = self.local[hour], self.local[until - 1] + timedelta(hours=1) if is_last else self.local[until]
        # The last hour of a run is taken to end by the clock by which it began.
        begun, ended = zones[hour], zones[until - 1 if is_last else until]
        end = f"{ends:%H:%M}" if until - hour <= _A_NIGHT else f"{ends:%a} {ends.day} {ends:%b %H:%M}"
        first = f"{starts:%a} {starts.day} {starts:%b %H:%M}{'' if begun == ended else f' {begun}'}"
        return f"{first}–{end} {ended}"

    def week_of(self, hour: int) -> list[tuple[date, list[int]]]:
        """Give the days of the week that holds an hour, with their hours; what is left at the end joins the last."""
        days: dict[date, list[int]] = {}
        for number, at in enumerate(self.local):
            days.setdefault(at.date(), []).append(number)
        listed = list(days.items())
        weeks = max(1, len(listed) // DAYS_A_WEEK)
        week = min(list(days).index(self.local[hour].date()) // DAYS_A_WEEK, weeks - 1)
        until = None if week == weeks - 1 else (week + 1) * DAYS_A_WEEK
        return listed[week * DAYS_A_WEEK : until]

    def shortages(self, pools: Sequence[int], hours: Sequence[int]) -> list[dict[str, Any]]:
        """Give the runs of hours in which a pool has fewer units than it requires, the largest shortage first."""
        found: list[dict[str, Any]] = []
        for pool in pools:
            run: dict[str, Any] | None = None
            for hour in hours:
                gap = self.number("pool", "units_gap", pool, hour)
                if gap is None or gap >= 0:
                    run = None
                    continue
                if run is None:
                    run = {"pool": pool, "from": hour, "peak": 0.0, "peak_hour": hour, "unit_hours": 0.0, "late": None}
                    found.append(run)
                run["to"] = hour + 1
                run["unit_hours"] -= gap
                if gap < run["peak"]:
                    run["peak"], run["peak_hour"] = gap, hour
                late = self.number("pool", "chance_late", pool, hour)
                run["late"] = max(filter(lambda each: each is not None, (run["late"], late)), default=None)
        return sorted(found, key=lambda run: (run["peak"], -run["unit_hours"], run["from"]))


@dataclass(frozen=True)
class Scale:
    """Classes of a figure with their colours and words; the first `short` of them mean too few."""

    bounds: tuple[float, ...]
    colours: tuple[str, ...]
    labels: tuple[str, ...]
    step: int = 0
    short: int = 0
    severe: int = 0

    def class_of(self, value: float) -> int:
        """Give the class of a value, 0 for the lowest."""
        if not self.step:
            return sum(1 for bound in self.bounds if value >= bound)
        away = min(4, math.ceil(abs(value) / self.step))
        return 4 - away if value < 0 else 4 + away


def scale_for(figures: Figures, view: View, scope: str) -> Scale:
    """Give the scale of a view, fixed over the whole period: an hour that looks worse is worse."""
    if view.key == "gap":
        return gap_scale(_largest_shortage(figures))
    if view.key == "late":
        shares = [each["target_share"] for each in figures.data["standards"]]
        return _bounded(late_bounds(1 - max(shares) if shares else None), view.hue, chance)
    own = "pool" if scope == "area" and view.is_of_pools else scope
    count = {"force": 1, "pool": len(figures.data["pools"]["id"]), "area": len(figures.data["areas"]["id"])}[own]
    every = max(1, count // 60) if own == "area" else 1
    values = [
        value for index in range(0, count, every) for hour in range(figures.count)
        if (value := figures.value(view, Place(own, index), hour)) is not None
    ]  # fmt: skip
    bounds = round_bounds(values)
    if view.key == "required":
        bounds = sorted({float(math.ceil(each)) for each in bounds})
    return _bounded(bounds, view.hue, lambda bound: f"{bound:g}" if bound < 1 or bound == int(bound) else plain(bound))


def gap_scale(largest: float) -> Scale:
    """Give nine classes round nought: a unit each where gaps are small, else wider ones in whole units."""
    step = max(1, math.ceil(largest / 5))

    def label(index: int) -> str:
        away, sign = abs(index - 4), -1 if index < 4 else 1
        near, far = (away - 1) * step + 1, away * step
        if away == 0:
            return "0"
        if away == 4:
            return f"{'≤' if sign < 0 else '≥'} {signed(sign * near)}"
        if near == far:
            return signed(sign * near)
        low, high = sorted((sign * near, sign * far))
        return f"{signed(low)} to {signed(high)}"

    return Scale((), steps_of("gap"), tuple(label(each) for each in range(9)), step=step, short=4, severe=2)


def round_bounds(values: Sequence[float], classes: int = 7) -> list[float]:
    """Give at most six round bounds that part what is there: equal steps, up to the highest value but for a few."""
    ordered = sorted(each for each in values if math.isfinite(each))
    high = ordered[int((len(ordered) - 1) * 0.985)] if ordered else 0.0
    if high <= 0:
        return [1.0]
    rough = high / classes
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((nice for nice in (1, 2, 2.5, 5, 10) if nice * power >= rough), 10) * power
    bounds = [float(f"{bound * step:.6g}") for bound in range(1, classes) if bound * step < high]
    return bounds or [step]


def late_bounds(allowed: float | None) -> list[float]:
    """Give bounds of the chance to be late, of which one is the share that the strictest standard allows."""
    if allowed is None or not 0 < allowed < 1 or any(abs(each - allowed) < 1e-9 for each in _USUAL_LATE):
        return list(_USUAL_LATE)
    nearest = min(_USUAL_LATE, key=lambda each: abs(each - allowed))
    return sorted(round(allowed, 3) if each == nearest else each for each in _USUAL_LATE)


def _bounded(bounds: Sequence[float], hue: str, write: Callable[[float], str]) -> Scale:
    ramp, count = steps_of(hue), len(bounds) + 1
    colours = [ramp[0 if count == 1 else int(each * (len(ramp) - 1) / (count - 1) + 0.5)] for each in range(count)]
    between = [f"{write(low)}–{write(high)}" for low, high in pairwise(bounds)]
    return Scale(tuple(bounds), tuple(colours), (f"< {write(bounds[0])}", *between, f"≥ {write(bounds[-1])}"))


def _largest_shortage(figures: Figures) -> float:
    found = figures.data["figures"]["pool"]["units_gap"]
    worst = max((-value for row in found["values"] for value in row if value is not None), default=0)
    return float(max(worst, 0) / 10 ** found["decimals"])


def ink_on(colour: str) -> str:
    """Give black or white, whichever can be read on a colour."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    bright = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if bright > 0.179 else "#ffffff"
