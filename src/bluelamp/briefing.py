"""The peaks that lie ahead, as they are read out: what the latest run expects, and how often that came true before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import peaks, reading, shifts
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, UsageError, did_you_mean, one_of
from bluelamp.store import Store, tried_peaks

SCOPES = {
    "day": "the next day, by shift",
    "week": "the next seven days, by shift",
    "quarter": "the next 91 days, by day",
}
_NOT_TRIED = "The backtest tries shifts of a coming week, not days so far ahead: '--scope week' tells how they did."
# Areas × shifts that are read out; the table has all.
_READ_OUT = 12


@dataclass(frozen=True)
class Briefing:
    """Peaks of one scope, and the fewest places and hours that hold a share of the coming week's work."""

    peaks: pl.DataFrame
    peak_hours: pl.DataFrame
    tried: pl.DataFrame
    names: Mapping[tuple[str, str], str]
    scope: str
    share: float
    time_zone: str
    run: Mapping[str, Any]

    def lines(self) -> list[str]:
        """Say them in sentences, measure by measure: the force first, then its districts and areas."""
        lines = []
        for counted, measure in self.measures:
            words = _measured(counted, measure)
            lines += [f"Peaks of {words}, {SCOPES[self.scope]}:", *self._peaks_of(counted, measure)]
            lines += self._hours_of(counted, measure)
            tried = _NOT_TRIED if self.scope == "quarter" else peaks.say_tried(self.tried, counted, measure)
            lines += [f"  {tried}", ""]
        return lines[:-1]

    @property
    def measures(self) -> list[tuple[str, str]]:
        """Name what there is something to say of, as what is counted and the measure: wholes first."""
        each = pl.concat([rows.select("counted", "measure") for rows in (self.peaks, self.peak_hours)]).unique().rows()
        return sorted(each, key=lambda pair: (_ORDER.index(pair[1]) if pair[1] in _ORDER else len(_ORDER), *pair))

    def _peaks_of(self, counted: str, measure: str) -> list[str]:
        level = pl.col("level").replace_strict({"force": 0, "district": 1, "area": 2}, return_dtype=pl.Int64)
        rows = self.peaks.filter(counted=counted, measure=measure).sort(level, "area_id", "starts_at")
        if rows.is_empty():
            return ["  None: too few are expected to tell one shift from another."]
        return [
            f"  {peaks.say_peak(row, self.names.get((row['level'], row['area_id']), row['area_id']), self.time_zone)}."
            for row in rows.iter_rows(named=True)
        ]

    def _hours_of(self, counted: str, measure: str) -> list[str]:
        rows = self.peak_hours.filter(counted=counted, measure=measure).sort("rank")
        if rows.is_empty():
            return []
        last = rows.row(-1, named=True)
        by = "shifts" if last["ends_at"] - last["starts_at"] >= _SHIFT else "hours"
        told = (
            f"  {100 * last['share']:.0f}% of the coming week's {_measured(counted, measure)} is expected in "
            f"{rows.height:,} of {last['cells']:,} areas × {by} ({100 * rows.height / last['cells']:.1f}%); in four "
            f"weeks of five they hold {100 * last['share_p10']:.1f} to {100 * last['share_p90']:.1f}%. The first:"
        )
        named = [
            f"    {row['rank']:>3}. {peaks.say_when(row['starts_at'], row['ends_at'], self.time_zone)}, "
            f"{self.names.get(('area', row['area_id']), row['area_id'])}: {row['expected']:.1f}"
            for row in rows.head(_READ_OUT).iter_rows(named=True)
        ]
        left = rows.height - len(named)
        return [told, *named, *([f"    and {left:,} more, in the table 'peak_hours'"] if left else [])]


_SHIFT = timedelta(hours=shifts.HOURS - 1)  # as short as a clock change makes it
_ORDER = tuple(measure for _, measure in peaks.WHOLES)
# The map's list is of what staff are sent to.
_ON_MAP = ("incidents", "offending")


def _measured(counted: str, measure: str) -> str:
    wholes = {
        "incidents": "incidents",
        "offending": "offending (incidents of crime classes)",
        "offences": "recorded offences",
    }
    of_class = {"incidents": "incidents", "offences": "recorded offences"}[counted]
    return wholes.get(measure, f"{of_class} of class '{measure}'")


def read_briefing(
    folder: Path | str,
    *,
    scope: str = "week",
    measure: str | None = None,
    place: str | None = None,
    share: float | None = None,
    run_id: str | None = None,
) -> Briefing:
    """Read the peaks of a run (the latest where none is named).

    `measure` is one of them, by default all incidents and all offending; `place` an area, a district or the force, by
    default the force and its districts; `share` that of the coming week's work whose fewest
    places and hours are asked for, by default the force's setting.

    Raises NoInput where there is no run, or it is older than peaks, UsageError for what there is not.
    """
    settings = settings_.read(folder)
    share = settings.peaks.share if share is None else share
    if scope not in SCOPES:
        raise UsageError(f"'{scope}' is no scope: {one_of(list(SCOPES))} was expected.{did_you_mean(scope, SCOPES)}")
    if not 0 < share <= peaks.MOST_SHARE:
        raise UsageError(
            f"A share of {share:g} can't be told: more than 0 and up to {peaks.MOST_SHARE:g} was expected."
        )
    store = Store(folder).snapshot()
    if store.runs().is_empty():
        raise NoInput(f"There is no forecast yet. 'bluelamp plan {folder}' makes one.")
    run = store.latest_run() if run_id is None else _run_of(store, run_id)
    if "peaks" not in store.results(run["run_id"]):
        raise NoInput(f"Run {run['run_id']} is older than peaks. 'bluelamp plan {folder}' makes one that has them.")
    found, hours = (store.result(name, run["run_id"]) for name in peaks.NAMES)
    areas = reading.read_used(store, "areas", run["run_id"])
    names = _names(areas, settings)
    known = sorted(set(found["measure"]) | set(hours["measure"]))
    if measure is not None and measure not in known:
        raise UsageError(
            f"There are no peaks of '{measure}': too few of them come, or no class is called that. Known are "
            f"{one_of(known)}.{did_you_mean(measure, known)}"
        )
    places = {name for _, name in names}
    if place is not None and place not in places:
        raise UsageError(f"'{place}' is no area or district of this force.{did_you_mean(place, sorted(places))}")
    wanted = pl.col("measure").is_in([measure] if measure else list(_ORDER))
    of_place = pl.col("level") != "area" if place is None else pl.col("area_id") == place
    hours = peaks.up_to(hours, share).filter(wanted) if place is None else hours.clear()
    return Briefing(
        found.filter(wanted & of_place, scope=scope), hours, tried_peaks.read(folder), names, scope, share,
        settings.force.time_zone, run,
    )  # fmt: skip


def _run_of(store: Store, run_id: str) -> Mapping[str, Any]:
    rows = store.runs().filter(run_id=run_id)
    if rows.is_empty():
        raise UsageError(f"There is no run '{run_id}'.{did_you_mean(run_id, store.runs()['run_id'].to_list())}")
    return rows.row(0, named=True)


def _names(areas: pl.DataFrame, settings: settings_.Settings) -> dict[tuple[str, str], str]:
    """Name places as people do."""
    found = {("force", settings.force.id): "the whole force"}
    for level, name, words, parent in areas.select("level", "area_id", "area_name", "parent_id").iter_rows():
        if level != "force":
            found[level, name] = words or name
        if parent and parent != settings.force.id:
            found.setdefault(("district", parent), parent)
    return found


def lay_on_map(found: pl.DataFrame, areas: pl.DataFrame, judged: pl.DataFrame, time_zone: str) -> dict[str, Any]:
    """Give the coming week's peaks of the force and its districts for the map's list, and how such came true before.

    Each row has its times as Unix seconds and a district by its name, as the map's areas have it.
    """
    names = {
        row["area_id"]: row["area_name"] or row["area_id"]
        for row in areas.filter(level="district").iter_rows(named=True)
    }
    rows = found.filter(pl.col("level").is_in(["force", "district"]), pl.col("measure").is_in(_ON_MAP), scope="week")
    return {
        "rows": [
            {
                "measure": row["measure"],
                "district": None if row["level"] == "force" else names.get(row["area_id"], row["area_id"]),
                "starting": int(row["starts_at"].timestamp()),
                "ending": int(row["ends_at"].timestamp()),
                "because": peaks.say_causes(row, time_zone),
                **{
                    name: row[name]
                    for name in (
                        "expected", "p10", "p90", "usual", "control_limit", "chance_above_usual", "chance_unusual",
                        "is_unusual", "chance_short",
                    )
                },
            }
            for row in rows.iter_rows(named=True)
        ],
        "tried": {measure: peaks.say_tried(judged, "incidents", measure) for measure in _ON_MAP},
    }  # fmt: skip
