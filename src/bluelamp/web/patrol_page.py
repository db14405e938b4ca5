"""The patrol list as a page to print for briefing: one sheet a shift, from one file that needs no network."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from bluelamp import periods
from bluelamp.patrol_lists import ABOUT_PLACES, Briefing
from bluelamp.web.templating import TEMPLATES


def render_patrol_page(briefing: Briefing) -> str:
    """Give the page of the patrol lists of one day."""
    zone = periods.zone(briefing.time_zone)

    def clock(at: datetime) -> str:
        return f"{at.astimezone(zone):%H:%M}"

    sheets = []
    for watch in briefing.watches:
        rows = watch.made.rows
        sheets.append(
            {
                "words": f"{clock(watch.starts_at)} to {clock(watch.ends_at)}",
                "units": [
                    {"number": number, "pool": visits["pool_id"][0], "visits": visits.sort("starts_at").to_dicts()}
                    for (number,), visits in rows.group_by("unit_number", maintain_order=True)
                ],
                "places": rows.unique("cell_id").sort("rank").with_columns(pl.col("expected").round(2)).to_dicts(),
                "notes": watch.made.notes,
            }
        )
    kind = "Harm" if briefing.class_code == "harm" else "Offences"
    return TEMPLATES.get_template("patrol.html").render(
        force_name=briefing.force_name,
        about=f"{briefing.day:%A} {briefing.day.day} {briefing.day:%B %Y}, class {briefing.class_code}; clock of "
        f"{briefing.time_zone}.",
        sheets=sheets,
        expected=f"{kind} to expect there in this shift over the week",
        how_right=briefing.how_right,
        notes=briefing.notes,
        about_places=ABOUT_PLACES,
        clock=clock,
    )
