"""Which maps there are: of all offences, of harm, and of each class that has enough; each by a method of the family."""

from __future__ import annotations

import numpy as np

from bluelamp import extensions
from bluelamp.hotspots._past import History

ALL, HARM = "all", "harm"
COUNTS = "counts"
# Below so many offences in the whole history a class has no map of its own.
LEAST_OFFENCES = 50


def methods() -> list[str]:
    """Name the members of the family, the plain count map first."""
    return [COUNTS, *(name for name in extensions.members("hotspots") if name != COUNTS)]


def list_maps(history: History, harm: History | None) -> list[tuple[str, History, int | None]]:
    """List what has a map: every class together, harm, and classes with enough offences."""
    if history.weeks == 0 or not len(history.cell):
        return []
    number = np.bincount(history.kind, history.weight, minlength=len(history.classes))
    return [
        (ALL, history, None),
        *([(HARM, harm, None)] if harm is not None and harm.weight.sum() > 0 else []),
        *(
            (name, history, kind)
            for kind, name in enumerate(history.classes)
            if number[kind] >= LEAST_OFFENCES
        ),
    ]  # fmt: skip
