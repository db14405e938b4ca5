"""How filed forecasts stand: the scoreboard as a run worked it out, the log of what is filed, and its audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import periods, scoreboard, tables
from bluelamp import settings as settings_
from bluelamp.store import Store
from bluelamp.store import filed as filing


@dataclass(frozen=True)
class Standing:
    """What the command line and the page show."""

    tables: Mapping[str, pl.DataFrame]  # those of `scoreboard.NAMES`
    filed: pl.DataFrame  # `filed_forecasts`
    faults: Sequence[str]  # what is not as it was filed
    sentences: Sequence[str]
    run: Mapping[str, Any] | None

    def lines(self) -> list[str]:
        """Give the scores as lines of tables, and what they say."""
        told = scoreboard.tabulate(self.tables["scoreboard_scores"], self.tables["scoreboard_places"])
        return [*told, *([""] if told else []), *self.sentences]


def read_standing(folder: Path | str, run_id: str | None = None, seals: Sequence[str] = ()) -> Standing:
    """Read the scoreboard of a run (the latest where none is named) and check everything that is filed.

    `seals` are hashes of lines of the log, or how they begin, that somebody wrote down. Raises NoInput where there is
    no force, or no such run.
    """
    zone = settings_.read(folder).force.time_zone
    store = Store(folder)
    run = None
    if run_id is not None or store.runs().height:
        run = store.latest_run() if run_id is None else store.runs().filter(run_id=run_id).row(0, named=True)
    there = store.results(run["run_id"]) if run is not None else []
    found = {
        name: store.result(name, run["run_id"]) if run is not None and name in there else tables.empty(name)
        for name in scoreboard.NAMES
    }
    copies = store.artefacts_named(filing.COPY)
    filed, faults = filing.as_table(filing.read(folder)), filing.audit(folder, copies, seals)
    sentences = [
        *scoreboard.say_filing(filed, faults),
        *_on_run(run, copies, zone),
        *scoreboard.say(found["scoreboard_scores"], found["scoreboard_places"], filed, run, zone),
    ]
    return Standing(found, filed, faults, sentences, run)


def _on_run(run: Mapping[str, Any] | None, copies: Mapping[str, bytes | None], time_zone: str) -> list[str]:
    """Say why a run has filed nothing, where it has not."""
    if run is None or run["run_id"] in copies:
        return []
    until = run["data_until"].astimezone(periods.zone(time_zone))
    return [
        f"Run {run['run_id']} has filed no forecast: it was made before the scoreboard was, or as a view of an earlier "
        f"time, or when all of its days had begun. Its data ends on {until.day} {until:%B %Y}."
    ]
