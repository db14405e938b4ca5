"""What the what-if page is asked, as its address says it: one change, or two, and what of the answer is shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

from bluelamp import what_if as trial
from bluelamp.two_changes import name_problems

MOST_RUNS = 200
ALL = "all"
# Both plans of a county of 121 areas are answered in a tenth of a second with 20 runs and in a second with 200.
RUNS, RUNS_WHILE_MOVING = 100, 20
DAYS = 7


@dataclass(frozen=True)
class Asked:
    """What the form says; what begins with `b_` is of change B."""

    demand: Annotated[float, Query(description="Times what is usual")] = 1.0
    service: Annotated[float, Query(description="Times as long at a call")] = 1.0
    units: Annotated[str, Query(max_length=2000, description="One change a line, or parted by semicolons")] = ""
    merge: Annotated[str, Query(max_length=2000, description="Pools made one, parted by semicolons")] = ""
    target: Annotated[str, Query(max_length=2000, description="Other targets, parted by semicolons")] = ""
    b_demand: Annotated[float, Query(description="The same of a second change, B, held beside the first")] = 1.0
    b_service: Annotated[float, Query(description="The same of change B")] = 1.0
    b_units: Annotated[str, Query(max_length=2000, description="The same of change B")] = ""
    b_merge: Annotated[str, Query(max_length=2000, description="The same of change B")] = ""
    b_target: Annotated[str, Query(max_length=2000, description="The same of change B")] = ""
    days: Annotated[int, Query(ge=1, le=28, description="Days from the plan's first")] = DAYS
    runs: Annotated[int, Query(ge=5, le=MOST_RUNS, description="Times that each plan is simulated")] = RUNS
    grade: Annotated[str, Query(description="Grade shown by hour; the most urgent where it is left out")] = ""
    pool: Annotated[str, Query(description="Pool shown by hour; 'all' for the force")] = ALL
    at: Annotated[str, Query(description="Start of the hour shown, in UTC, such as 2026-11-27T22:00Z")] = ""

    @property
    def is_second(self) -> bool:
        """Whether a second change is asked for."""
        return (self.b_demand, self.b_service, self.b_units, self.b_merge, self.b_target) != (1.0, 1.0, "", "", "")

    @property
    def table(self) -> str:
        """The table that answers."""
        return "what_if_changes" if self.is_second else "what_if"

    def changes(self) -> tuple[trial.Change, ...]:
        """Read the change, or both. Raises UsageError with all that can't be read."""
        return name_problems([self._first, self._second]) if self.is_second else (self._first(),)

    def address(self, suffix: str, run_id: str) -> str:
        """Give the address of the same trial in another form; what was not asked for is left out."""
        usual = asdict(Asked())
        said = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return f"/what-if{suffix}?{urlencode({'run': run_id, **said})}"

    def _first(self) -> trial.Change:
        return trial.read_change(
            demand=self.demand, service=self.service, units=_lines(self.units), merge=_lines(self.merge),
            targets=_lines(self.target),
        )  # fmt: skip

    def _second(self) -> trial.Change:
        return trial.read_change(
            demand=self.b_demand, service=self.b_service, units=_lines(self.b_units), merge=_lines(self.b_merge),
            targets=_lines(self.b_target),
        )  # fmt: skip


def _lines(text: str) -> list[str]:
    return [each.strip() for each in text.replace(";", "\n").splitlines() if each.strip()]
