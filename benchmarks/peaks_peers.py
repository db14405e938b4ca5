"""Kernel density by scikit-learn, run in an environment of its own: the bandwidth that told the year before best.

python peaks_peers.py ASKED.npz ANSWER.npz
"""

import sys
import time

import numpy as np
from sklearn.neighbors import KernelDensity

BANDWIDTHS = (150.0, 300.0, 500.0, 800.0)
# Weeks between those that a bandwidth is chosen by.
EVERY = 13


def main() -> None:
    """Read what is asked, and write each week's density at the cells' centres."""
    asked = np.load(sys.argv[1])
    points, week, cell, size = asked["points"], asked["week"], asked["cell"], asked["size"]
    cells, held = asked["cells"], asked["held"]
    started = time.process_time()

    def density(until: int, bandwidth: float) -> np.ndarray:
        model = KernelDensity(bandwidth=bandwidth, kernel="epanechnikov").fit(points[week < until])
        found = np.exp(model.score_samples(cells)) * size
        return found / max(found.sum(), 1e-300)

    told = []
    for bandwidth in BANDWIDTHS:
        likelihood = 0.0
        for until in range(held[0] - 52, held[0], EVERY):
            risk = 0.99 * density(until, bandwidth) + 0.01 * size / size.sum()
            likelihood += np.log(risk[cell[week == until]]).sum()
        told.append(likelihood)
    best = BANDWIDTHS[int(np.argmax(told))]
    risks = np.stack([density(until, best) for until in held])
    np.savez(sys.argv[2], risks=risks, bandwidth=best, seconds=time.process_time() - started)


if __name__ == "__main__":
    main()
