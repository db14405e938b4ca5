"""Small tables drawn in a test: `drawn("demand", "area_id | hour_starting | …", "north | 2026-01-05T18:00Z | …")`."""

import polars as pl

from bluelamp import tables


def drawn(name: str, header: str, *rows: str) -> pl.DataFrame:
    """Read drawn lines as a table of that name; columns that are not drawn are empty, blank cells are null."""
    columns = [cell.strip() for cell in header.split("|")]
    cells = [[cell.strip() or None for cell in row.split("|")] for row in rows]
    text = pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String), orient="row")
    typed, unreadable = tables.parse(text, name)
    assert unreadable.is_empty(), unreadable
    definition = tables.table(name)
    return typed.select(
        pl.col(each.name) if each.name in columns else pl.lit(None, dtype=each.polars).alias(each.name)
        for each in definition.fields
    )
