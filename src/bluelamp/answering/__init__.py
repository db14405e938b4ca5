"""Telephones: what share of callers is answered in so many seconds, where lines share people and callers give up.

Calls of each line come at random, agents are alike, a call takes an agent an exponentially distributed time, and
whoever waits gives up after an exponentially distributed patience: the M/M/n+M queue (Palm 1957; "Erlang A", Garnett,
Mandelbaum & Reiman 2002), or Erlang C where patience is without end. Lines that share agents are taken in their order,
the first before all others; a call that was begun is finished.

With the same patience and handling in all lines the figures are exact. While all agents are busy, the callers of a line
and of those before it are a queue of their own, whose next goes at the pace of all agents, whoever waits behind; so the
chance that so many of them are waiting falls by calls ÷ (agents × pace + waiting ÷ patience) from one to the next, and
how long a caller waits is the time in which those before, and who still comes before, are served or give up (a birth
and death process, followed by uniformization: Jensen 1953). Where patience differs between lines, those who wait give
up at the mean of their rates, each line counted by how many of it wait; where handling differs, an agent's pace is that
of the calls that come. How far off that is, is in docs/explanation/call-takers.md.

Sources:
    Palm, C. (1957). Research on telephone traffic carried by full availability groups. Tele 1.
    Garnett, O., Mandelbaum, A. and Reiman, M. (2002). Designing a call center with impatient customers. Manufacturing
        and Service Operations Management 4(3), 208-227.
    Jensen, A. (1953). Markoff chains as an aid in the study of Markoff processes. Skandinavisk Aktuarietidskrift 36.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bluelamp.queueing import MOST_UNITS

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]


@dataclass(frozen=True)
class Lines:
    """Lines that share their agents, the first in turn first.

    `calls` are calls an hour, samples × lines × cells; `handling_minutes` lines × cells; `patience_minutes` (infinite
    where nobody gives up), `target_seconds` and `target_share` one a line.

    Raises ValueError for shapes that do not fit, values that are negative, unknown or (but for patience) infinite, no
    handling or patience at all, more calls than MOST_UNITS agents can be busy with, and shares outside 0 to 1, both
    excluded.
    """

    calls: Numbers
    handling_minutes: Numbers
    patience_minutes: Numbers
    target_seconds: Numbers
    target_share: Numbers

    def __post_init__(self) -> None:
        """Insist on shapes and values."""
        if self.calls.ndim != 3 or not self.calls.shape[0]:
            raise ValueError(f"calls must be samples × lines × cells, but have the shape {self.calls.shape}.")
        lines, cells = self.calls.shape[1:]
        handling = self.handling_minutes
        for name, shape in {"handling_minutes": (lines, cells), "patience_minutes": (lines,),
                            "target_seconds": (lines,), "target_share": (lines,)}.items():  # fmt: skip
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have the shape {shape}, but has {getattr(self, name).shape}.")
        for name, expected, right in (
            ("calls", "0 or more and finite", (self.calls >= 0) & np.isfinite(self.calls)),
            ("handling_minutes", "above 0 and finite", (handling > 0) & np.isfinite(handling)),
            ("patience_minutes", "above 0", self.patience_minutes > 0),
            ("target_seconds", "0 or more and finite", (self.target_seconds >= 0) & np.isfinite(self.target_seconds)),
            ("target_share", "above 0 and below 1, such as 0.9", (self.target_share > 0) & (self.target_share < 1)),
        ):  # fmt: skip
            if not right.all():
                wrong = getattr(self, name)[~right]
                raise ValueError(
                    f"{name} must be {expected}, but {wrong.size} values are not. The first is {wrong[0]}."
                )
        most = float((self.calls * handling).sum(axis=1).max(initial=0)) / 60
        if most > MOST_UNITS:
            raise ValueError(
                f"calls would keep {most:,.0f} agents busy, at most {MOST_UNITS:,} were expected. Calls are those of "
                "an hour, handling is in minutes."
            )

    @property
    def leaving(self) -> Numbers:
        """How many callers of each line give up in a minute, of one who waits."""
        return 1 / self.patience_minutes

    def cell(self, number: int) -> tuple[Numbers, Numbers]:
        """Give one cell's calls a minute, samples × lines, and the pace of one agent in each sample."""
        calls = self.calls[:, :, number]
        busy = calls @ self.handling_minutes[:, number]
        total = calls.sum(axis=1)
        usual = 1 / self.handling_minutes[:, number].mean()
        pace = np.divide(total, busy, out=np.full_like(total, usual), where=busy > 0)
        return np.ascontiguousarray(calls / 60), pace

    def fewest_agents(self, weights: ArrayLike = 1.0) -> WholeNumbers:
        """Give the fewest agents with whom each line's target is met on average over samples, lines × cells.

        The target is a share of calls, so that samples count by their calls; `weights` of samples say what counts as
        their mean. Nobody calls, nobody is needed. A caller who gives up was not answered. The agents that meet all
        targets are the most of them.
        """
        from bluelamp.answering import _kernel

        samples, lines, cells = self.calls.shape
        weight = np.ascontiguousarray(np.broadcast_to(np.asarray(weights, dtype=np.float64), (samples,)))
        if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
            raise ValueError("weights must be 0 or more and finite, and not all 0, but some are not.")
        found = np.zeros((lines, cells), dtype=np.int64)
        for cell in range(cells):
            calls, pace = self.cell(cell)
            for line in range(lines):
                found[line, cell] = _kernel.fewest(
                    calls, weight, line, pace, self.leaving, self.target_seconds[line] / 60, self.target_share[line]
                )
        return found

    def shares(self, agents: ArrayLike) -> tuple[Numbers, Numbers]:
        """Give the shares of each line's callers who are answered in time, and who give up, lines × cells.

        `agents` are whole numbers, one or one a cell; with none, nobody is answered. Not a number where nobody calls.
        """
        from bluelamp.answering import _kernel

        _, lines, cells = self.calls.shape
        wanted = np.broadcast_to(np.asarray(agents, dtype=np.float64), (cells,))
        if not ((wanted >= 0) & (wanted <= MOST_UNITS) & (wanted == np.floor(wanted))).all():
            raise ValueError(f"agents must be whole numbers from 0 to {MOST_UNITS:,}, but some are not.")
        on_duty = wanted.astype(np.int64)
        in_time, gives_up = np.full((lines, cells), np.nan), np.full((lines, cells), np.nan)
        for cell in range(cells):
            calls, pace = self.cell(cell)
            for line in range(lines):
                if calls[:, line].any():
                    some = (int(on_duty[cell]), calls, line, pace, self.leaving)
                    in_time[line, cell] = _kernel.share_in_time(*some, self.target_seconds[line] / 60)
                    gives_up[line, cell] = _kernel.share_leaving(*some)
        return in_time, gives_up
