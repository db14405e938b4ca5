"""Districts by spopt, run in an environment of its own: each of its heuristics as often as the time allows.

python beats_peers.py ASKED.npz ANSWER.npz

Its regions are made for likeness, not for equal sums. What of it can be put to this problem: max-p (as many regions as
reach a threshold: the highest threshold that gives as many as asked), AZP and its annealing with an objective of our
own (the squares of what each region's load is from the ideal), Skater (likeness of place), and random regions.
"""

import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator

import geopandas
import libpysal
import numpy as np
from spopt.region import AZP, MaxPHeuristic, RandomRegion, Skater
from spopt.region.azp import AZPSimulatedAnnealing
from spopt.region.objective_function import ObjectiveFunction


class TimeIsOver(Exception):
    """A method has had its seconds; what it found before counts."""


class EqualLoads(ObjectiveFunction):
    """Squares of each region's load less the ideal, in ideals."""

    def __init__(self, ideal: float, regions: int) -> None:
        super().__init__()
        self.ideal, self.regions = ideal, regions

    def __call__(self, labels, attr):
        loads = np.bincount(labels.astype(int), attr.ravel(), self.regions)
        return float(((loads / self.ideal - 1) ** 2).sum())

    def update(self, moving_area, recipient_region, labels, attr):
        load = float(np.ravel(attr[moving_area])[0]) / self.ideal
        give = float(attr[labels == labels[moving_area]].sum()) / self.ideal - 1
        take = float(attr[labels == recipient_region].sum()) / self.ideal - 1
        return (give - load) ** 2 - give**2 + (take + load) ** 2 - take**2


def main() -> None:
    """Read the areas, and write the most equal labels that each method came to, and what it took."""
    warnings.simplefilter("ignore")
    asked = np.load(sys.argv[1])
    load, pairs, places, districts = asked["load"], asked["pairs"], asked["places"], int(asked["districts"])
    seconds = float(asked["seconds"])
    neighbours: dict[int, list[int]] = {area: [] for area in range(len(load))}
    for a, b in pairs.tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    contiguity = libpysal.weights.W(neighbours, silence_warnings=True)
    frame = geopandas.GeoDataFrame(
        {"load": load, "x": places[:, 0], "y": places[:, 1]}, geometry=geopandas.points_from_xy(*places.T)
    )
    ideal = load.sum() / districts

    def max_p() -> Iterator[np.ndarray]:
        np.random.seed(0)
        while True:
            for share in np.arange(0.99, 0.4, -0.03):
                model = MaxPHeuristic(frame, contiguity, ["x", "y"], "load", share * ideal, 2, 5, 5)
                model.solve()
                if model.p == districts:
                    yield np.asarray(model.labels_)
                    break
                yield np.empty(0)

    def azp() -> Iterator[np.ndarray]:
        for seed in range(10**6):
            model = AZP(
                frame, contiguity, ["load"], districts, random_state=seed,
                objective_func=EqualLoads(ideal, districts),
            )  # fmt: skip
            model.solve()
            yield np.asarray(model.labels_)

    def azp_annealing() -> Iterator[np.ndarray]:
        for seed in range(10**6):
            model = AZPSimulatedAnnealing(
                init_temperature=0.1, max_iterations=10, sa_moves_term=1000, random_state=seed,
            )  # fmt: skip
            model.fit_from_w(contiguity, load.reshape(-1, 1), districts, objective_func=EqualLoads(ideal, districts))
            yield np.asarray(model.labels_)

    def skater() -> Iterator[np.ndarray]:
        model = Skater(frame, contiguity, ["x", "y"], n_clusters=districts, floor=1, islands="ignore")
        model.solve()
        yield np.asarray(model.labels_)

    def random_regions() -> Iterator[np.ndarray]:
        for seed in range(10**6):
            np.random.seed(seed)
            found = RandomRegion(list(range(len(load))), num_regions=districts, contiguity=contiguity, compact=True)
            labels = np.empty(len(load), dtype=int)
            if found.feasible:
                for number, region in enumerate(found.regions):
                    labels[region] = number
                yield labels
            else:
                yield np.empty(0)

    def stop(*_: object) -> None:
        raise TimeIsOver

    signal.signal(signal.SIGALRM, stop)
    answer = {}
    methods: dict[str, Callable[[], Iterator[np.ndarray]]] = {
        "max-p": max_p, "AZP": azp, "AZP annealing": azp_annealing, "Skater": skater, "random regions": random_regions,
    }  # fmt: skip
    for name, method in methods.items():
        started, best, least, tries, fault = time.perf_counter(), np.empty(0), np.inf, 0, ""
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            for labels in method():
                tries += 1
                if len(labels):
                    labels = np.unique(labels, return_inverse=True)[1]
                    loads = np.bincount(labels, load)
                    worst = np.abs(loads / ideal - 1).max()
                    if len(loads) == districts and worst < least:
                        best, least = labels, worst
        except TimeIsOver:
            pass
        except Exception as error:  # what a peer can't do is a finding, and not ours to hide
            fault = f"{type(error).__name__}: {error}"[:200]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        answer |= {
            f"{name}|labels": best, f"{name}|tries": tries, f"{name}|seconds": time.perf_counter() - started,
            f"{name}|fault": fault,
        }  # fmt: skip
    np.savez(sys.argv[2], **answer)


if __name__ == "__main__":
    main()
