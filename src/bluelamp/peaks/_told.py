"""Rows of the table `peaks`: which of some places' coming stretches are listed, and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from bluelamp import quantiles
from bluelamp.peaks._usual import Usual
from bluelamp.shifts import CAUSES, Ahead, Floats

# Of the shifts or days of a scope, this part is listed: the highest by what is expected.
LISTED = 0.1
# A peak of less than this a shift or day, on average over the scope, is a peak of chance.
LEAST_EXPECTED = {"district": 3.0, "force": 3.0, "area": 5.0}
# Chance to exceed the control limit from which a shift is marked as unusual.
UNUSUAL = 0.5
_RANGE = (0.1, 0.9)


@dataclass(frozen=True)
class Told:
    """What is told of some places' coming stretches: `events` by place and stretch, `holidays` by stretch, and `short`
    the chance of too few units, places × stretches.
    """

    ahead: Ahead
    usual: Usual
    places: Sequence[tuple[str, str]]
    measures: Sequence[str]
    events: Sequence[Sequence[str]]
    holidays: Sequence[str]
    short: Floats | None

    def rows(self, scope: str, stretches: int) -> pl.DataFrame:
        """Give a row for each peak among the first so many stretches."""
        expected = self.ahead.expected[:, :, :stretches]
        slot = self.ahead.stretches.slot[:stretches]
        usual, limit = self.usual.mean[:, :, slot], self.usual.limit[:, :, slot]
        counts = self.ahead.counts[:, :, :stretches]
        unusual = np.where(np.isnan(limit), np.nan, (counts > limit[..., None]).mean(axis=-1))
        rank = 1 + np.argsort(np.argsort(-expected, axis=2, kind="stable"), axis=2, kind="stable")
        least = np.array([LEAST_EXPECTED[level] for level, _ in self.places])[:, None, None]
        enough = expected.mean(axis=2, keepdims=True) >= least
        listed = enough & ((rank <= np.ceil(LISTED * stretches)) | (np.nan_to_num(unusual) >= UNUSUAL))
        place, measure, at = np.nonzero(listed)
        low, high = quantiles.of_counts(counts[listed], _RANGE).T
        starts, ends = self.ahead.stretches.starts_at, self.ahead.stretches.ends_at
        effects = {name: each[:, :, :stretches][listed] for name, each in self._effects().items()}
        names = [self.events[number][when] for number, when in zip(place.tolist(), at.tolist(), strict=True)]
        holidays = [self.holidays[when] for when in at.tolist()]
        short = np.full(len(at), np.nan) if self.short is None else self.short[place, at]
        return pl.DataFrame(
            {
                "scope": pl.repeat(scope, len(at), dtype=pl.String, eager=True),
                "measure": pl.Series([self.measures[number] for number in measure.tolist()], dtype=pl.String),
                "level": pl.Series([self.places[number][0] for number in place.tolist()], dtype=pl.String),
                "area_id": pl.Series([self.places[number][1] for number in place.tolist()], dtype=pl.String),
                "starts_at": starts[at],
                "ends_at": ends[at],
                "rank": rank[listed],
                "expected": expected[listed],
                "p10": low,
                "p90": high,
                "usual": _column(usual[listed]),
                "usual_weeks": self.usual.weeks[slot][at],
                "control_limit": _column(limit[listed]).cast(pl.Int64),
                "chance_above_usual": _column(
                    np.where(np.isnan(usual), np.nan, (counts > usual[..., None]).mean(axis=-1))[listed]
                ),
                "chance_unusual": _column(unusual[listed]),
                "is_unusual": np.nan_to_num(unusual[listed]) >= UNUSUAL,
                "chance_short": _column(short),
                **{f"effect_{name}": _column(each) for name, each in effects.items()},
                "event": pl.Series([name or None for name in names], dtype=pl.String),
                "holiday": pl.Series([name or None for name in holidays], dtype=pl.String),
            }
        )

    def _effects(self) -> dict[str, Floats]:
        """Give what each cause does to what is expected, as a factor less one: their product with the year's mean is
        what is expected.
        """
        ahead = self.ahead
        a_week = self.usual.mean.shape[2]
        weeks = len(ahead.stretches) // a_week
        calm = ahead.calm
        of_week = np.full_like(calm, np.nan)
        for week in range(weeks):
            inside = slice(week * a_week, (week + 1) * a_week)
            of_week[:, :, inside] = calm[:, :, inside].mean(axis=2, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = {"time": calm / of_week - 1, "level": of_week / self.usual.year[:, :, None] - 1}
            before = ahead.expected
            for cause in CAUSES:
                after = ahead.without.get(cause, before)
                found[cause] = before / after - 1
                before = after
        return {name: np.where(np.isfinite(each), each, np.nan) for name, each in found.items()}


def _column(values: Floats) -> pl.Series:
    return pl.Series(np.asarray(values, dtype=np.float64)).fill_nan(None)
