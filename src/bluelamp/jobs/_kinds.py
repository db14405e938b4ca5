"""What may be asked for, and how each is done so that doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bluelamp import backtest, intake, plan, tables, validation
from bluelamp import settings as settings_
from bluelamp.errors import NoInput, UsageError, count_of, did_you_mean, one_of
from bluelamp.sources import Query
from bluelamp.state.jobs import Job
from bluelamp.state.log import Operation
from bluelamp.store import Store, disk

UPLOADS = Path("state") / "uploads"
# The artefact by which a run says for which job it was made.
MADE_FOR = "job.txt"
Progress = Callable[[str, float], None]
Did = tuple[str, dict[str, Any]]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Import(_Settings):
    """One file that was sent, or else all that force.toml names and that has not come yet."""

    upload: str | None = Field(None, pattern=r"^j\d{6}-[0-9a-f]{12}$")
    name: str | None = Field(None, pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,150}$")
    table: str | None = None

    @property
    def place(self) -> Path:
        """Where the file that was sent lies, in the force's folder."""
        return UPLOADS / str(self.upload) / str(self.name)


class Plan(_Settings):
    """A new run."""


class Backtest(_Settings):
    """The forecast scored on the force's own past."""

    origins: int = Field(13, ge=1, le=120)
    every: int = Field(28, ge=7, le=364, multiple_of=7)


class Validate(_Settings):
    """Recorded weeks replayed."""

    weeks: int | None = Field(None, ge=1, le=52)
    fit_weeks: int | None = Field(None, ge=1, le=104)
    replications: int = Field(10, ge=2, le=200)


@dataclass(frozen=True)
class Kind:
    """One kind of job: its name, how people ask for it, what the log calls it, its settings, and what does it."""

    name: str
    words: str
    operation: Operation
    settings: type[_Settings]
    do: Callable[[Path, Job, Progress], Did]


def _import(folder: Path, job: Job, progress: Progress) -> Did:
    given = Import.model_validate(job.settings)
    sent = upload_of(folder, job)
    work: list[tuple[str, Path | Query, str | None]]
    if sent is not None and not sent.exists():
        raise NoInput(f"{given.name} is no longer here: it was imported before a backup was put back. Send it again.")
    if sent is None:
        work = list(intake.extracts_of(folder))
    elif given.table is not None:
        work = [(given.table, sent, None)]
    else:
        work = list(intake.tell_tables(folder, [sent])[0])
    imported, rows, known = [], 0, 0
    for number, (name, source, chosen) in enumerate(work):

        def tell(stage: str, share: float, done: int = number) -> None:
            progress(stage, (done + share) / len(work))

        # What came before a stop or a crash is known by its bytes, and not counted a second time.
        if isinstance(source, Path) and intake.is_known(folder, source, name) is not None:
            known += 1
            continue
        done = intake.import_extract(
            folder, source, table=name, map_name=chosen, only_news=isinstance(source, Query), progress=tell
        )
        if done.batch:
            imported.append(str(done.batch["batch_id"]))
            rows += int(done.batch["rows_read"])
    told = f"{count_of(rows, 'row')} read from {count_of(len(imported), 'extract')}."
    if known:
        told += f" {count_of(known, 'extract')} had come before."
    return told, {"batches": imported}


def _plan(folder: Path, job: Job, progress: Progress) -> Did:
    made = [run for run, key in Store(folder).artefacts_named(MADE_FOR).items() if key == job.key.encode()]
    run_id = made[0] if made else plan.plan(folder, progress=progress, artefacts={MADE_FOR: job.key.encode()})
    return f"Run {run_id}.", {"run_id": run_id}


def _backtest(folder: Path, job: Job, progress: Progress) -> Did:
    given = Backtest.model_validate(job.settings)
    found = backtest.backtest(folder, origins=given.origins, every=given.every, progress=progress)
    return " ".join(found.sentences[:1]), {}


def _validate(folder: Path, job: Job, progress: Progress) -> Did:
    given = Validate.model_validate(job.settings)
    found = validation.validate(
        folder, weeks=given.weeks, fit_weeks=given.fit_weeks, replications=given.replications, progress=progress
    )
    return " ".join(found.sentences[:1]), {}


KINDS: Mapping[str, Kind] = {
    "import": Kind("Import", "Import what force.toml names and has not come yet", "collection", Import, _import),
    "plan": Kind("New run", "Plan again from what is there", "combination", Plan, _plan),
    "backtest": Kind("Backtest", "Score the forecast on the force's own past", "combination", Backtest, _backtest),
    "validate": Kind("Validation", "Hold the simulation against what happened", "combination", Validate, _validate),
}


def read_settings(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give a job's settings with what was left out filled in. Raises UsageError with every mistake."""
    if kind not in KINDS:
        raise UsageError(f"There is no kind of job '{kind}'. {one_of(KINDS)} was expected.{did_you_mean(kind, KINDS)}")
    try:
        read = KINDS[kind].settings.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = [
            f"'{'.'.join(map(str, each['loc']))}': {settings_.words_of(dict(each))}." for each in error.errors()
        ]
        raise UsageError(f"A job '{kind}' can't be asked for like that:", problems) from None
    if isinstance(read, Import):
        known = tables.names("imported")
        if read.table is not None and read.table not in known:
            raise UsageError(f"'{read.table}' is not imported.{did_you_mean(read.table, known)}")
    return read.model_dump(mode="json", exclude_none=True)


def upload_of(folder: Path, job: Job) -> Path | None:
    """Give the file that was sent for a job, where one was."""
    if job.kind != "import" or "upload" not in job.settings:
        return None
    return folder / Import.model_validate(job.settings).place


def forget_upload(folder: Path, job: Job) -> None:
    """Remove the file that was sent for a job, if one was."""
    sent = upload_of(folder, job)
    if sent is not None:
        disk.remove(sent.parent)
