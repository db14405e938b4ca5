"""The test of hotspot maps on a force's own past: every method against the plain count map, week by week."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from shapely import to_geojson
from shapely.geometry.base import BaseGeometry

from bluelamp import extensions, grids, hotspots, plan, reading, settled
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, UsageError, count_of, did_you_mean, one_of
from bluelamp.settings import Settings
from bluelamp.store import Store, tried

NAMES = ("hotspot_scores", "feedback_simulation")
WEEKS = 52
YEARS = 20
# From this much more on, as a share, a map caught several times as much: the range is then told by its least end.
_SEVERAL_TIMES = 3.0


@dataclass(frozen=True)
class Tested:
    """What a test found: the table `hotspot_scores`, what it was made on, and what it comes to in sentences."""

    scores: pl.DataFrame
    about: dict[str, Any]
    sentences: list[str]

    def lines(self) -> list[str]:
        """Give the scores as lines of a table, and what they say."""
        return [*_tabulate(self.scores), "", *self.sentences]


def try_maps(
    folder: Path | str,
    *,
    weeks: int = WEEKS,
    methods: list[str] | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Tested:
    """Hold the hotspot maps of every method against the last weeks of a force's record, and keep what was found.

    Raises NoInput where there is nothing to draw maps from, UsageError where the weeks are too few or too many.
    """
    if weeks < 1:
        raise UsageError("At least one week to hold out was expected; 52 are usual.")
    settings = settings_.read(folder)
    progress("reading", 0.0)
    ground = lay(folder, settings)
    if ground.history is None or ground.history.weeks == 0:
        raise NoInput(" ".join(ground.notes) or "There are no offences with a place to draw maps from.")
    if ground.history.weeks <= weeks:
        raise UsageError(
            f"{count_of(weeks, 'week')} can't be held out of a record of {count_of(ground.history.weeks, 'week')}: "
            "fewer were expected (--weeks), so that maps have a past to be drawn from."
        )
    scores = hotspots.score_maps(
        ground.history, weeks=weeks, harm=ground.harm, seed=settings.forecast.seed, names=methods,
        progress=lambda share: progress("maps", share),
    )  # fmt: skip
    about = {
        "ground": plan.ground_of(settings),
        "weeks": weeks,
        "cells": len(ground.history.grid),
        "cell_kind": ground.history.grid.kind,
        "notes": ground.notes,
    }
    tried.write(folder, "hotspot_scores", scores, about)
    return Tested(scores, about, say(scores, about))


def read(folder: Path | str) -> Tested:
    """Give the newest test. Raises NoInput where there is none."""
    settings_.read(folder)
    found = tried.read(folder, "hotspot_scores")
    if found is None:
        raise NoInput(f"No hotspot map has been tested yet. 'bluelamp hotspots {folder} --test' does.")
    scores, about = found
    return Tested(scores, about, say(scores, about))


def lay(folder: Path | str, settings: Settings) -> hotspots.Ground:
    """Lay a force's offending out on its ground, as it is stored now. Raises NoInput where it has no incidents."""
    still = Store(folder).snapshot()
    laid = settled.settle_stored(still, folder, settings)
    return hotspots.lay_ground(
        still.read("offences"), laid.incidents, laid.areas, laid.outages, still.read("harm_weights"),
        offending=settings.offending, origins=settings.demand.origins, before=laid.starts,
        time_zone=settings.force.time_zone, streets=plan.read_streets(folder, settings),
    )  # fmt: skip


def say(scores: pl.DataFrame, about: dict[str, Any]) -> list[str]:
    """Say what a test comes to, class by class."""
    at_one = scores.filter(pl.col("watched_share") == 0.01)
    if at_one.is_empty():
        return [*about.get("notes", []), "No class of offence has enough of them for a map."]
    ground = at_one.row(0, named=True)
    km = ground["watched_km"]
    watched = f"{km:,.1f} km of streets" if km else f"{ground['watched_km2']:,.2f} km²"
    sentences = [
        *about.get("notes", []),
        f"{count_of(ground['weeks'], 'week')} held out. In each shift 1% of the ground was watched, {watched}.",
    ]
    for row in at_one.filter("is_shown").iter_rows(named=True):
        interval = "" if row["pai_low"] is None else f" ({row['pai_low']:.1f} to {row['pai_high']:.1f})"
        caught = f"{row['hit_rate']:.1%} of {row['offences']:,.0f}" if row["hit_rate"] is not None else "none"
        what = "harm" if row["class_code"] == hotspots.HARM else "offences"
        if stands_out(row) is False:
            sentences.append(
                f"{row['class_code']}: no place stands out. 1% of the ground had {caught} {what}, PAI "
                f"{row['pai']:.1f}{interval}, which chance alone may give."
            )
            continue
        found = f"{row['class_code']}: {row['method']} caught {caught} {what} there, PAI {row['pai']:.1f}{interval}"
        if row["method"] == hotspots.COUNTS:
            sentences.append(f"{found}. No method beat the plain count map, so that this is shown.")
        else:
            sentences.append(f"{found}; against the plain count map {against_counts(row)} (mean of all shares).")
    return sentences


def against_counts(row: Mapping[str, Any]) -> str:
    """Say how much more a map caught than the plain count map, by its row of `hotspot_scores`.

    Where it may well be several times as much, a range in per cent says nothing to anybody: the plain map caught too
    little to divide by. Then the least is told, if it is more at all.
    """
    more, low, high = (row[f"against_counts{end}"] for end in ("", "_low", "_high"))
    if low is None:
        return f"{more:+.1%}"
    if high <= _SEVERAL_TIMES:
        return f"{more:+.1%} ({low:+.1%} to {high:+.1%})"
    return f"at least {1 + low:.1f} times as much" if low > 0 else "not known: too few caught"


def stands_out(at_one: Mapping[str, Any]) -> bool | None:
    """Say whether the places of a method stand out, by its row of `hotspot_scores` at 1% of the ground.

    They do not where chance alone may give as much: where the PAI's interval begins at 1 or below. Without an interval
    nobody knows.
    """
    low = at_one["pai_low"]
    return None if low is None else bool(low > 1)


def _tabulate(scores: pl.DataFrame) -> list[str]:
    shares = f"{'PAI at 0.5%':>12} {'1%':>7} {'2%':>7} {'5%':>7} {'PEI* 1%':>9}"
    lines = [f"{'class':<18} {'method':<16} {shares} against counts"]
    for (class_code, method), rows in scores.group_by("class_code", "method", maintain_order=True):
        by_share = {row["watched_share"]: row for row in rows.iter_rows(named=True)}
        first = next(iter(by_share.values()))
        pai = [by_share[share]["pai"] for share in hotspots.SHARES]
        pei = by_share[0.01]["pei"]
        against = "" if method == hotspots.COUNTS else against_counts(first)
        shown = " *" if first["is_shown"] else ""
        line = (
            f"{class_code!s:<18} {method!s:<16} {pai[0]:>12.1f} {pai[1]:>7.1f} {pai[2]:>7.1f} {pai[3]:>7.1f} "
            f"{'' if pei is None else format(pei, '.3f'):>9} {against}{shown}"
        )
        lines.append(line.rstrip())
    return [*lines, "* shown on maps"]


# ---- what a run shows ----


# A reader at briefing would else take them for those of tonight.
OF_THE_WEEK = (
    "'expected' and 'at least one' are of the seven such shifts of the map's week together, not of one of them."
)


@dataclass(frozen=True)
class Places:
    """Hotspots of one class as a run has them: the rows of `hotspots`, and how far such maps have been right.

    `scores` are the rows of `hotspot_scores` for the method of these places and for the plain count map; none where
    such maps were not tested. `outlines` are the cells' shapes by code, in longitude and latitude.
    """

    rows: pl.DataFrame
    sentences: list[str]
    scores: pl.DataFrame | None
    outlines: Mapping[str, BaseGeometry]

    @property
    def stand_out(self) -> bool | None:
        """Whether these places stand out by the test; unknown without one, or with too few weeks for an interval."""
        if self.scores is None:
            return None
        return stands_out(self.scores.filter(watched_share=0.01, method=self.rows["method"][0]).row(0, named=True))

    def lines(self) -> list[str]:
        """Give the places as lines to read at briefing."""
        told = []
        for (begins, ends), rows in self.rows.group_by("from_hour", "to_hour", maintain_order=True):
            told += [
                f"{begins:02}:00 to {ends:02}:00",
                f"  {'rank':>4} {'place':<28} {'area':<8} {'expected':>8} {'at least one':>12} {'x usual':>8} "
                f"{'last 52 weeks':>13} {'count rank':>10}",
            ]
            for row in rows.iter_rows(named=True):
                where = row["cell_name"] or f"{row['latitude']:.4f}, {row['longitude']:.4f}"
                chance = "" if row["chance_any"] is None else f"{row['chance_any']:.0%}"
                told.append(
                    f"  {row['rank']:>4} {where:<28} {row['area_id'] or '':<8} {row['expected']:>8.2f} {chance:>12} "
                    f"{row['times_usual']:>8.1f} {row['counted']:>13,.0f} {row['count_rank']:>10,}"
                )
            told.append("")
        return [*told, *([OF_THE_WEEK] if told else []), *self.sentences]

    def collection(self) -> dict[str, Any]:
        """Give the places as a GeoJSON FeatureCollection, each with its fields."""
        features = [
            {
                "type": "Feature",
                "geometry": json.loads(to_geojson(self.outlines[row["cell_id"]]))
                if row["cell_id"] in self.outlines
                else None,
                "properties": row,
            }
            for row in self.rows.iter_rows(named=True)
        ]
        return {"type": "FeatureCollection", "features": features}


def list_places(
    folder: Path | str, class_code: str, from_hour: int | None, share: float | None, run_id: str | None = None
) -> Places:
    """List a run's hotspots of one class, in one shift or all, up to a share of the ground in each.

    Without a share every place is given that the run has, those of the plain count map among them.

    Raises UsageError for a class or shift that the run has no map of, naming those it has; NoInput where there is no
    run, or it has no hotspots.
    """
    settings = settings_.read(folder)
    store = Store(folder)
    rows = store.result("hotspots", run_id)
    if rows.is_empty():
        raise NoInput("The run has no hotspots: its notes say why ('bluelamp plan' prints them).")
    for column, wanted, what in (("class_code", class_code, "class"), ("from_hour", from_hour, "shift")):
        known = [str(each) for each in rows[column].unique().sort()]
        if wanted is not None and str(wanted) not in known:
            raise UsageError(
                f"There is no map of {what} '{wanted}'. Known are {one_of(known)}.{did_you_mean(str(wanted), known)}"
            )
    rows = rows.filter(class_code=class_code)
    if from_hour is not None:
        rows = rows.filter(from_hour=from_hour)
    if share is not None:
        rows = rows.filter((pl.col("ground_share") <= share) | (pl.col("rank") == 1))
    rows = rows.sort("from_hour", "rank")
    scores, sentences = _how_right(folder, settings, class_code, rows["method"][0])
    outlines = _outline(rows, reading.read_used(store, "areas", run_id), folder, settings)
    return Places(rows, sentences, scores, outlines)


def outline(folder: Path | str, rows: pl.DataFrame, run_id: str | None = None) -> Mapping[str, BaseGeometry]:
    """Give the shapes of the cells that rows of `hotspots` speak of, by code, in longitude and latitude.

    A cell whose shape is no longer known, such as a street that has left the file since, is not among them.
    """
    if rows.is_empty():
        return {}
    return _outline(rows, reading.read_used(Store(folder), "areas", run_id), folder, settings_.read(folder))


def _outline(
    rows: pl.DataFrame, areas: pl.DataFrame, folder: Path | str, settings: Settings
) -> dict[str, BaseGeometry]:
    """Give the shapes of cells by code, as far as they are known: a street may have left the file since."""
    codes = rows["cell_id"].unique().to_list()
    kind = rows["cell_kind"][0]
    if kind == "hexagon":
        return {code: grids.outline_hexagon(code) for code in codes}
    if kind == "area":
        grid = grids.take_areas(areas)
    else:
        streets = plan.read_streets(folder, settings)
        if streets is None:
            return {}
        grid = grids.take_streets(streets, areas, settings.offending.street_id_property)
    number = dict(zip(grid.cell_ids, range(len(grid)), strict=True))
    return {code: grid.outline(number[code]) for code in codes if code in number}


def _how_right(
    folder: Path | str, settings: Settings, class_code: str, method: str
) -> tuple[pl.DataFrame | None, list[str]]:
    found = tried.read(folder, "hotspot_scores")
    if found is None or found[1].get("ground") != plan.ground_of(settings):
        return None, [
            "Such maps have not been tested here yet: how far they are right is not known. 'bluelamp hotspots "
            f"{folder} --test' holds them against weeks that came after."
        ]
    scores, about = found
    of_class = scores.filter(pl.col("class_code") == class_code, pl.col("method").is_in([method, hotspots.COUNTS]))
    shown = of_class.filter(method=method)
    if shown.is_empty():
        return None, [
            f"Maps of {class_code} by {method} have not been tested here yet: how far they are right is not known."
        ]
    return of_class, say(shown.with_columns(is_shown=True), {**about, "notes": []})


# ---- a simulated year in which patrols follow the map ----


@dataclass(frozen=True)
class Simulated:
    """What a simulated year of patrols came to: table `feedback_simulation`, and what it says."""

    table: pl.DataFrame
    sentences: list[str]

    def lines(self) -> list[str]:
        """Give the force's figures by quarter as lines of a table, and what they say."""
        told = [
            f"{'true rates':<11} {'guard':<6} {'quarter':>7} {'map over truth':>23} {'patrols elsewhere than due':>27} "
            f"{'map elsewhere than true':>24} {'most patrolled area':>20} {'found':>8}"
        ]
        for row in self.table.filter(level="force").sort("rates", "is_guarded", "quarter").iter_rows(named=True):
            times = f"× {row['times_true']:.2f} ({row['times_true_low']:.2f} to {row['times_true_high']:.2f})"
            told.append(
                f"{row['rates']:<11} {'on' if row['is_guarded'] else 'off':<6} {row['quarter']:>7} {times:>23} "
                f"{_spanned(row, 'patrol_distance'):>27} {_spanned(row, 'map_distance'):>24} "
                f"{row['most_patrolled']:>14.2f} × due {row['found']:>8,.0f}"
            )
        return [*told, "", *self.sentences]


def _spanned(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:.1%} ({row[f'{name}_low']:.1%} to {row[f'{name}_high']:.1%})"


def try_guard(
    folder: Path | str,
    *,
    years: int = YEARS,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Simulated:
    """Simulate years in which patrols follow the force's map, with what they find kept from it and without, and keep
    what was found. True rates are those of the map that its test shows, or of the plain count map.

    Raises NoInput where there is nothing to draw maps from, UsageError for less than two years.
    """
    if years < 2:
        raise UsageError("At least two simulated years were expected, so that there is a range; 20 are usual.")
    settings = settings_.read(folder)
    progress("reading", 0.0)
    ground = lay(folder, settings)
    if ground.history is None or not len(ground.history.cell):
        raise NoInput(" ".join(ground.notes) or "There are no offences with a place to draw maps from.")
    kept = tried.read(folder, "hotspot_scores")
    tested = kept is not None and kept[1].get("ground") == plan.ground_of(settings)
    method = hotspots.choose(kept[0]).get(hotspots.ALL, hotspots.COUNTS) if tested and kept else hotspots.COUNTS
    past = ground.history.until(ground.history.weeks)
    rates = extensions.member("hotspots", method).fit(past).risk(past)
    found = hotspots.simulate_feedback(
        ground.history.grid, rates, force_id=settings.force.id, patrolled_share=settings.patrols.patrolled_share,
        found_share=settings.patrols.found_share, years=years, seed=settings.forecast.seed,
        progress=lambda share: progress("years", share),
    )  # fmt: skip
    about = {"years": years, "method": method, "settings": settings.patrols.model_dump(mode="json")}
    tried.write(folder, "feedback_simulation", found, about)
    return Simulated(found, _say_feedback(found, about))


def _say_feedback(found: pl.DataFrame, about: dict[str, Any]) -> list[str]:
    """Say what was simulated, and whether it ran away."""
    given = about["settings"]
    years = count_of(about["years"], "simulated year")
    sentences = [
        f"{years}. In each shift patrols go to {given['patrolled_share']:.0%} of the ground, hours in proportion to "
        f"the map (the plain count of the last 52 weeks), and find {given['found_share']:g} of an offence for each "
        f"that comes to where they are. True rates are those of the {about['method']} map, or even. "
        "Ranges hold nine years of ten."
    ]
    force = found.filter(level="force")
    for rates, where in ((hotspots.FITTED, "as the map has them"), (hotspots.EVEN, "the same everywhere")):
        of_rates = force.filter(rates=rates).sort("quarter")
        on, off = (of_rates.filter(is_guarded=is_guarded).rows(named=True) for is_guarded in (True, False))
        first, guarded, unguarded = on[0], on[-1], off[-1]
        ran = unguarded["times_true_low"] > guarded["times_true_high"]
        sentences.append(
            f"True rates {where}: where patrols are, the map shows {first['times_true']:.2f} times what is true in the "
            f"first quarter and {guarded['times_true']:.2f} times in the last with the guard, which is chance: places "
            f"that happened to have most. Without the guard it ends at {unguarded['times_true']:.2f} times. In other "
            f"areas than due are {guarded['patrol_distance']:.1%} of patrols with it, "
            f"{unguarded['patrol_distance']:.1%} without. "
            + ("Without the guard it runs away." if ran else "The ranges overlap: at this dose it can't be told apart.")
        )
    return sentences
