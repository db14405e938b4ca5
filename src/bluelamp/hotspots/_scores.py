"""How far maps have been right on weeks held out, how sure that is, and which one is shown for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from bluelamp import grids, scoring, tables
from bluelamp.hotspots._capture import SHARES
from bluelamp.hotspots._maps import COUNTS, list_maps, methods
from bluelamp.hotspots._past import History
from bluelamp.hotspots._trial import Trial, try_methods

# Weeks are drawn again in blocks; with fewer than three blocks there is no interval.
_DRAWS, _BLOCK, _LEAST_WEEKS = 2_000, 4, 12


def score_maps(
    history: History,
    *,
    weeks: int,
    harm: History | None = None,
    seed: int = 1,
    names: Sequence[str] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> pl.DataFrame:
    """Hold every method's map against the last weeks of a history, as the table `hotspot_scores`.

    The plain count map is always among them. A method is shown for a class where it caught more than the count map did,
    on average over the shares of the ground, with a 95% interval (weeks drawn again in blocks of four) above nought;
    of several the one that caught most; where there is none, the count map.
    """
    wanted = list(dict.fromkeys([COUNTS, *(names or methods())]))
    maps = list_maps(history, harm)
    rows = []
    for number, (name, each, kind) in enumerate(maps):
        rows += _score_class(name, each, try_methods(each, kind, wanted, weeks), seed)
        progress((number + 1) / len(maps))
    return tables.publish(pl.DataFrame(rows, schema=tables.table("hotspot_scores").polars_schema), "hotspot_scores")


def choose(scores: pl.DataFrame) -> dict[str, str]:
    """Give the method to show for each class, of table `hotspot_scores`."""
    return dict(scores.filter("is_shown").select("class_code", "method").unique().iter_rows())


def bound_ratio(some: grids.Floats, others: grids.Floats, seed: int) -> tuple[float | None, float | None]:
    """Give the 95% interval of the ratio of two sums over weeks, one value a week each; none with too few weeks.

    Weeks are drawn again, singly and in blocks of four that follow each other, and the wider ends count: blocks know of
    weeks that are alike, and of few blocks the spread is taken too small.
    """
    if len(some) < _LEAST_WEEKS:
        return None, None
    ends = []
    for block in (1, _BLOCK):
        drawn = scoring.draw_blocks(len(some), block, _DRAWS, seed)
        again = some[drawn].sum(axis=1) / np.maximum(others[drawn].sum(axis=1), 1e-12)
        ends.append(np.quantile(again, (0.025, 0.975)))
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _bounds_of_count(count: float) -> tuple[float, float]:
    """Give Byar's 95% interval of a Poisson mean of which so many were seen (Breslow and Day 1987, section 2.3)."""
    if count <= 0:
        return 0.0, 3.689
    more = count + 1
    low = count * max(1 - 1 / (9 * count) - 1.96 / (3 * count**0.5), 0.0) ** 3
    return low, more * (1 - 1 / (9 * more) + 1.96 / (3 * more**0.5)) ** 3


def _score_class(name: str, history: History, tried: Sequence[Trial], seed: int) -> list[dict[str, object]]:
    held = len(tried[0].weeks)
    if held == 0 or tried[0].came.sum() == 0:
        return []
    came = tried[0].came
    # Offences caught a week, on average over the shares of the ground.
    by_week = {each.method: each.caught[:, :, 0].mean(axis=1) for each in tried}
    plain = by_week[COUNTS]
    against: dict[str, tuple[float, float | None, float | None]] = {}
    for method, caught in by_week.items():
        ratio = float(caught.sum() / max(plain.sum(), 1e-12) - 1)
        low, high = bound_ratio(caught, plain, seed)
        against[method] = (ratio, None if low is None else low - 1, None if high is None else high - 1)
    won = [method for method, (_, low, _) in against.items() if low is not None and low > 0]
    shown = max(won, key=lambda method: against[method][0], default=COUNTS)
    whole = history.grid.size.sum()
    is_street = history.grid.kind == "street"
    rows: list[dict[str, object]] = []
    for each in tried:
        for at, share in enumerate(SHARES):
            caught, best = each.caught[:, at, 0], each.caught[:, at, 1]
            pai = caught.sum() / came.sum() / share
            low, high = bound_ratio(caught, came, seed)
            if low is not None and high is not None:
                # Were each offence by chance alone, so many could have been caught; weeks may say less than that.
                least, most = (each / came.sum() for each in _bounds_of_count(float(caught.sum())))
                low, high = min(low, least) / share, max(high, most) / share
            before = each.before[:, at].mean()
            rows.append(
                {
                    "class_code": name, "method": each.method, "watched_share": share,
                    "watched_km2": None if is_street else share * whole,
                    "watched_km": share * whole if is_street else None,
                    "weeks": held, "offences": float(came.sum()), "caught": float(caught.sum()),
                    "hit_rate": float(caught.sum() / came.sum()), "pai": float(pai), "pai_low": low, "pai_high": high,
                    "pei": float(caught.sum() / best.sum()) if best.sum() else None,
                    "recapture": float(caught.sum() / came.sum() / before) if before else None,
                    "against_counts": against[each.method][0], "against_counts_low": against[each.method][1],
                    "against_counts_high": against[each.method][2],
                    "log_score": float(each.likelihood.sum() / came.sum()), "is_shown": each.method == shown,
                    "about": each.about,
                }
            )  # fmt: skip
    return rows
