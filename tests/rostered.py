"""Duties drawn in a few lines, and the pools of a day and a night that they serve."""

from __future__ import annotations

import polars as pl

from tests.drawn import drawn

DAY_AND_NIGHT = drawn(
    "pools",
    "pool_id | role_code | area_id | from_hour | to_hour",
    "R1      | response  | a       | 7         | 22",
    "R2      | response  | b       | 7         | 22",
    "N       | response  | a       | 22        | 7",
    "N       | response  | b       | 22        | 7",
)


def duties(*rows: str, role: str = "response", kind: str = "planned") -> pl.DataFrame:
    """Draw 'person | pool | starts | ends' on 5 and 6 January 2026: '05 22:00'."""
    made = []
    for number, row in enumerate(rows):
        person, pool, starts, ends = (cell.strip() for cell in row.split("|"))
        at = (f"2026-01-{moment.replace(' ', 'T')}:00Z" for moment in (starts, ends))
        made.append(f"{kind}-{role}-{number} | {person} | {role} | {pool} | {' | '.join(at)} | {kind}")
    return drawn("duties", "duty_id | person_id | role_code | pool_id | starts_at | ends_at | kind", *made)
