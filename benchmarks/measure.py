"""What a command costs, measured from outside as a whole process, and what machine it ran on.

Wall seconds are those of the person who waits: the interpreter's start, the imports and the last fsync are in them.
CPU seconds and the peak of resident memory are the operating system's own account of the finished process and of
whatever it started (`wait4`). Linux counts the memory of the process that starts a child to the child until it has
its own, so this one stays small: it imports none of what it measures.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

GIGABYTE = 1e9
HERE = Path(__file__).parent
PEERS_HOME = HERE.parent / ".venv" / "peers"
# Where others take more than this share of the cores, their work is measured as well.
BUSY_SHARE = 0.10


@dataclass(frozen=True)
class Cost:
    """What one run of a command took. `others` is the share of the cores that everybody else used meanwhile."""

    seconds: float
    cpu_seconds: float
    gigabytes: float
    others: float
    output: str = ""


class CommandFailed(Exception):
    """A measured command ended with an error, so that its time says nothing."""


def run(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> Cost:
    """Run a command to its end and give what it took; its standard output is kept. Raises CommandFailed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        busy_before, began = _busy_seconds(), time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=errors, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        seconds, busy = time.perf_counter() - began, _busy_seconds() - busy_before
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()[-2000:]
            raise CommandFailed(f"'{' '.join(map(str, command))}' ended with {process.returncode}: {said}")
        out.seek(0)
        cpu = used.ru_utime + used.ru_stime
        others = max(0.0, (busy - cpu) / (seconds * (os.cpu_count() or 1)))
        # Linux gives kibibytes here, macOS bytes.
        memory = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Cost(seconds, cpu, memory / GIGABYTE, others, out.read().decode())


def one_thread() -> dict[str, str]:
    """Give an environment in which numerical libraries keep to one thread.

    CPU seconds are those of a method then, and not of threads that wait for each other.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return os.environ | dict.fromkeys(names, "1")


def middle(costs: Sequence[Cost]) -> Cost:
    """Give the median of each figure, but the greatest memory, because that is what must fit."""
    return Cost(
        statistics.median(each.seconds for each in costs),
        statistics.median(each.cpu_seconds for each in costs),
        max(each.gigabytes for each in costs),
        max(each.others for each in costs),
        costs[-1].output,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least that share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1)]


def _busy_seconds() -> float:
    """CPU seconds that all processes of the machine have used since it started; 0 where nobody says."""
    try:
        numbers = [int(part) for part in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, interrupt, soft_interrupt, _stolen = numbers
    return (user + nice + system + interrupt + soft_interrupt) / os.sysconf("SC_CLK_TCK")


def busy_share(seconds: float = 1.0) -> float:
    """Give the share of the machine's cores that is at work while this process rests.

    The load average beside it looks back a minute and more, to work that may be over.
    """
    before = _busy_seconds()
    time.sleep(seconds)
    return (_busy_seconds() - before) / (seconds * (os.cpu_count() or 1))


def keep_to_cores(wanted: int) -> int:
    """Keep this process, and all that it starts, to so many cores; gives how many there really are."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    allowed = sorted(os.sched_getaffinity(0))[:wanted]
    os.sched_setaffinity(0, allowed)
    return len(allowed)


def machine(cores: int) -> list[tuple[str, str]]:
    """Describe the machine in a few lines of (what, words)."""
    return [
        ("processor", f"{_processor()}, {cores} of {os.cpu_count()} cores used"),
        ("memory", f"{_memory_gigabytes():.1f} GB"),
        ("system", platform.platform()),
        ("load at start", " ".join(f"{each:.2f}" for each in os.getloadavg())),
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.machine()


def _memory_gigabytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE


def versions(packages: Sequence[str]) -> list[tuple[str, str]]:
    """Give the versions of Python and of packages that are installed here."""
    found = [("python", platform.python_version())]
    for package in packages:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            found.append((package, "not installed"))
    return found


def fingerprint(extracts: Path) -> str:
    """Give the SHA-256 of the names and contents of all extracts in a folder.

    Of what they hold and not of how it was compressed, which another build of zlib does otherwise.
    """
    digest = hashlib.sha256()
    for path in sorted(each for each in extracts.rglob("*") if each.is_file()):
        digest.update(f"{path.relative_to(extracts).as_posix()}\n".encode())
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def note(words: str) -> None:
    """Say what is being measured, to whoever waits."""
    print(f"… {words}", file=sys.stderr, flush=True)


def note_cost(cost: Cost) -> Cost:
    """Say what was measured as soon as it is, so that a run that is stopped has told something."""
    note(f"  {cost.seconds:.2f} s, {cost.cpu_seconds:.2f} s of CPU, {cost.gigabytes:.2f} GB")
    return cost


@contextmanager
def working_folder(asked: Path | None) -> Iterator[Path]:
    """Give the folder that was asked for, or one that is gone afterwards."""
    if asked is not None:
        asked.mkdir(parents=True, exist_ok=True)
        yield asked
        return
    with tempfile.TemporaryDirectory(prefix="bluelamp-bench-") as made:
        yield Path(made)


def pythons_of_peers(*, may_install: bool) -> dict[str, Path]:
    """Give the Python of each of the import's peers."""
    python = python_in(PEERS_HOME, HERE / "requirements.txt", may_install=may_install)
    found = {"polars": Path(sys.executable)}
    if python is not None:
        found |= {"pandas": python, "duckdb": python}
    return found


def python_in(home: Path, requirements: Path, *, may_install: bool) -> Path | None:
    """Give the Python of an environment of peers, made first where that is asked for; None where there is none.

    Peers live in environments of their own, because Bluelamp does not depend on them.
    """
    python = home / "bin" / "python"
    if not python.exists() and may_install:
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        install = f"{python} -m pip install --quiet --disable-pip-version-check --require-hashes -r".split()
        done = subprocess.run([*install, requirements], capture_output=True, text=True)
        if done.returncode:
            print(f"The peers could not be installed: {done.stderr.strip().splitlines()[-1]}")
            shutil.rmtree(home)
    return python if python.exists() else None
