"""A simulated year in which patrols follow the map: does it run away?

After Ensign, Friedler, Neville, Scheidegger and Venkatasubramanian (2018), Runaway feedback loops in predictive
policing, Proceedings of Machine Learning Research 81: what patrols find is found where they were sent, and a map that
counts it sends them there again. Their remedy is the guard that is tried here: the map counts what was reported, and
never what patrols found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from bluelamp import tables
from bluelamp.grids import Floats, Grid, Integers

FITTED, EVEN = "fitted", "even"
WEEKS, QUARTER = 52, 13
# The map is the plain count of so many weeks; as many stand at the beginning without a patrol.
_COUNTED = 52
_RANGE = (0.05, 0.95)


@dataclass(frozen=True)
class _Year:
    """One simulated year: shares of patrols and of what the map shows, and offences found (quarters × areas); and by
    quarter how many times what is true the map shows where patrols are.
    """

    patrols: Floats
    shown: Floats
    found: Floats
    times_true: Floats


def simulate_feedback(
    grid: Grid,
    rates: Floats,
    *,
    force_id: str,
    patrolled_share: float,
    found_share: float,
    years: int,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
) -> pl.DataFrame:
    """Simulate years of patrols that follow the map, with the guard and without it, as table `feedback_simulation`.

    `rates` are true offences a week by cell and shift, cells × shifts: simulated as they are, and spread evenly over
    the ground. Each week patrols go in each shift to the cells with most on the map for their size, until those are
    `patrolled_share` of the ground, hours in proportion to it. What they find is in proportion to hours and true rate:
    `found_share` of another offence for each that comes to where they are, were they where they are due. Offences that
    come are the same with the guard and without.
    """
    codes = sorted({area for area in grid.area_ids if area is not None})
    number = {area: at for at, area in enumerate(codes)}
    area_of = np.array([number.get(area, len(codes)) if area is not None else len(codes) for area in grid.area_ids])
    if (area_of == len(codes)).any():
        codes.append("unknown")
    even = rates.sum(axis=0) * (grid.size / grid.size.sum())[:, None]
    frames = []
    worlds = [(FITTED, rates), (EVEN, even)]
    for at, (name, true) in enumerate(worlds):
        due = _sum_by(area_of, even if name == EVEN else _send(true, grid.size, patrolled_share, None), len(codes))
        lived: dict[bool, list[_Year]] = {True: [], False: []}
        for year in range(years):
            came = np.random.default_rng([seed, year, at, 0]).poisson(true, (_COUNTED + WEEKS, *true.shape))
            for is_guarded, its_years in lived.items():
                chance = np.random.default_rng([seed, year, at, 1])
                its_years.append(
                    _live(true, came, grid.size, area_of, len(codes), is_guarded, patrolled_share, found_share, chance)
                )
            progress((at * years + year + 1) / (len(worlds) * years))
        for is_guarded, its_years in lived.items():
            frames += _tell(name, is_guarded, codes, force_id, _sum_by(area_of, true, len(codes)), due, its_years)
    return tables.publish(pl.concat(frames, how="diagonal_relaxed"), "feedback_simulation")


def _live(
    true: Floats,
    came: Integers,
    size: Floats,
    area_of: Integers,
    areas: int,
    is_guarded: bool,
    patrolled_share: float,
    found_share: float,
    chance: np.random.Generator,
) -> _Year:
    """Live through a year after one without patrols; `came` are the offences of both, weeks × cells × shifts."""
    counted = came.copy()
    total = counted[:_COUNTED].sum(axis=0)
    at_first = _send(true, size, patrolled_share, None)
    come = np.where(at_first > 0, true, 0).sum(axis=0)
    # So that hours as they are due find that share of what comes where they are spent.
    found_each_hour = found_share * come / (at_first * true).sum(axis=0).clip(1e-12)
    patrols, shown, found = np.zeros((3, WEEKS // QUARTER, areas))
    times_true = np.zeros(WEEKS // QUARTER)
    for week in range(WEEKS):
        sent = _send(total.astype(np.float64), size, patrolled_share, chance)
        there, finds = sent > 0, np.zeros_like(total)
        finds[there] = chance.poisson((found_each_hour * true * sent)[there])
        quarter = week // QUARTER
        patrols[quarter] += _sum_by(area_of, sent, areas) / QUARTER
        shown[quarter] += _sum_by(area_of, total, areas) / QUARTER
        times_true[quarter] += (sent * total / (_COUNTED * true).clip(1e-12)).sum() / max(sent.sum(), 1e-12) / QUARTER
        found[quarter] += np.bincount(area_of, finds.sum(axis=1), minlength=areas)
        if not is_guarded:
            counted[_COUNTED + week] += finds
        total = total + counted[_COUNTED + week] - counted[week]
    return _Year(patrols, shown, found, times_true)


def _send(shown: Floats, size: Floats, patrolled_share: float, tied_by: np.random.Generator | None) -> Floats:
    """Give the hours of patrols by cell and shift: each shift has as many, to its top share of the ground."""
    mixed = np.arange(len(size)) if tied_by is None else tied_by.random(len(size))
    hours = np.zeros_like(shown)
    for shift in range(shown.shape[1]):
        order = np.lexsort((mixed, -shown[:, shift] / size))
        reached = np.cumsum(size[order]) / size.sum()
        chosen = order[: int(np.searchsorted(reached, patrolled_share)) + 1]
        hours[chosen, shift] = shown[chosen, shift]
    whole = hours.sum(axis=0)
    shared: Floats = hours / np.where(whole > 0, whole, 1.0) * (whole > 0)
    return shared


def _sum_by(area_of: Integers, by_cell: Floats | Integers, areas: int) -> Floats:
    sums = np.bincount(area_of, by_cell.sum(axis=1), minlength=areas)
    shares: Floats = sums / max(sums.sum(), 1e-12)
    return shares


def _tell(
    rates: str, is_guarded: bool, codes: Sequence[str], force_id: str, true: Floats, due: Floats, years: Sequence[_Year]
) -> list[pl.DataFrame]:
    """Give the rows of one world: areas, and the force with its distances."""
    patrols, shown, found = (
        np.stack([getattr(year, name) for year in years]) for name in ("patrols", "shown", "found")
    )
    most = patrols.argmax(axis=2)
    of_most = np.take_along_axis(patrols, most[..., None], axis=2)[..., 0] / np.maximum(due[most], 1e-12)
    frames = []
    for quarter in range(patrols.shape[1]):
        about = {"rates": rates, "is_guarded": is_guarded, "quarter": quarter + 1}
        frames.append(
            pl.DataFrame(
                {"place_id": codes, "true_share": true, "due_share": due}
                | _range("patrol_share", patrols[:, quarter])
                | _range("map_share", shown[:, quarter])
            ).with_columns(level=pl.lit("area"), **{key: pl.lit(value) for key, value in about.items()})
        )
        distances = {
            "patrol_distance": np.abs(patrols[:, quarter] - due).sum(axis=1) / 2,
            "map_distance": np.abs(shown[:, quarter] - true).sum(axis=1) / 2,
            "most_patrolled": of_most[:, quarter],
            "times_true": np.array([year.times_true[quarter] for year in years]),
            "found": found[:, quarter].sum(axis=1),
        }
        ranges = [_range(name, values[:, None]) for name, values in distances.items()]
        frames.append(
            pl.DataFrame({name: value for each in ranges for name, value in each.items()}).with_columns(
                level=pl.lit("force"), place_id=pl.lit(force_id), **{key: pl.lit(value) for key, value in about.items()}
            )
        )
    return frames


def _range(name: str, values: Floats) -> dict[str, Floats]:
    """Give mean and range over years (the first axis) as columns."""
    low, high = np.quantile(values, _RANGE, axis=0)
    return {name: values.mean(axis=0), f"{name}_low": low, f"{name}_high": high}
