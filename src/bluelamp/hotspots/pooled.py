"""A pooled count model: each place by its own past, near and far, its neighbours', other classes', and the force's.

Expected offences are a sum of such parts (`_mixture`). What each part is worth is learnt once for all cells, from weeks
that passed, and classes with few offences lean on what all classes together have taught. In effect each place's count
is shrunk towards its neighbourhood and the force as far as that has paid (Clayton and Kaldor 1987, Biometrics 43), and
recent weeks count more as far as that has.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bluelamp.hotspots._mixture import combine, gather_weeks, weigh
from bluelamp.hotspots._past import Fitted, Floats, History, Past

# Half-lives in weeks.
FADING = (2.0, 8.0, 26.0, 104.0)
# A class's own weights are held near those of all classes as if so many offences had spoken for them.
_STRENGTH = 100.0


def fit(past: Past) -> Fitted:
    """Learn what each part is worth, for all classes first and then for this one."""
    weeks = past.learning_weeks()
    if not weeks:
        return Fitted(lambda at: at.window(None), "too short a history to learn from: counts")
    names, expected, came, sums = _learn_from(past.history, past.week, past.kind)
    near = None if past.kind is None else _weigh_all_classes(past.history, past.week)
    weights = weigh(expected, came, sums, near, _STRENGTH)
    worth: dict[str, float] = {}
    for name, share in zip(names, weights * sums / max(float(weights @ sums), 1e-12), strict=True):
        source = name.partition(",")[0]
        worth[source] = worth.get(source, 0.0) + float(share)
    told = ", ".join(f"{share:.0%} {name}" for name, share in sorted(worth.items(), key=lambda item: -item[1]))
    return Fitted(lambda at: combine(weights, _parts(at)), told)


@lru_cache(maxsize=64)
def _learn_from(history: History, week: int, kind: int | None) -> tuple[list[str], Floats, Floats, Floats]:
    return gather_weeks(_parts, history.until(week, kind).learning_weeks())


@lru_cache(maxsize=4)
def _weigh_all_classes(history: History, week: int) -> Floats:
    """Give weights that are the same for every class, learnt from all of them, each week of each class by itself."""
    each = [_learn_from(history, week, kind)[1:] for kind in range(len(history.classes))]
    return weigh(
        np.concatenate([expected for expected, _, _ in each], axis=1),
        np.concatenate([came for _, came, _ in each]),
        np.sum([sums for _, _, sums in each], axis=0),
    )


def _parts(past: Past) -> dict[str, Floats]:
    """Name the parts by whose past they are; each adds up to about what the class expects in a week."""
    rings = past.history.rings
    faded = {life: past.faded(life) for life in FADING}
    lasting = past.window(None)
    level = lasting.sum(axis=0)
    found: dict[str, Floats] = {}
    for life in FADING[1:]:
        found[f"its own past, half-life {life:.0f}, by shift"] = faded[life]
    for life in FADING:
        found[f"its own past, half-life {life:.0f}"] = past.whole_days(faded[life])
    found["its own past, all weeks, by shift"] = lasting
    found["its own past, all weeks"] = past.whole_days(lasting)
    for number, ring in enumerate(rings, 1):
        found[f"its neighbours', ring {number}, by shift"] = ring.mean(lasting)
        for life in (FADING[0], FADING[2]):
            found[f"its neighbours', ring {number}, half-life {life:.0f}"] = past.whole_days(ring.mean(faded[life]))
        found[f"its neighbours', ring {number}, all weeks"] = past.whole_days(ring.mean(lasting))
    if past.kind is not None:
        others = past.of_all
        recent, whole = others.faded(FADING[2]), others.window(None)
        share = level / (whole.sum(axis=0) + 1e-12)
        of_all = level.sum() / (whole.sum() + 1e-12)
        found["all classes', recent, by shift"] = recent * share
        found["all classes', all weeks, by shift"] = whole * share
        found["all classes', recent"] = past.whole_days(recent * of_all)
        found["all classes', all weeks"] = past.whole_days(whole * of_all)
        for number, ring in enumerate(rings, 1):
            found[f"all classes', ring {number}"] = past.whole_days(ring.mean(whole) * of_all)
    found["the force's"] = level * past.history.even
    return found
