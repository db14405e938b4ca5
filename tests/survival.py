"""A real service of a force, what is done to it, and what must hold whatever is done: kills, full disks, writers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bluelamp import settings
from bluelamp.state import accounts, log, open_state
from bluelamp.state import jobs as kept
from bluelamp.store import Store
from tests.web.served import PASSWORD, copied, set_service

READ = (
    "/api/v1/runs",
    "/tables/required_staff.json?pool_id=C-P1",
    "/api/map.json",
    "/jobs.json",
    "/health.json",
    "/data",
)
# What follows from forecasts filed before, and from the clock, differs from run to run by right.
BY_THE_DAY = ("scoreboard",)


def quick(force: Path, to: Path, database: str | None = None) -> Path:
    """Copy a small force, and let its runs take a second or some."""
    force = copied(force, to)
    toml = (force / "force.toml").read_text(encoding="utf-8")
    toml = re.sub(r"\npaths = \d+\ndays = \d+", "\npaths = 20\ndays = 8\npath_days = 3", toml)
    assert "path_days" in toml
    (force / "force.toml").write_text(toml, encoding="utf-8")
    set_service(force, "watch_seconds = 60")
    if database:
        set_service(force, f"database = {json.dumps(database)}")
    return force


def events(number: int, rows: int = 400) -> bytes:
    """An extract of events that no other number's is."""
    lines = ["event_id,event_name,kind,area_id,starts_at,ends_at,lead_in_hours,wind_down_hours"]
    lines += [
        f"E{number}-{each},Fair {each},festival,,2026-11-{day:02}T12:00Z,2026-11-{day:02}T18:00Z,1,1"
        for each in range(rows)
        for day in [1 + each % 28]
    ]
    return ("\n".join(lines) + "\n").encode()


class Service:
    """`bluelamp serve` on a port of its own, started, killed and started again."""

    def __init__(self, force: Path, *, environment: dict[str, str] | None = None) -> None:
        self.force = force
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.at = f"http://localhost:{self.port}"
        self.database = settings.read(force).service.database
        self.state = open_state(force, self.database)
        accounts.add(self.state, "program", "analyst", settings.read(force).force.id, password=PASSWORD)
        self.key = accounts.make_key(self.state, "program", "a test")
        self._environment = environment or {}
        self.said = force.parent / "said.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "bluelamp", "serve", str(self.force), "--port", str(self.port), "--no-browser"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "POLARS_MAX_THREADS": "1"}
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                command, stdout=said, stderr=said, env=environment | self._environment, start_new_session=True
            )
        self.wait(lambda: self.client().get("/health/live.json").status_code == 200, "the service to answer")

    def client(self) -> httpx.Client:
        """Somebody who asks with a key."""
        return httpx.Client(base_url=self.at, headers={"authorization": f"Bearer {self.key}"}, timeout=30)

    def child(self, command: str) -> int:
        """Give the number of the process beside the server that carries out a command."""
        assert self.process is not None
        return self.wait(lambda: _child(self.process.pid, command), f"'{command}' to run")

    def kill(self, what: str) -> None:
        """End one of its processes so that nothing of it runs after that; a server that was killed is started again."""
        assert self.process is not None
        if what == "server":
            self.process.kill()
            self.process.wait()
            self.start()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child(what), signal.SIGKILL)

    def ask(self, kind: str, **settings_: object) -> str:
        """Ask for a job, again and again until the service takes it, as a program would, and give its key."""

        def put() -> str | None:
            answer = self.client().post("/jobs.json", json={"kind": kind, "settings": settings_})
            return answer.json()["key"] if answer.status_code == 202 else None

        return self.wait(put, "a job to be taken")

    def send(self, number: int) -> str:
        """Send an extract to be imported, likewise."""

        def put() -> str | None:
            query = {"name": f"events {number}.csv", "table": "events"}
            answer = self.client().post("/api/extracts", params=query, content=events(number))
            return answer.json()["key"] if answer.status_code == 202 else None

        return self.wait(put, "an extract to be taken")

    def job(self, key: str) -> kept.Job:
        """Give a job as the database has it."""
        return kept.find(self.state, key)

    def wait_for(self, key: str) -> kept.Job:
        """Wait until a job has ended, and insist that it was done."""
        self.wait(lambda: self.job(key).has_ended, f"job {key} to end")
        job = self.job(key)
        assert job.state == "done", (job, self.said.read_text())
        return job

    def wait_until_under_way(self, key: str) -> None:
        """Wait until a job runs."""
        self.wait(lambda: self.job(key).state != "waiting", f"job {key} to begin")

    def wait(self, found, what: str, seconds: float = 90):
        """Give what is found once it is, whatever fails meanwhile."""
        waited, looked, last = 0.0, time.monotonic(), None
        while waited < seconds:
            try:
                if answer := found():
                    return answer
            except Exception as error:
                last = error
            time.sleep(0.1)
            # Whoever lets the tests rest for a while, with all that they started, rests them and not their patience.
            waited, looked = waited + min(time.monotonic() - looked, 35.0), time.monotonic()
        raise AssertionError(f"Waited too long for {what}: {last!r}\n{self.said.read_text()}")

    def stop(self) -> None:
        """End it and all beside it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.state.close()


def _child(process: int, command: str) -> int | None:
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False).stdout.split()
    for each in found:
        with contextlib.suppress(FileNotFoundError):
            parts = Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")
            if command.encode() in parts:
                return int(each)
    return None


@contextlib.contextmanager
def serving(force: Path, **options) -> Iterator[Service]:
    """A service for as long as a test does something to it."""
    service = Service(force, **options)
    try:
        service.start()
        yield service
    finally:
        service.stop()


class Reader(threading.Thread):
    """Asks for pages and tables all the while, and writes down what nobody should ever see."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self.service = service
        self.is_over = threading.Event()
        self.faults: list[str] = []
        self.statuses: dict[int, int] = {}
        self._of_run: dict[str, bytes] = {}

    def run(self) -> None:
        """Ask until it is over."""
        with self.service.client() as client:
            while not self.is_over.is_set():
                for path in READ:
                    try:
                        self._look(client, path)
                    except httpx.TransportError:
                        # Nobody answers while the server is dead.
                        self.statuses[0] = self.statuses.get(0, 0) + 1
                        time.sleep(0.1)
                time.sleep(0.3)

    def _look(self, client: httpx.Client, path: str) -> None:
        answer = client.get(path)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        if answer.status_code == 503:
            if not answer.text.strip():
                self.faults.append(f"{path} said nothing with its 503")
        elif answer.status_code != 200:
            self.faults.append(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        elif path == "/api/v1/runs":
            for each in answer.json()["data"]:
                self._insist_on_whole(client, each["run_id"])

    def _insist_on_whole(self, client: httpx.Client, run_id: str) -> None:
        """What is read of a run is the same, whenever it is read."""
        answer = client.get(f"/tables/coverage.json?run={run_id}&level=force")
        if answer.status_code == 503:
            return
        if answer.status_code != 200 or len(answer.json()) < 24:
            self.faults.append(f"run {run_id} was listed and not whole: {answer.status_code}")
        if self._of_run.setdefault(run_id, answer.content) != answer.content:
            self.faults.append(f"run {run_id} changed")


@contextlib.contextmanager
def read_all_the_while(service: Service) -> Iterator[Reader]:
    """Somebody who reads while the block is carried out, and has seen nothing amiss by its end."""
    reader = Reader(service)
    reader.start()
    yield reader
    reader.is_over.set()
    reader.join(60)
    assert reader.faults == [], (reader.faults[:5], service.said.read_text())
    assert reader.statuses.get(200, 0) > 0


def results_of(force: Path, run_id: str) -> dict[str, str]:
    """Give the SHA-256 of each result of a run, but of those that differ from run to run by right."""
    run = Store(force).run(run_id)
    found = json.loads(run["results_sha256"])
    return {name: each for name, each in found.items() if not name.startswith(BY_THE_DAY)}


def insist_on_whole(service: Service, keys: list[str]) -> None:
    """Whatever was done to a service: each job that was asked for was done once, and nothing is half done."""
    store = Store(service.force)
    assert store.verify() == []
    done = [service.job(key) for key in keys]
    runs = [job.outcome["run_id"] for job in done if job.kind == "plan"]
    made = store.artefacts_named("job.txt")
    # A run for each job, and no run of a job that is not there.
    assert sorted(made) == sorted(runs)
    assert {made[job.outcome["run_id"]].decode() for job in done if job.kind == "plan"} == {
        job.key for job in done if job.kind == "plan"
    }
    sent = [job.settings["name"] for job in done if job.kind == "import"]
    came = store.batches("events")["source_name"].to_list()
    assert sorted(name for name in came if name.startswith("events ")) == sorted(sent)
    assert log.verify(service.state).holds
    assert list((service.force / "state" / "uploads").glob("*")) == []


def course(service: Service, kills: list[tuple[str, str]], kill, *, seed: int) -> list[str]:
    """Ask for an import and a run for each kill, kill what is named while the named one is under way, and wait for
    both. Gives the keys of the jobs.
    """
    chance, keys = random.Random(seed), []
    for number, (what, during) in enumerate(kills):
        asked = {"import": service.send(number), "plan": service.ask("plan")}
        service.wait_until_under_way(asked[during])
        time.sleep(chance.uniform(0, 0.15 if during == "import" else 1.5))
        kill(what)
        for key in asked.values():
            service.wait_for(key)
        keys += asked.values()
    return keys


def endure(service: Service, kills: list[tuple[str, str]], kill, *, seed: int) -> int:
    """Carry out a course of kills while somebody reads; insist that nothing was lost, half done or seen half, and that
    a run asked for again with nothing new gives the figures of the last one that was disturbed.

    Gives how many of its jobs were begun more than once.
    """
    with read_all_the_while(service) as reader:
        keys = course(service, kills, kill, seed=seed)
    insist_on_whole(service, keys)
    last = service.job(keys[-1]).outcome["run_id"]
    again = service.wait_for(service.ask("plan")).outcome["run_id"]
    assert results_of(service.force, again) == results_of(service.force, last)
    in_the_middle = sum(service.job(key).tries > 1 for key in keys)
    print(f"\n{len(kills)} kills, {in_the_middle} in the middle of a job; readers were told {reader.statuses}")
    return in_the_middle


def kill_with(service: Service, server):
    """Give what kills a process of the service, or its database, which is away for a second."""

    def kill(what: str) -> None:
        if what != "postgresql":
            service.kill(what)
            return
        server.kill()
        # While it is away, what needs it says so, and to try again.
        answer = service.client().get("/jobs.json")
        assert answer.status_code == 503
        assert "can't be reached" in answer.json()["detail"]
        time.sleep(1)
        server.start()

    return kill


def write_at_once(force: Path, tmp_path: Path) -> None:
    """Send extracts from two at once, ask for a run, and import by hand meanwhile; insist that all of it came."""
    with serving(force) as service, read_all_the_while(service):
        answers: list[str] = []

        def send(first: int) -> None:
            answers.extend(service.send(first + each) for each in range(2))

        threads = [threading.Thread(target=send, args=(10 * each,)) for each in range(2)]
        for each in threads:
            each.start()
        plan = service.ask("plan")
        # Somebody imports at the command line meanwhile, and is told to try again or comes through.
        extract = tmp_path / "by hand.csv"
        extract.write_bytes(events(99))
        command = [sys.executable, "-m", "bluelamp", "import", str(force), str(extract), "--table", "events", "-q"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        while (code := subprocess.run(command, check=False, env=environment).returncode) == 75:
            time.sleep(0.2)
        assert code == 0
        for each in threads:
            each.join()
        assert len(answers) == 4
        for key in (*answers, plan):
            service.wait_for(key)
        insist_on_whole(service, [*answers, plan])
        assert Store(force).read("events").filter(event_name="Fair 7").height == 5
