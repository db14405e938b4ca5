"""Required positions by pyworkforce, run in an environment of its own: one by one, and by its class for many.

python staffing_peers.py ASKED.npz ANSWER.npz
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from pyworkforce.queuing import ErlangC, MultiErlangC

COLUMNS = ("calls", "service", "minutes", "share")


def main() -> None:
    """Read stations (hours × areas) and write their positions, and the seconds that either way took for an hour.

    An area's time is the best of three, so that others on the machine weigh little.
    """
    asked = dict(np.load(sys.argv[1]))
    by_grid = int(asked.pop("areas_by_grid"))
    areas = [
        {name: values[:, area].tolist() for name, values in asked.items()} for area in range(asked["calls"].shape[1])
    ]
    alone, seconds = zip(*(timed(one_by_one, area) for area in areas), strict=True)
    in_a_grid(areas[0])  # its workers start
    together, their_seconds = zip(*(timed(in_a_grid, area) for area in areas[:by_grid]), strict=True)
    assert list(together) == list(alone[:by_grid]), "both ways give the same"
    hours = len(asked["calls"])
    np.savez(
        sys.argv[2], positions=np.array(alone).T, one_by_one=sum(seconds) / (hours * len(areas)),
        by_grid=sum(their_seconds) / (hours * by_grid),
    )  # fmt: skip


def timed(find: Callable[[dict], list[int]], area: dict) -> tuple[list[int], float]:
    """Give an area's positions, and the best of three times."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        found = find(area)
        times.append(time.perf_counter() - started)
    return found, min(times)


def one_by_one(area: dict) -> list[int]:
    """Ask hour by hour."""
    found = []
    for calls, service, minutes, share in zip(*(area[name] for name in COLUMNS), strict=True):
        station = ErlangC(transactions=calls, aht=service, asa=minutes, interval=60)
        found.append(station.required_positions(service_level=share, max_occupancy=1.0)["raw_positions"])
    return found


def in_a_grid(area: dict) -> list[int]:
    """Ask for an area's hours together, by the class for many as it comes."""
    calls, service, minutes, share = (area[name] for name in COLUMNS)
    grid = {"transactions": calls, "aht": service[:1], "asa": minutes[:1], "interval": [60], "shrinkage": [0.0]}
    answers = MultiErlangC(grid).required_positions({"service_level": share[:1], "max_occupancy": [1.0]})
    return [answer["raw_positions"] for answer in answers]


if __name__ == "__main__":
    main()
