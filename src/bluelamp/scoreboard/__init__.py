"""Filed forecasts scored when their time has passed, and which method is in use where: pure tables in, tables out.

A forecast counts for a local day if it was filed before that day began; of several, the latest. Week by week the
force's method is held against the naive ones that were filed beside it, for the force and for each district, and
`bluelamp.betting` says whether it loses. The formulas are told in docs/explanation/the-scoreboard.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from bluelamp import tables
from bluelamp.scoreboard._judged import judge, name_places
from bluelamp.scoreboard._scores import NOTHING_SCORED, count_came, score_filed, summarise
from bluelamp.scoreboard._sentences import say, say_filing, say_switched, tabulate

__all__ = [
    "NAMES",
    "Filed",
    "Scoreboard",
    "fileable",
    "make_scoreboard",
    "say",
    "say_filing",
    "say_switched",
    "tabulate",
]

NAMES = ("scoreboard_scores", "scoreboard_weeks", "scoreboard_places")


class Filed(Protocol):
    """A forecast that was filed: what its line of the log says, and its rows, if they are what was filed."""

    @property
    def line(self) -> Mapping[str, Any]:
        """What the log says of it."""

    def rows(self) -> pl.DataFrame | None:
        """Rows as `Forecast.beside` has them."""


@dataclass(frozen=True)
class Scoreboard:
    """What the filed forecasts came to: the three tables, and by place the method that stands in for the force's."""

    tables: dict[str, pl.DataFrame] = field(default_factory=lambda: {name: tables.empty(name) for name in NAMES})
    instead: dict[str, str] = field(default_factory=dict)


def make_scoreboard(
    filed: Sequence[Filed],
    demand: pl.DataFrame,
    outages: pl.DataFrame,
    areas: pl.DataFrame,
    *,
    method: str,
    force_id: str,
    time_zone: str,
    data_until: datetime,
) -> Scoreboard:
    """Score what was filed, and judge the force's method.

    `filed` are in the order of filing; those of another method, or that are not what was filed, are passed over. What
    came is `demand` (of the origins that drive the forecast) up to `data_until`, outside `outages`, counted in the
    districts of `areas`. Of a force with one district only the force is judged.
    """
    begun = [each for each in filed if each.line["method"] == method and _first_at(each) < data_until]
    if not begun:
        return Scoreboard()
    came = count_came(demand, areas, outages, force_id, time_zone, min(map(_first_at, begun)), data_until)
    scored = pl.concat(
        [score_filed(each.line, rows, came) for each in begun if (rows := each.rows()) is not None] or [NOTHING_SCORED]
    )
    if scored.is_empty():
        return Scoreboard()
    weeks, places = judge(scored, method, time_zone, data_until)
    made = {"scoreboard_scores": summarise(scored), "scoreboard_weeks": weeks, "scoreboard_places": places}
    return Scoreboard({name: tables.publish(made[name], name) for name in NAMES}, name_places(places))


def _first_at(filed: Filed) -> datetime:
    return datetime.fromisoformat(filed.line["first_at"])


def fileable(beside: pl.DataFrame, made_at: datetime, time_zone: str) -> pl.DataFrame:
    """Keep what is a forecast before the fact: hours and days of local days that begin after it was made."""
    day = pl.col("hour_starting").dt.convert_time_zone(time_zone).dt.truncate("1d").dt.convert_time_zone("UTC")
    return beside.filter(day > made_at)
