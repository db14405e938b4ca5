"""Near repeats: whether offences follow near others, within weeks and some hundred metres, beyond what chance brings.

The Knox test (`knox`) as crime analysis uses it (Johnson and others 2007, *Space-time patterns of risk*, J.
Quantitative Criminology 23, 201-219), on what a force has recorded. It looks back, and tells of places, never of
persons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from bluelamp import tables
from bluelamp.errors import UsageError, count_of
from bluelamp.geography import METRES_IN_A_DEGREE
from bluelamp.knox import METRICS, try_pairs
from bluelamp.occurrences import Occurrences
from bluelamp.plane import FARTHEST_METRES, Floats, Plane

PERMUTATIONS = 999
# A cell is spoken of where so few of the dealt sets have any cell as far out: one false alarm in twenty sets, at most.
ALPHA = 0.05
# A ratio below this is no ground to act on, however surely it is not chance: the Near Repeat Calculator's rule.
WORTH = 1.2
# Decimals of a degree that are no address any more.
_COARSE = 3


@dataclass(frozen=True)
class NearRepeats:
    """The table `near_repeats`, and what it was made from: how many of what, on which days, and what was left out."""

    table: pl.DataFrame
    of: Occurrences
    counted: int
    notes: list[str]
    permutations: int
    metric: str

    def marked(self) -> pl.DataFrame:
        """Give the cells that stand out, whichever one looks at."""
        return self.table.filter(pl.col("p_value_any") <= ALPHA)

    def sentences(self) -> list[str]:
        """Say what was found."""
        noun = self.of.noun
        if self.counted < 2:
            return [f"There are fewer than two {noun}s with a place and a day, and no pair of them."]
        cells, found = self.table.height, self.marked()
        large = found.filter(pl.col("ratio") >= WORTH).sort("metres_to", "days_from")
        said = [
            f"{_distance(row)} and {_days(row)}: {row['pairs']:,} pairs where chance would bring "
            f"{_number(row['expected'])}, {row['ratio']:.2f} times as many."
            for row in large.filter(pl.col("days_from") == 0).iter_rows(named=True)
        ]
        later, small = large.filter(pl.col("days_from") > 0).height, found.height - large.height
        if later:
            said.append(f"{count_of(later, 'cell')} of later days {_stands(later)} out as well.")
        if small:
            said.append(
                f"{count_of(small, 'cell')} {_stands(small)} out by less than a fifth. With many pairs such ratios can "
                "be told from chance, and places that slowly grow busier or quieter make them, without near repeats."
            )
        if found.is_empty():
            said.append(
                f"No cell of {cells} stands out: {noun}s near in place are not nearer in time than chance brings."
            )
        by_chance = self.table.filter(pl.col("p_value") <= ALPHA).height
        said.append(
            f"A cell stands out where at most one set of days dealt by chance in {round(1 / ALPHA)} has any cell as "
            f"far out. Looked at alone, {by_chance} of {cells} have a p-value of {ALPHA} or less; chance brings about "
            f"{_number(ALPHA * cells)}."
        )
        return said

    def lines(self) -> list[str]:
        """Give the ratios as lines of a table, and what they say, leave out and do not mean."""
        columns = self.table.select("days_from", "days_to").unique(maintain_order=True).rows()
        lines = [
            f"Near repeats: {self.counted:,} {self.of.what}, {self.of.when}.",
            f"Pairs over what chance brings, by {self.metric} distance; {self.permutations:,} permutations.",
            "",
            f"{'':16}" + "".join(f"{band_of_days(*each):>9}" for each in columns) + "  days",
        ]
        for _, rows in self.table.group_by("metres_to", maintain_order=True):
            cells = [
                ("–" if row["ratio"] is None else f"{row['ratio']:.2f}")
                + (" *" if row["p_value_any"] <= ALPHA else "  ")
                for row in rows.iter_rows(named=True)
            ]
            band = band_of_metres(*rows.select("metres_above", "metres_to").row(0))
            lines.append((f"{band:16}" + "".join(f"{each:>9}" for each in cells)).rstrip())
        said = {"": self.sentences(), "To know:": self.notes, "What this does not say:": self.meanings()}
        lines += ["", "* stands out, whichever cells one looks at."]
        for head, sentences in said.items():
            lines += ["", *([head] if head else []), *(f"- {each}" for each in sentences)] if sentences else []
        return lines

    def meanings(self) -> list[str]:
        """Say what a reader might take it for, and it is not."""
        twice = (
            "Two logs of one event are a pair at the same place on the same day, so that same-place ratios of "
            "incidents are too high."
        )
        return [
            "A ratio is of pairs, not a household's or a person's risk: one busy spell at one place makes many pairs.",
            "Several victims of one event, such as the flats of one house in one night, are pairs on the same day.",
            "Where points are snapped to a street, a grid or a map point, 'the same place' is a neighbourhood.",
            "It looks back over the whole time: that near repeats were there does not say that they are there now.",
            *([twice] if self.of.kind == "incidents" else []),
        ]


def band_of_days(first: int, last: int) -> str:
    """Say which days a band holds."""
    return f"{first}" if first == last else f"{first}–{last}"


def band_of_metres(above: float | None, upto: float) -> str:
    """Say which distances a band holds."""
    return "same place" if above is None else f"{above:,.0f}–{upto:,.0f} m"


def _distance(row: Mapping[str, Any]) -> str:
    if row["metres_to"] == 0:
        return "At the same place"
    return f"Over {row['metres_above']:,.0f} and up to {row['metres_to']:,.0f} m apart"


def _days(row: Mapping[str, Any]) -> str:
    return f"within {count_of(row['days_to'], 'day')}" if row["days_to"] else "on the same day"


def _stands(number: int) -> str:
    return "stands" if number == 1 else "stand"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def find_near_repeats(
    of: Occurrences,
    *,
    metres: Sequence[float] = tuple(range(100, 1001, 100)),
    days: Sequence[int] = tuple(range(7, 57, 7)),
    metric: str = "manhattan",
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> NearRepeats:
    """Test whether what happened comes in near repeats.

    `metres` and `days` are the upper bounds of the bands. Distances are those on a plane that touches the earth in the
    middle of the points, in metres; 'manhattan' goes along its east and north. What has no point, and points farther
    off than any force is wide, are left out and counted. The order of rows does not matter.

    Raises UsageError where bands do not rise from above 0, there is no such metric, or more pairs are near each other
    than can be counted.
    """
    _insist(metres, days, metric, permutations)
    # Days are dealt in the order of rows, so that this must not depend on how they were stored.
    known = of.rows.select("longitude", "latitude", "day").drop_nulls().sort("longitude", "latitude", "day")
    degrees = known.select("longitude", "latitude").to_numpy()
    xy = Plane.amid(degrees).flatten(degrees) if len(degrees) else degrees
    near = np.isfinite(xy).all(axis=1)
    day = known["day"].to_physical().to_numpy()[near].astype(np.int64)
    found = try_pairs(
        xy[near], day, metres=metres, days=days, metric=metric, permutations=permutations, seed=seed,
        pairing=lambda share: progress("pairs", share), dealing=lambda share: progress("dealing days", share),
    )  # fmt: skip
    grid = [(place, time) for place in range(len(metres) + 1) for time in range(len(days))]
    table = pl.DataFrame(
        {
            "metres_above": [None if place == 0 else [0.0, *metres][place - 1] for place, _ in grid],
            "metres_to": [[0.0, *metres][place] for place, _ in grid],
            "days_from": [0 if time == 0 else days[time - 1] + 1 for _, time in grid],
            "days_to": [days[time] for _, time in grid],
            "pairs": found.pairs.ravel(),
            "expected": found.expected.ravel(),
            "p_value": found.p_value.ravel(),
            "p_value_any": found.p_value_any.ravel(),
        },
        schema_overrides={"metres_above": pl.Float64, "metres_to": pl.Float64},
        strict=False,
    ).with_columns(ratio=pl.when(pl.col("expected") > 0).then(pl.col("pairs") / pl.col("expected")))
    notes = [*of.notes, *_left_out(of, of.rows.height - known.height, int((~near).sum())), *_on_snapped(degrees)]
    return NearRepeats(tables.publish(table, "near_repeats"), of, int(near.sum()), notes, permutations, metric)


def _left_out(of: Occurrences, without_point: int, far_off: int) -> list[str]:
    notes = []
    if without_point:
        notes.append(
            f"{count_of(without_point, of.noun)} ({without_point / of.rows.height:.1%}) left out: without a point."
        )
    if far_off:
        notes.append(
            f"{count_of(far_off, of.noun)} left out: more than {FARTHEST_METRES / 1000:,.0f} km from the middle of the "
            "others. See whether longitude and latitude stand the wrong way round there."
        )
    return notes


def _on_snapped(degrees: Floats) -> list[str]:
    """Say where all points are rounded so far that many places have one point."""
    if not len(degrees) or not np.allclose(degrees, degrees.round(_COARSE), atol=1e-9):
        return []
    return [
        f"All points are rounded to {_COARSE} decimals of a degree, about {METRES_IN_A_DEGREE / 10**_COARSE:,.0f} m: "
        "'same place' is a square of that width, and shorter distances are not told apart."
    ]


def _insist(metres: Sequence[float], days: Sequence[int], metric: str, permutations: int) -> None:
    problems = []
    for what, bounds, least in (("metres", list(metres), 0.0), ("days", list(days), -1)):
        if not bounds or not np.isfinite(bounds).all() or sorted(set(bounds)) != bounds or bounds[0] <= least:
            problems.append(
                f"The bounds of the bands in {what} must rise from above {max(least, 0):.0f}; they are {bounds}."
            )
    if metric not in METRICS:
        problems.append(f"There is no distance '{metric}': 'manhattan' and 'euclidean' are.")
    if permutations < 19:
        problems.append(f"{permutations} permutations can't show anything: 19 is the least, and 999 is usual.")
    if problems:
        raise UsageError("These near repeats can't be looked for:", problems)
