"""Hotspots of the made-up force: what is planted in it is found, and where nothing is planted nothing is claimed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from bluelamp import hotspots, settings, tables
from bluelamp.sources.twin import Twin, make_twin

UNTIL = date(2026, 11, 23)
BEFORE = datetime(2026, 11, 23, tzinfo=UTC)
CLASSES = ("violence", "robbery", "public_order", "theft", "vehicle_crime", "burglary")
OFFENDING = settings.OffendingPart.model_validate({"shift_starts": (8, 16, 22), "classes": CLASSES})
ORIGINS = ("public", "partner", "mandatory_internal", "unknown")


def ground_of(twin: Twin) -> hotspots.Ground:
    none = tables.empty("offences")
    return hotspots.lay_ground(
        none, twin.tables["incidents"], twin.tables["areas"], tables.empty("outages"), tables.empty("harm_weights"),
        offending=OFFENDING, origins=ORIGINS, before=BEFORE, time_zone="Europe/London",
    )  # fmt: skip


def made(**how) -> Twin:
    return make_twin(areas=10, days=400, seed=7, until=UNTIL, weekly_incidents=4000, **how)


def test_planted_hotspots_stand_among_the_first_of_their_class_and_shift():
    twin = made(points="even")
    history = ground_of(twin).history
    assert history is not None
    scores = hotspots.score_maps(history, weeks=16, names=["pooled"])
    places = hotspots.make_hotspots(history, hotspots.choose(scores), shift_starts=OFFENDING.shift_starts)
    lasting = twin.truth["hotspots"].filter(pl.col("first_day") < date(2025, 12, 1), pl.col("last_day") >= UNTIL)
    found, expected = 0, 0
    for spot in lasting.iter_rows(named=True):
        rows = places.filter(pl.col("class_code") == spot["class_code"], pl.col("rank") <= 20)
        if rows.is_empty() or spot["times_area_mean"] < 3:
            continue
        east = (rows["longitude"] - spot["longitude"]) * np.cos(np.radians(spot["latitude"]))
        metres = ((east**2 + (rows["latitude"] - spot["latitude"]) ** 2) ** 0.5) * 111_300
        expected += 1
        found += bool((metres < 350).any())
    assert expected >= 3
    assert found >= 0.8 * expected
    at_one = scores.filter("is_shown", watched_share=0.01, class_code="all").row(0, named=True)
    assert at_one["pai_low"] > 1


def test_points_spread_evenly_over_each_area_give_no_hotspots_inside_one():
    """Areas differ in how much happens, which a map may find; inside an area there is nothing to be found."""
    twin = made(points="even", planted=False)
    largest = twin.tables["incidents"]["area_id"].value_counts(sort=True)["area_id"][0]
    one = {
        "areas": twin.tables["areas"].filter((pl.col("level") != "area") | (pl.col("area_id") == largest)),
        "incidents": twin.tables["incidents"].filter(area_id=largest),
    }
    ground = hotspots.lay_ground(
        tables.empty("offences"), one["incidents"], one["areas"], tables.empty("outages"),
        tables.empty("harm_weights"), offending=OFFENDING, origins=ORIGINS, before=BEFORE, time_zone="Europe/London",
    )  # fmt: skip
    assert ground.history is not None
    scores = hotspots.score_maps(ground.history, weeks=20, names=["pooled"])
    claimed = scores.filter(pl.col("is_shown"), pl.col("watched_share") == 0.05, pl.col("pai_low") > 1)
    tried = scores.filter(pl.col("is_shown"), pl.col("watched_share") == 0.05)
    # One in forty by chance, class by class.
    assert claimed.height <= 1, claimed.select("class_code", "pai", "pai_low", "offences")
    assert tried.height >= 3
