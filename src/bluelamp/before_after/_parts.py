"""The parts that are compared, and the periods: what both the ground and the doubts about it speak of."""

from __future__ import annotations

from datetime import date

PARTS = ("treated", "control", "ring", "ring_control")
ESTIMATES = ("local", "displaced", "total")
# Which estimate holds which place against which control.
HELD = (("local", "treated", "control"), ("displaced", "ring", "ring_control"))
# What the parts of the table are called.
WORDS = {
    "treated": "treated place", "control": "control", "ring": "ring", "ring_control": "control of the ring",
    "local": "treated − control", "displaced": "ring − its control", "total": "in all",
}  # fmt: skip

Period = tuple[date, date]


def days_of(period: Period) -> int:
    """Give the days of a period, both ends included."""
    return (period[1] - period[0]).days + 1
