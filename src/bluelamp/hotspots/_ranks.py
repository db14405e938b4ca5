"""Places ranked by risk, class by class and shift by shift, as the table `hotspots`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from bluelamp import extensions, grids, tables
from bluelamp.hotspots._capture import SHARES
from bluelamp.hotspots._maps import COUNTS, HARM, list_maps
from bluelamp.hotspots._past import History, Past

# Places are listed up to this share of the ground.
LISTED_SHARE = SHARES[-1]
_COUNTED_WEEKS = 52


def make_hotspots(
    history: History,
    chosen: Mapping[str, str],
    *,
    shift_starts: Sequence[int],
    harm: History | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> pl.DataFrame:
    """Rank places by shift and class for the week after a history, as the table `hotspots`.

    `chosen` names the method by class, as `choose` gives it; a class that is not there has the plain count map.
    """
    maps = [(name, each.until(each.weeks, kind)) for name, each, kind in list_maps(history, harm)]
    found = []
    for number, (name, past) in enumerate(maps):
        method = chosen.get(name, COUNTS)
        risk = extensions.member("hotspots", method).fit(past).risk(past)
        found.append(_rank(name, method, past, risk, shift_starts))
        progress((number + 1) / len(maps))
    return tables.publish(pl.concat(found), "hotspots") if found else tables.empty("hotspots")


def count_by_area(history: History | None) -> pl.DataFrame:
    """Count the offences of the last 52 weeks by the area that their cell lies in: `area_id`, `offences`."""
    if history is None or history.weeks == 0:
        return pl.DataFrame(schema={"area_id": pl.String, "offences": pl.Float64})
    counted = history.until(history.weeks).count(_COUNTED_WEEKS).sum(axis=1)
    cells = pl.DataFrame({"area_id": pl.Series(history.grid.area_ids, dtype=pl.String), "offences": counted})
    return cells.group_by("area_id").agg(pl.col("offences").sum()).sort("area_id", nulls_last=True)


def _rank(name: str, method: str, past: Past, risk: grids.Floats, shift_starts: Sequence[int]) -> pl.DataFrame:
    """Give the places of one class with the most risk for their size, or counted most, in each shift."""
    grid, counted = past.history.grid, past.count(_COUNTED_WEEKS)
    parts = []
    for shift, begins in enumerate(shift_starts):
        density = risk[:, shift] / grid.ranked_size
        order = np.argsort(-density, kind="stable")
        by_count = np.argsort(-counted[:, shift] / grid.ranked_size, kind="stable")
        rank, count_rank = _places(order), _places(by_count)
        share = np.cumsum(grid.size[order]) / grid.size.sum()
        count_share = np.cumsum(grid.size[by_count]) / grid.size.sum()
        # The last one may reach beyond the share, so that a force of few areas has a place at all.
        reached, counted_to = (int(np.searchsorted(each, LISTED_SHARE)) + 1 for each in (share, count_share))
        listed = order[
            ((rank[order] <= reached) & (risk[order, shift] > 0))
            | ((count_rank[order] <= counted_to) & (counted[order, shift] > 0))
        ]
        if not len(listed):
            continue
        expected = risk[listed, shift]
        is_street = grid.kind == "street"
        parts.append(
            pl.DataFrame(
                {
                    "class_code": name,
                    "from_hour": begins,
                    "to_hour": shift_starts[(shift + 1) % len(shift_starts)] or 24,
                    "rank": rank[listed],
                    "cell_kind": grid.kind,
                    "cell_id": [grid.cell_ids[cell] for cell in listed],
                    "cell_name": pl.Series([grid.names[cell] for cell in listed], dtype=pl.String),
                    "area_id": pl.Series([grid.area_ids[cell] for cell in listed], dtype=pl.String),
                    "longitude": grid.centres[listed, 0],
                    "latitude": grid.centres[listed, 1],
                    "area_km2": pl.Series([None] * len(listed) if is_street else grid.size[listed], dtype=pl.Float64),
                    "length_km": pl.Series(grid.size[listed] if is_street else [None] * len(listed), dtype=pl.Float64),
                    "ground_share": share[rank[listed] - 1].clip(0, 1),
                    "expected": expected,
                    "chance_any": pl.Series(
                        [None] * len(listed) if name == HARM else -np.expm1(-expected), dtype=pl.Float64
                    ),
                    "times_usual": density[listed] / (risk[:, shift].sum() / grid.size.sum()),
                    "counted": counted[listed, shift],
                    "count_rank": count_rank[listed],
                    "count_ground_share": count_share[count_rank[listed] - 1].clip(0, 1),
                    "method": method,
                }
            )
        )
    return pl.concat(parts) if parts else tables.empty("hotspots")


def _places(order: grids.Integers) -> grids.Integers:
    """Give each cell's place in an order, from 1."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(1, len(order) + 1)
    return place
