"""Any course a store may take: extracts issued, reissued, late, twice, mapped again, writers killed, rows erased, views
asked for.

A plain model is kept beside it, and after every step the store says what the model says and its accounts balance.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bluelamp import tables
from bluelamp.store import Store
from tests.store.harm import killed_at

START = datetime(2026, 3, 1, tzinfo=UTC)
LOGS = st.sampled_from([f"I{number}" for number in range(6)])
# A log, how many hours after the start its system changed it, and the grade it had from then on.
VERSIONS = st.lists(st.tuples(LOGS, st.integers(0, 9)), min_size=1, max_size=8)


def grade_of(log: str, hour: int) -> str:
    """One log has one grade at one moment, whoever tells of it."""
    return str((sum(map(ord, log)) * 31 + hour * 7) % 4)


def rows(versions: list[tuple[str, int]], class_code: str = "theft") -> pl.DataFrame:
    given = [
        {
            "incident_id": log, "received_at": START, "class_code": class_code, "origin": "public",
            "grade_code": grade_of(log, hour), "updated_at": START + timedelta(hours=hour),
        }
        for log, hour in versions
    ]  # fmt: skip
    return pl.DataFrame(given, schema=tables.table("incidents").polars_schema)


class AnyCourse(RuleBasedStateMachine):
    """What can happen to a store, in any order."""

    @initialize()
    def begin(self) -> None:
        """Begin with an empty store."""
        self.place = Path(tempfile.mkdtemp())
        self.known: set[tuple[str, int]] = set()
        self.erased: set[str] = set()
        self.batches = 0
        # What the crosswalk says at the moment, and the versions that were stored again because it said otherwise.
        self.class_code = "theft"
        self.again: list[tuple[str, int]] = []

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "place"):
            shutil.rmtree(self.place)

    def take(self, versions: list[tuple[str, int]]) -> dict[str, int]:
        store = Store(self.place)
        coming = rows(versions, self.class_code)
        kept, aside = store.leave_out_erased(
            "incidents", coming, pl.int_range(2, 2 + coming.height, dtype=pl.Int64, eager=True), "calls.csv"
        )
        with store.writing("incidents", source_name="calls.csv") as batch:
            batch.add(kept)
            if aside.height:
                batch.quarantine(aside)
        return vars(batch.counts)

    @rule(versions=VERSIONS)
    def import_an_extract(self, versions: list[tuple[str, int]]) -> None:
        """Import versions, known and unknown, in any order: each is counted by what the store has held before."""
        here = [each for each in versions if each[0] not in self.erased]
        new = set(here) - self.known
        counts = self.take(versions)
        self.batches += 1
        logs = {log for log, _ in self.known}
        assert sum(counts.values()) == len(versions)
        assert counts["quarantined"] == len(versions) - len(here)
        assert counts["duplicate"] == len(here) - len(set(here))
        assert counts["unchanged"] == len(set(here) - new)
        assert counts["accepted"] == len({log for log, _ in new} - logs)
        assert counts["updated"] == len(new) - counts["accepted"]
        self.known |= new

    @rule(versions=VERSIONS, step=st.integers(0, 60))
    def be_killed_while_importing(self, versions: list[tuple[str, int]], step: int) -> None:
        """Be killed at any touch of the disk: the batch is there whole or not at all."""
        with killed_at(step):
            self.take(versions)
        if Store(self.place).batches().height > self.batches:
            self.batches += 1
            self.known |= {each for each in versions if each[0] not in self.erased}

    @precondition(lambda self: self.known)
    @rule(data=st.data(), step=st.integers(0, 120))
    def erase_one_and_perhaps_be_killed(self, data: st.DataObject, step: int) -> None:
        """Erase a log; killed on the way, it is there with all its versions or with none."""
        log = data.draw(st.sampled_from(sorted({log for log, _ in self.known})))
        with killed_at(step):
            Store(self.place).erase("incident", log)
        if Store(self.place).read("incidents").filter(incident_id=log).is_empty():
            self.known = {each for each in self.known if each[0] != log}
            self.again = [each for each in self.again if each[0] != log]
            self.erased.add(log)

    @precondition(lambda self: self.known)
    @rule()
    def map_again(self) -> None:
        """Have another class for all, or the one before: what was held is no reason to keep the present one."""
        self.class_code = "fraud" if self.class_code == "theft" else "theft"
        store = Store(self.place)
        held = store.history("incidents").select(tables.table("incidents").columns)
        mapped = held.with_columns(class_code=pl.lit(self.class_code)).unique(keep="last", maintain_order=True)
        with store.writing("incidents", source_name="codes") as batch:
            batch.revise(mapped)
        self.batches += 1
        self.again += sorted(self.known)
        assert vars(batch.counts) | {"updated": 0} == dict.fromkeys(vars(batch.counts), 0)
        assert batch.counts.updated == len(self.known)
        assert set(store.read("incidents")["class_code"]) == {self.class_code}

    @rule()
    def sweep(self) -> None:
        """Tidy after whoever was killed."""
        if (self.place / "store").is_dir():
            Store(self.place).sweep()

    @rule()
    def upgrade(self) -> None:
        """Bring forward what is of this version already: nothing is to do."""
        assert Store(self.place).upgrade() == []

    @invariant()
    def the_present_and_every_past_are_those_of_the_model(self) -> None:
        """Compare the present, the history and three moments of the past with the model."""
        if not hasattr(self, "place"):
            return
        store = Store(self.place)
        assert store.history("incidents").height == len(self.known) + len(self.again)
        for hour in (2, 6, None):
            last: dict[str, int] = {}
            for log, at in self.known:
                if hour is None or at <= hour:
                    last[log] = max(at, last.get(log, 0))
            as_of = None if hour is None else START + timedelta(hours=hour)
            found = store.read("incidents", columns=["incident_id", "grade_code"], as_of=as_of)
            assert dict(found.rows()) == {log: grade_of(log, at) for log, at in last.items()}

    @invariant()
    def nothing_is_wrong_with_a_byte(self) -> None:
        """Read every byte again: what was stored is what is there, and every batch's accounts balance."""
        if hasattr(self, "place") and (self.place / "store").is_dir():
            assert Store(self.place).verify() == []
            parts = ("accepted", "updated", "unchanged", "duplicate", "quarantined")
            batches = Store(self.place).batches()
            assert (
                batches["rows_read"] == batches.select(pl.sum_horizontal(f"rows_{part}" for part in parts)).to_series()
            ).all()


AnyCourse.TestCase.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyCourse = AnyCourse.TestCase
