"""Compile what tests and examples use, once: workers and commands that begin together would each do it for themselves.

Modules are compiled even where the environment forbids Python to keep what it compiled of them: examples run hundreds
of short commands, each of which would begin with it.
"""

import compileall
from pathlib import Path

import numpy as np

from bluelamp.answering import Lines
from bluelamp.districting import Touching, as_pairs, propose_districts
from bluelamp.simulation import Cover, Jobs, Units, simulate

compileall.compile_dir(Path(__file__).parents[1] / "src", quiet=1)
simulate(Jobs.of([0.0], [1.0]), Units.of([0.0]), Cover.of([0]), hours=1)
pairs = as_pairs(np.array([[0, 1], [1, 2], [2, 3]]))
propose_districts(np.ones(4), Touching(4, pairs, np.ones(3)), 2)
one = np.ones(1)
Lines(np.ones((1, 1, 1)), one[:, None], one, one, 0.9 * one).fewest_agents()
