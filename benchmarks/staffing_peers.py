"""Required positions by pyworkforce, run in an environment of its own.

python staffing_peers.py ASKED.npz ANSWER.npz
"""

import sys
import time

import numpy as np
from pyworkforce.queuing import ErlangC


def main() -> None:
    """Read calls an hour, service minutes, minutes allowed and shares, and write the positions and the CPU time."""
    asked = np.load(sys.argv[1])
    columns = [asked[name].tolist() for name in ("calls", "service", "minutes", "share")]
    found = []
    started = time.process_time()
    for calls, service, minutes, share in zip(*columns, strict=True):
        station = ErlangC(transactions=calls, aht=service, asa=minutes, interval=60)
        found.append(station.required_positions(service_level=share, max_occupancy=1.0)["raw_positions"])
    np.savez(sys.argv[2], positions=found, seconds=time.process_time() - started)


if __name__ == "__main__":
    main()
