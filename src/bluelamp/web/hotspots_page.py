"""The page of hotspots, and the addresses of the map's layer: where offences are most to be expected, and how right
such maps have been.

Every figure of the page is one of `hotspot_scores` or `hotspots`, and says which. The picture is drawn here, as SVG,
and says nothing that the tables do not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import polars as pl
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, Response

from bluelamp import hotspot_trial, hotspots, periods, plan, reading, tables
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, UsageError, count_of, did_you_mean
from bluelamp.reports.hotspots import make_hotspot_data
from bluelamp.store import Store, tried
from bluelamp.web.squeezed import Squeezed, squeeze
from bluelamp.web.templating import TEMPLATES
from bluelamp.web.wording import change, percent

SHARES = hotspots.SHARES
_PLACES_SHOWN = 8
_WIDTH, _HEIGHT, _LEFT, _BELOW, _RIGHT = 360, 230, 34, 30, 92
_WHISKER_WIDTH = 120

RUN = Annotated[str | None, Query(description="A run's id; the latest run where it is left out")]
CLASS = Annotated[str, Query(alias="class", description="A class of offence; 'all' of them, or 'harm'")]
HOUR = Annotated[int | None, Query(description="The local hour at which a shift begins; all shifts by default")]
SHARE = Annotated[float, Query(gt=0, le=0.05, description="The share of the ground whose places are given")]

FindRun = Callable[[str | None], Mapping[str, Any]]


def add_hotspots(app: FastAPI, folder: Path, find_run: FindRun) -> None:
    """Add the page of hotspots and the addresses of the map's layer; `find_run` gives a run's row by its id."""

    @lru_cache(maxsize=24)
    def make_layer(run_id: str, class_code: str, _tested_at: str) -> Squeezed:
        places = hotspot_trial.list_places(folder, class_code, None, None, run_id)
        run = find_run(run_id)
        zone = periods.zone(settings_.read(folder).force.time_zone)
        data = make_hotspot_data(
            places.rows, places.scores, places.outlines, class_code=class_code, stand_out=places.stand_out,
            first_day=run["forecast_from"].astimezone(zone).date(),
        )  # fmt: skip
        return squeeze(data)

    @app.get("/hotspots", response_class=HTMLResponse, summary="Hotspots by class, and how right such maps have been")
    def page(run: RUN = None, class_code: CLASS = hotspots.ALL) -> HTMLResponse:
        return HTMLResponse(make_page(folder, find_run, run, class_code))

    @app.get("/hotspots.csv", summary="Hotspots of a class as CSV")
    def as_csv(
        run: RUN = None, class_code: CLASS = hotspots.ALL, from_hour: HOUR = None, share: SHARE = SHARES[-1]
    ) -> Response:
        places = hotspot_trial.list_places(folder, class_code, from_hour, share, find_run(run)["run_id"])
        return _as_file(tables.to_csv(places.rows, "hotspots"), "csv", "text/csv; charset=utf-8")

    @app.get("/hotspots.geojson", summary="Hotspots of a class as GeoJSON, with their shapes")
    def as_geojson(
        run: RUN = None, class_code: CLASS = hotspots.ALL, from_hour: HOUR = None, share: SHARE = SHARES[-1]
    ) -> Response:
        places = hotspot_trial.list_places(folder, class_code, from_hour, share, find_run(run)["run_id"])
        return _as_file(orjson.dumps(places.collection()), "geojson", "application/geo+json")

    @app.get("/api/hotspots.json", summary="Hotspots of a class for the map (format bluelamp-hotspots/1)")
    def layer(request: Request, run: RUN = None, class_code: CLASS = hotspots.ALL) -> Response:
        tested_at = tried.stamp(folder, "hotspot_scores")
        return make_layer(find_run(run)["run_id"], class_code, tested_at).answer(request)


def _as_file(content: str | bytes, suffix: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="hotspots.{suffix}"'}
    return Response(content, media_type=media_type, headers=headers)


def layer_of(folder: Path, run_id: str) -> dict[str, Any] | None:
    """Say where the map finds its layer of hotspots, and for which classes; None where a run has none."""
    classes = _classes(_places(folder, run_id))
    if not classes:
        return None
    return {
        "address": f"/api/hotspots.json?run={run_id}",
        "twin": f"/hotspots.csv?run={run_id}",
        "page": f"/hotspots?run={run_id}",
        "classes": classes,
        "folder": folder.resolve().name,
    }


def make_page(folder: Path, find_run: FindRun, run_id: str | None, class_code: str) -> str:
    """Give the page; a force that has no run, or tested no map yet, has one, too.

    Raises UsageError for a class that has neither a map nor scores.
    """
    force = settings_.read(folder).force
    run = find_run(run_id) if run_id is not None or not Store(folder).runs().is_empty() else None
    places = tables.empty("hotspots") if run is None else _places(folder, run["run_id"])
    try:
        tested = hotspot_trial.read(folder)
    except NoInput:
        tested = None
    return render_hotspots_page(
        places, tested, run, class_code=class_code, force_name=force.name, folder=folder.resolve().name,
        time_zone=force.time_zone, is_of_this_ground=tested is None
        or tested.about.get("ground") == plan.ground_of(settings_.read(folder)),
        names={} if run is None else _names(folder, run["run_id"]),
    )  # fmt: skip


def _places(folder: Path, run_id: str) -> pl.DataFrame:
    """Give a run's hotspots, empty where it is older than that table."""
    store = Store(folder)
    return store.result("hotspots", run_id) if "hotspots" in store.results(run_id) else tables.empty("hotspots")


def _names(folder: Path, run_id: str) -> dict[str, str]:
    areas = reading.read_used(Store(folder), "areas", run_id)
    return dict(areas.select("area_id", pl.coalesce("area_name", "area_id")).unique("area_id").iter_rows())


def render_hotspots_page(
    places: pl.DataFrame,
    tested: hotspot_trial.Tested | None,
    run: Mapping[str, Any] | None,
    *,
    class_code: str,
    force_name: str,
    folder: str,
    time_zone: str,
    is_of_this_ground: bool = True,
    names: Mapping[str, str] | None = None,
) -> str:
    """Give the page of one class: `places` are a run's hotspots, `tested` what the test found, both perhaps nothing.

    `is_of_this_ground` says whether that test was made under the settings of today, `names` what areas are called.

    Raises UsageError for a class that has neither a map nor scores.
    """
    scores = tables.empty("hotspot_scores") if tested is None else tested.scores
    classes = _classes(pl.concat([places.select("class_code"), scores.select("class_code")]))
    if classes and class_code not in classes:
        if class_code != hotspots.ALL:
            raise UsageError(f"There is no map of class '{class_code}'.{did_you_mean(class_code, classes)}")
        class_code = classes[0]
    of_class = scores.filter(class_code=class_code).sort("watched_share", "method")
    methods = _methods(of_class)
    here = places.filter(class_code=class_code).sort("from_hour", "rank")
    shown_in_run = None if here.is_empty() else here["method"][0]
    # Scores of other settings say nothing of these places.
    chosen = hotspots.choose(scores) if is_of_this_ground else {}
    own = of_class.filter(method=shown_in_run or chosen.get(class_code, hotspots.COUNTS), watched_share=0.01)
    stand_out = None if own.is_empty() or not is_of_this_ground else hotspot_trial.stands_out(own.row(0, named=True))
    zone = periods.zone(time_zone)
    return TEMPLATES.get_template("hotspots.html").render(
        force_name=force_name,
        folder=folder,
        about=_about(tested, run, zone, time_zone),
        tested=tested is not None,
        is_of_this_ground=is_of_this_ground,
        headlines=[] if tested is None else _headlines(tested),
        sentences=[] if tested is None else tested.sentences,
        run_id=None if run is None else run["run_id"],
        run_query="" if run is None else f"?run={run['run_id']}",
        class_code=class_code,
        class_query=quote(class_code),
        words=class_words,
        classes=classes,
        ground=_ground(scores.filter(watched_share=0.01)),
        shown=_shown(scores),
        whisker_width=_WHISKER_WIDTH,
        methods=methods,
        picture=_draw(of_class, methods, chosen.get(class_code)),
        blocks=[
            {"words": f"{share * 100:g}% of the ground", "ground": _ground(of_class.filter(watched_share=share)),
             "rows": of_class.filter(watched_share=share).sort(pl.col("method").replace_strict(
                 {name: at for at, name in enumerate(methods)}, return_dtype=pl.Int64)).to_dicts()}
            for share in SHARES
            if methods
        ],
        chosen=chosen.get(class_code),
        shown_in_run=shown_in_run,
        stand_out=stand_out,
        shifts=_shifts(here) if stand_out is not False else [],
        has_places=not here.is_empty(),
        names=names or {},
        is_harm=class_code == hotspots.HARM,
        notes=[] if run is None else [each for each in json.loads(run["notes"]) if "otspots" in each],
        week=None if run is None else _day(run["forecast_from"].astimezone(zone)),
        percent=percent,
        signed=change,
        number=lambda value, digits=0: "" if value is None else f"{value:,.{digits}f}",
        degrees=lambda value: f"{value:.4f}".replace("-", "−"),
    )  # fmt: skip


def _about(tested: hotspot_trial.Tested | None, run: Mapping[str, Any] | None, zone: Any, time_zone: str) -> str:
    told = ["No run yet" if run is None else f"Places for the week from {_day(run['forecast_from'].astimezone(zone))}"]
    if tested is not None and not tested.scores.is_empty():
        told.append(f"tested on {count_of(tested.scores['weeks'][0], 'week')} held out")
    return f"{', '.join(told)}; clock of {time_zone}."


def _headlines(tested: hotspot_trial.Tested) -> list[str]:
    """Say what the test comes to over all classes."""
    rows = list(tested.scores.filter("is_shown", watched_share=0.01).iter_rows(named=True))
    better = [row["class_code"] for row in rows if row["method"] != hotspots.COUNTS]
    flat = [row["class_code"] for row in rows if hotspot_trial.stands_out(row) is False]
    whole = count_of(len(rows), "class", "classes")
    told = [f"{len(better)} of {whole}: another map caught more than the plain count map, and is shown in its place."]
    if flat:
        told.append(
            f"No place stands out for {', '.join(class_words(code) for code in flat)}: none is drawn as a hotspot."
        )
    return [*tested.about.get("notes", []), *(told if rows else tested.sentences[-1:])]


def _day(at: Any) -> str:
    return f"{at:%a} {at.day} {at:%b %Y}"


def _classes(rows: pl.DataFrame) -> list[str]:
    """Name the classes, what holds every class first."""
    first = [hotspots.ALL, hotspots.HARM]
    return sorted(rows["class_code"].unique(), key=lambda code: (first.index(code) if code in first else 2, code))


def class_words(code: str) -> str:
    """Say a class as a reader would."""
    if code == hotspots.ALL:
        return "all classes together"
    return "harm, by the force's weights" if code == hotspots.HARM else code.replace("_", " ")


def _methods(scores: pl.DataFrame) -> list[str]:
    """Name the methods that were tried, the plain count map first."""
    there = scores["method"].unique().sort().to_list()
    return [name for name in hotspots.methods() if name in there]


def _ground(rows: pl.DataFrame) -> str:
    if rows.is_empty():
        return ""
    row = rows.row(0, named=True)
    return f"{row['watched_km']:,.1f} km of streets" if row["watched_km"] else f"{row['watched_km2']:,.2f} km²"


def _shown(scores: pl.DataFrame) -> list[dict[str, Any]]:
    """Lay out what is shown for each class, at 1% of the ground."""
    rows = {row["class_code"]: row for row in scores.filter("is_shown", watched_share=0.01).iter_rows(named=True)}
    far = max(
        (abs(row[name] or 0) for row in rows.values() for name in ("against_counts", "against_counts_low")), default=0
    )
    bound = next((step for step in (0.05, 0.1, 0.2, 0.5) if far <= step), 1.0)
    return [
        {"row": rows[code], "stands_out": hotspot_trial.stands_out(rows[code]), "bound": percent(bound, 0),
         "whisker": _whisker(rows[code], bound)}
        for code in _classes(scores)
        if code in rows
    ]  # fmt: skip


def _whisker(row: Mapping[str, Any], bound: float) -> dict[str, Any] | None:
    if row["method"] == hotspots.COUNTS or row["against_counts_low"] is None:
        return None

    def x(value: float) -> float:
        return round(_WHISKER_WIDTH / 2 * (1 + max(min(value / bound, 0.98), -0.98)), 1)

    low, high = row["against_counts_low"], row["against_counts_high"]
    return {"x": x(row["against_counts"]), "low": x(low), "high": x(high),
            "kind": "better" if low > 0 else "worse" if high < 0 else "open"}  # fmt: skip


def _draw(scores: pl.DataFrame, methods: Sequence[str], chosen: str | None) -> dict[str, Any] | None:
    """Lay out the share of offences that was caught against the share of the ground that was watched, by method."""
    known = scores.filter(pl.col("hit_rate").is_not_null())
    if known.is_empty():
        return None
    highest = float(known["hit_rate"].max())  # type: ignore[arg-type]
    top = next(step for step in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0) if highest <= step)

    def x(share: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * share / SHARES[-1], 1)

    def y(rate: float) -> float:
        return round(6 + (_HEIGHT - _BELOW - 6) * (1 - rate / top), 1)

    lines: list[dict[str, Any]] = []
    for number, method in enumerate(methods):
        rows = known.filter(method=method).sort("watched_share").to_dicts()
        points = [(x(row["watched_share"]), y(row["hit_rate"])) for row in rows]
        told = ", ".join(f"{percent(row['hit_rate'])} at {row['watched_share'] * 100:g}%" for row in rows)
        lines.append(
            {"method": method, "kind": number, "is_chosen": method == chosen, "points": points,
             "path": f"M{x(0)} {y(0)}" + "".join(f"L{at} {height}" for at, height in points),
             "name_y": points[-1][1] + 3, "words": f"{method} {told}"}
        )  # fmt: skip
    # Names stand at the ends of their lines, apart from each other and inside the picture.
    beneath = 10.0
    for line in sorted(lines, key=lambda line: float(line["name_y"])):
        line["name_y"] = round(max(line["name_y"], beneath), 1)
        beneath = line["name_y"] + 12
    words = "; ".join(line["words"] for line in lines)
    return {
        "width": _WIDTH, "height": _HEIGHT, "left": _LEFT, "right": x(SHARES[-1]), "floor": y(0), "lines": lines,
        "scale": [{"y": y(top * part), "words": percent(top * part, 0)} for part in (0.0, 0.5, 1.0)],
        "ticks": [{"x": x(share), "words": f"{share * 100:g}%"} for share in SHARES],
        "chance": {"path": f"M{x(0)} {y(0)}L{x(SHARES[-1])} {y(SHARES[-1])}"},
        "label": f"Share of offences caught by share of the ground watched. {words}. The table beside has the figures.",
    }  # fmt: skip


def _shifts(here: pl.DataFrame) -> list[dict[str, Any]]:
    """Give the first places of each shift, up to 1% of the ground."""
    return [
        {
            "words": f"{begins:02}:00 to {ends:02}:00",
            "from_hour": begins,
            "rows": rows.filter((pl.col("ground_share") <= 0.01) | (pl.col("rank") == 1))
            .head(_PLACES_SHOWN)
            .to_dicts(),
        }
        for (begins, ends), rows in here.group_by("from_hour", "to_hour", maintain_order=True)
    ]
