"""Required positions by pyworkforce, run in an environment of its own: one by one, and by its class for many.

python staffing_peers.py ASKED.npz ANSWER.npz
"""

import sys
import time

import numpy as np
from pyworkforce.queuing import ErlangC, MultiErlangC


def main() -> None:
    """Read stations (hours × areas) and write their positions, and the seconds that either way took for an hour."""
    asked = dict(np.load(sys.argv[1]))
    areas = int(asked.pop("areas_by_grid"))
    columns = [asked[name].ravel().tolist() for name in ("calls", "service", "minutes", "share")]
    found = []
    started = time.perf_counter()
    for calls, service, minutes, share in zip(*columns, strict=True):
        station = ErlangC(transactions=calls, aht=service, asa=minutes, interval=60)
        found.append(station.required_positions(service_level=share, max_occupancy=1.0)["raw_positions"])
    one_by_one = (time.perf_counter() - started) / len(found)

    def by_grid(area: int) -> list[int]:
        one = {name: values[:, area].tolist() for name, values in asked.items()}
        grid = {"transactions": one["calls"], "aht": one["service"][:1], "asa": one["minutes"][:1], "interval": [60],
                "shrinkage": [0.0]}  # fmt: skip
        answers = MultiErlangC(grid).required_positions({"service_level": one["share"][:1], "max_occupancy": [1.0]})
        return [answer["raw_positions"] for answer in answers]

    by_grid(0)  # its workers start
    started = time.perf_counter()
    gridded = [by_grid(area) for area in range(areas)]
    a_grid = (time.perf_counter() - started) / (areas * len(asked["calls"]))
    positions = np.array(found).reshape(asked["calls"].shape)
    assert (positions[:, :areas] == np.array(gridded).T).all(), "both ways give the same"
    np.savez(sys.argv[2], positions=positions, one_by_one=one_by_one, by_grid=a_grid)


if __name__ == "__main__":
    main()
