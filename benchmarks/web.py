"""The service under load: fifty people at a county's map, and calls that arrive while they look.

    python benchmarks/web.py                 a county (121 areas, three years); 3 minutes of load, 2 of events
    python benchmarks/web.py --quick         12 areas, 60 days; under a minute
    python benchmarks/web.py --minutes 60    an hour of load, as `make soak` has it: does the memory stay flat?
    python benchmarks/web.py --json          one last line for machines: {"bars": {name: {"value", "bar", "met"}}}

The service is `bluelamp serve` as anybody starts it, with its workers, its log and the process that keeps the next
hours current; wrk asks, from the same cores. Each of fifty accounts signs in and keeps its cookie. Forty-eight go round
the pages and figures in a stated mix, waiting between two requests as the rate asks for; two try one what-if after
another, none of them twice. Figures of the two groups are told apart, and put together for the bars. Then the people
stay and nobody waits between requests: what the service gives at most.

Meanwhile, or alone, a control room's system posts five events a second, and a real browser has the map open: the delay
of an event is from before it is sent until the map shows figures that know of it, by one clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import measure
from report import Bar, say_bars, say_for_machines, say_table

from bluelamp import settings, state
from bluelamp.state import accounts

BLUELAMP = Path(sys.executable).with_name("bluelamp")
UNTIL = "2026-11-23"
PACKAGES = ("bluelamp", "fastapi", "granian", "polars", "sqlalchemy", "playwright")
PASSWORD = "a password of the benchmark"
USERS, TRYING = 50, 2
WANTED_A_SECOND = 380.0
EVENTS_A_SECOND = 5.0
THINK_MILLISECONDS = 2000
# Out of a thousand requests of the forty-eight.
MIX = (
    (60, "/", "the map's page"),
    (60, "/api/map.json", "the map's figures, a week by area and pool"),
    (160, "/api/live.json", "the next hours, as each open map asks for them"),
    (200, "/now", "the wall board"),
    (150, "/tables/forecast.json?area_id={area}", "an area's forecast"),
    (150, "/tables/coverage.json?level=area&place_id={area}", "an area's cover"),
    (30, "/strength", "the duty planner's page"),
    (30, "/contacts", "the control room's page"),
    (30, "/outlook", "the coming years"),
    (30, "/data", "what came in"),
    (30, "/hotspots", "hotspots"),
    (20, "/scoreboard", "how right filed forecasts were"),
    (50, "/api/v1/tables/coverage?limit=200", "cover, a page of the API"),
)
WHAT_IF = "/what-if.json?demand={number}"
_COUNTY = ("--preset", "county", "--days", "1095", "--feeds", "--feed-days", "28", "--mornings", "1")
_QUICK = ("--areas", "12", "--days", "60", "--feeds", "--feed-days", "28", "--mornings", "1")

LUA = """
local shared = {lists = dofile("LISTS")}
local threads = {}
function setup(thread) thread:set("number", #threads); table.insert(threads, thread) end
function init(arguments)
  wrong, asked = 0, 0
  math.randomseed(SEED + number * 7919)
end
local function template()
  local at, list = math.random() * shared.lists.total, shared.lists.paths
  for _, each in ipairs(list) do
    at = at - each.weight
    if at <= 0 then return each.path end
  end
  return list[#list].path
end
function request()
  asked = asked + 1
  local path = template()
  path = path:gsub("{area}", function() return shared.lists.areas[math.random(#shared.lists.areas)] end)
  path = path:gsub("{number}", function() return string.format("%.5f", 0.9 + 0.3 * math.random()) end)
  local cookie = shared.lists.cookies[math.random(#shared.lists.cookies)]
  return wrk.format("GET", path, {["Cookie"] = cookie, ["Accept-Encoding"] = "gzip", ["Host"] = "HOST"})
end
DELAY
function response(status, headers, body) if status ~= 200 then wrong = wrong + 1 end end
function done(summary, latency, requests)
  local wrongs = 0
  for _, thread in ipairs(threads) do wrongs = wrongs + thread:get("wrong") end
  local parts = {}
  for place = 1, #latency do
    local value, count = latency(place)
    parts[#parts + 1] = string.format("[%d,%d]", value, count)
  end
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('RESULT {"requests":%d,"microseconds":%d,"bytes":%d,"wrong":%d,"lost":%d,"times":[%s]}\\n',
    summary.requests, summary.duration, summary.bytes, wrongs, lost, table.concat(parts, ",")))
end
"""


@dataclass(frozen=True)
class Answered:
    """What one wrk measured: microseconds with how many answers took them, and what was no answer."""

    requests: int
    seconds: float
    megabytes: float
    errors: int
    times: tuple[tuple[int, int], ...]

    @property
    def a_second(self) -> float:
        return self.requests / self.seconds

    def milliseconds(self, share: float) -> float:
        """Give the smallest time that so large a share of the answers did not exceed."""
        needed = share * sum(count for _, count in self.times)
        reached = 0
        for value, count in sorted(self.times):
            reached += count
            if reached >= needed:
                return value / 1000
        return float("nan")


def together(parts: Sequence[Answered]) -> Answered:
    """Put together what several measured over the same time."""
    return Answered(
        sum(each.requests for each in parts), max(each.seconds for each in parts),
        sum(each.megabytes for each in parts), sum(each.errors for each in parts),
        tuple(pair for each in parts for pair in each.times),
    )  # fmt: skip


@dataclass
class Memory:
    """What the service's processes held, megabytes of memory that is theirs, second by second."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def growth(self) -> float | None:
        """Give the middle of the last third over the middle of the third before it."""
        third = len(self.megabytes) // 3
        if third < 3:
            return None
        return statistics.median(self.megabytes[-third:]) / statistics.median(self.megabytes[-2 * third : -third])


# ---- the force and its service ----


def make_force(folder: Path, arguments: Sequence[str]) -> str:
    """Make up a force and plan for it, unless it is there; give the fingerprint of its data."""
    if not (folder / "store").exists():
        measure.note("making up the force, importing and planning")
        measure.run([BLUELAMP, "twin", folder, *arguments, "--until", UNTIL])
        measure.run([BLUELAMP, "import", folder, "--quiet"])
        measure.run([BLUELAMP, "plan", folder, "--quiet"])
    return measure.fingerprint(folder / "extracts")


def make_accounts(folder: Path) -> str:
    """Make fifty analysts and the control room's system; give the system's key."""
    chosen = settings.read(folder)
    kept = state.open_state(folder, chosen.service.database)
    for name in people():
        accounts.add(kept, name, "analyst", chosen.force.id, password=PASSWORD)
    accounts.add(kept, "control-room", "source", chosen.force.id)
    key = accounts.make_key(kept, "control-room", "benchmark")
    kept.close()
    return key


def people() -> list[str]:
    """Name the accounts."""
    return [f"user{number:02d}" for number in range(1, USERS + 1)]


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, int]]:
    """Serve the force on a free port until the block ends; gives the address and the process."""
    command = [BLUELAMP, "serve", folder, "--port", "0", "--no-browser", "--sign-in"]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        said = ""
        for line in process.stderr:
            said += line
            if found := re.search(r"http://\S+/", line):
                break
        else:
            raise RuntimeError(f"'bluelamp serve' ended before it served: {said}")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield found[0].rstrip("/"), process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def cookies_of(address: str) -> list[str]:
    """Sign everybody in, and give what their browsers would keep."""
    found = []
    for name in people():
        with httpx.Client(base_url=address, headers={"Origin": address}) as client:
            answer = client.post("/sign-in", data={"name": name, "password": PASSWORD, "next": "/"})
            assert answer.status_code == 303, answer.text
            found += [f"{key}={value}" for key, value in client.cookies.items()]
    return found


def processes_of(first: int) -> list[int]:
    """Give a process and all that came from it."""
    parents: dict[int, list[int]] = {}
    for each in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((each / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        parents.setdefault(parent, []).append(int(each.name))
    found, left = [], [first]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def megabytes_of(processes: Sequence[int]) -> float:
    """Give the memory of processes, what they share counted once."""
    total = 0
    for each in processes:
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        found = re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)
        total += int(found[1]) if found else 0
    return total / 1024


@contextmanager
def watched(process: int, every: float) -> Iterator[Memory]:
    """Watch what the service holds while the block runs."""
    memory, is_over = Memory(), threading.Event()

    def look() -> None:
        began = time.monotonic()
        while not is_over.wait(every):
            memory.seconds.append(time.monotonic() - began)
            memory.megabytes.append(megabytes_of(processes_of(process)))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield memory
    finally:
        is_over.set()
        thread.join()


# ---- those who look ----


def write_lists(path: Path, mix: Sequence[tuple[float, str]], areas: Sequence[str], cookies: Sequence[str]) -> None:
    """Write what a wrk chooses from, as Lua."""
    paths = ",".join(f'{{weight={weight},path="{each}"}}' for weight, each in mix)
    words = {
        name: ",".join(f'"{each}"' for each in values) for name, values in (("areas", areas), ("cookies", cookies))
    }
    total = sum(weight for weight, _ in mix)
    path.write_text(
        f"return {{total={total},paths={{{paths}}},areas={{{words['areas']}}},cookies={{{words['cookies']}}}}}"
    )


def start_wrk(
    folder: Path, address: str, lists: Path, *, connections: int, seconds: float, delay: float, seed: int
) -> subprocess.Popen[str]:
    """Start a wrk that asks with so many connections, each waiting `delay` milliseconds on average between two."""
    waits = f"function delay() return math.random(0, {round(2 * delay)}) end" if delay else ""
    script = folder / f"{lists.stem}.{seed}.lua"
    text = LUA.replace("LISTS", str(lists)).replace("SEED", str(seed)).replace("DELAY", waits)
    script.write_text(text.replace("HOST", address.removeprefix("http://")))
    threads = min(2, connections)
    command = ["wrk", "-t", threads, "-c", connections, "-d", f"{seconds:.0f}s", "--timeout", "30s", "-s", script]
    return subprocess.Popen(
        [str(part) for part in (*command, address)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def result_of(process: subprocess.Popen[str]) -> Answered:
    """Wait for a wrk and give what it measured."""
    out, _ = process.communicate()
    found = re.search(r"^RESULT (.*)$", out, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk measured nothing: {out[-2000:]}")
    told = json.loads(found[1])
    return Answered(
        told["requests"], told["microseconds"] / 1e6, told["bytes"] / 1e6, told["wrong"] + told["lost"],
        tuple((value, count) for value, count in told["times"]),
    )  # fmt: skip


def look(
    folder: Path, address: str, areas: Sequence[str], cookies: Sequence[str], *, seconds: float, a_second: float | None
) -> tuple[Answered, Answered]:
    """Have forty-eight go round the pages at a rate (or as fast as they can) and two try what-ifs."""
    round_, trying = folder / "round.lua", folder / "trying.lua"
    write_lists(round_, [(weight, path) for weight, path, _ in MIX], areas, cookies[:-TRYING])
    write_lists(trying, [(1, WHAT_IF)], areas, cookies[-TRYING:])
    others = USERS - TRYING
    seed = random.randrange(1, 1_000_000)
    # A wrk starts the next wait when an answer is there, so that the rate is a little below what is asked for.
    delay = 1000 * others / a_second if a_second else 0
    asking = [
        start_wrk(folder, address, round_, connections=others, seconds=seconds, delay=delay, seed=seed),
        start_wrk(
            folder, address, trying, connections=TRYING, seconds=seconds, delay=THINK_MILLISECONDS, seed=seed + 1
        ),
    ]
    pages, trials = (result_of(each) for each in asking)
    return pages, trials


def try_each(address: str, areas: Sequence[str], cookie: str) -> list[tuple[str, str, str, str]]:
    """Ask for each address once and again, by itself; give rows of a table. Raises where one is not answered."""
    rows = []
    with httpx.Client(base_url=address, headers={"Cookie": cookie, "Accept-Encoding": "gzip"}, timeout=60) as client:
        for _, path, words in (*MIX, (0, WHAT_IF, "a what-if")):
            took = []
            for _ in range(2):
                began = time.perf_counter()
                answer = client.get(path.format(area=areas[0], number="1.04321"))
                took.append(1000 * (time.perf_counter() - began))
                assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])
            kilobytes = answer.num_bytes_downloaded / 1000
            rows.append((words, f"{took[0]:.0f}", f"{took[1]:.1f}", f"{kilobytes:,.1f}"))
    return rows


# ---- calls that arrive ----


class ControlRoom:
    """A system that posts events: logs that are made, graded otherwise, answered and closed."""

    def __init__(
        self, address: str, key: str, known_until: datetime, areas: Sequence[str], classes: Sequence[str]
    ) -> None:
        self._client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=30)
        self._areas, self._classes = areas, classes
        self._began, self._known_until = time.time(), known_until
        self._chance = random.Random(20261123)
        self._open: list[str] = []
        self.sent: list[tuple[int, float, float]] = []  # arrival, when it was sent, seconds until it was kept
        self.refused = 0
        self._stem = f"B{int(self._began)}"

    def post(self) -> None:
        """Send one event."""
        now = self._known_until + timedelta(seconds=1 + time.time() - self._began)
        at = now.astimezone(UTC).isoformat()
        if len(self._open) < 20 or self._chance.random() < 0.4:
            name = f"{self._stem}-{len(self.sent)}"
            self._open.append(name)
            event = {
                "incident_id": name, "received_at": at, "updated_at": at, "origin": "public", "status": "open",
                "class_code": self._chance.choice(self._classes), "area_id": self._chance.choice(self._areas),
                "grade_code": self._chance.choice("123"),
            }  # fmt: skip
        else:
            name = self._chance.choice(self._open)
            kind = self._chance.random()
            event = {"incident_id": name, "updated_at": at}
            if kind < 0.3:
                event |= {"grade_code": self._chance.choice("123")}
            elif kind < 0.7:
                event |= {"dispatched_at": at, "units": 1}
            else:
                self._open.remove(name)
                event |= {"status": "closed", "closed_at": at}
        began = time.time()
        answer = self._client.post(
            "/api/incidents", content=json.dumps([event]), headers={"Idempotency-Key": f"{self._stem} {len(self.sent)}"}
        )
        if answer.status_code == 202:
            self.sent.append((answer.json()["arrival"], began, time.time() - began))
        else:
            self.refused += 1
            measure.note(f"an event was refused: {answer.status_code} {answer.text[:300]}")

    def post_for(self, seconds: float) -> None:
        """Send events for so long."""
        end, due = time.monotonic() + seconds, time.monotonic()
        while time.monotonic() < end:
            self.post()
            due += 1 / EVENTS_A_SECOND
            time.sleep(max(0.0, due - time.monotonic()))


_WATCH = """
() => {
  window.shown = [];
  const look = () => {
    const at = Number(document.getElementById('about-live')?.dataset.arrivals ?? 0);
    if (shown.length === 0 || shown[shown.length - 1][0] !== at) shown.push([at, Date.now() / 1000]);
  };
  const what = { subtree: true, childList: true, attributes: true, attributeFilter: ['data-arrivals'] };
  new MutationObserver(look).observe(document.body, what);
  look();
}
"""


def arrive(address: str, cookie: str, system: ControlRoom, seconds: float) -> list[float]:
    """Post events for so long while a browser has the map open; give seconds from each to the map that knows it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        name, _, value = cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": address}])
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#about-live", timeout=60_000)
        page.evaluate(_WATCH)
        before = len(system.sent)
        posting = threading.Thread(target=system.post_for, args=(seconds,))
        posting.start()
        while posting.is_alive():
            page.wait_for_timeout(200)
        last = max(arrival for arrival, _, _ in system.sent)
        # What was sent last is waited for: an event that is never shown would otherwise be left out.
        end = time.monotonic() + 60
        while page.evaluate("shown[shown.length - 1][0]") < last and time.monotonic() < end:
            page.wait_for_timeout(100)
        shown = page.evaluate("shown")
        browser.close()
    delays = []
    for arrival, sent_at, _ in system.sent[before:]:
        seen = [at for number, at in shown if number >= arrival]
        # What was never shown was waited for to the end, and counts with that.
        delays.append((min(seen) if seen else time.time()) - sent_at)
    return delays


def chromium() -> str | None:
    """Find Debian's Chromium; None lets Playwright take its own."""
    return next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)


# ---- the run ----


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small force, under a minute")
    parser.add_argument("--json", action="store_true", help="a last line for machines")
    parser.add_argument("--minutes", type=float, help="minutes of load")
    parser.add_argument("--folder", type=Path, help="keep the force here, and use it again")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed, which asks for the pages. Debian has it: apt-get install wrk")
    seconds = 60 * asked.minutes if asked.minutes else (8 if asked.quick else 180)
    for_events = 10 if asked.quick else 120
    print("The service under load, and calls that arrive while people look")
    for name, words in [
        *measure.machine(os.cpu_count() or 1),
        ("versions", ", ".join(" ".join(each) for each in measure.versions(PACKAGES))),
    ]:
        print(f"  {name:<15} {words}")
    print(f"  {'wrk':<15} {subprocess.run(['wrk', '-v'], capture_output=True, text=True).stdout.split(' [')[0]}")
    with measure.working_folder(asked.folder) as folder:
        force = folder / ("quick" if asked.quick else "county")
        print(f"  {'data':<15} sha256 {make_force(force, _QUICK if asked.quick else _COUNTY)[:16]}")
        shutil.rmtree(force / "state", ignore_errors=True)
        bars = measure_service(folder, force, make_accounts(force), seconds=seconds, for_events=for_events)
    say_bars(bars)
    if asked.json:
        say_for_machines(bars)


def measure_service(folder: Path, force: Path, key: str, *, seconds: float, for_events: float) -> dict[str, Bar]:
    """Measure a force's service, print what was found, and give the bars."""
    with service(force) as (address, process):
        cookies = cookies_of(address)
        with httpx.Client(base_url=address, headers={"Cookie": cookies[0]}, timeout=60) as client:
            areas = [each["area_id"] for each in client.get("/tables/areas.json").json() if each["area_id"]]
            classes = known_classes(force)
            # What keeps the next hours current starts with the service, and has to read the store first.
            end = time.monotonic() + 120
            while client.get("/api/live.json").status_code != 200 and time.monotonic() < end:
                time.sleep(0.2)
            known_until = datetime.fromisoformat(client.get("/health.json").json()["data_until"])
        say_table(
            "Each address by itself (two requests, of the first account)",
            ("", "first ms", "again ms", "kB as sent"), try_each(address, areas, cookies[0]),
        )  # fmt: skip
        system = ControlRoom(address, key, known_until, areas, classes)
        with watched(process, 1.0 if seconds < 600 else 10.0) as memory:
            measure.note(f"{USERS} people for {seconds:.0f} s")
            pages, trials = look(folder, address, areas, cookies, seconds=seconds, a_second=WANTED_A_SECOND)
        measure.note("the same as fast as it goes")
        hard, hard_trials = look(folder, address, areas, cookies, seconds=min(seconds, 30), a_second=None)
        measure.note(f"{EVENTS_A_SECOND:g} events a second for {for_events:.0f} s, nobody else looking")
        alone = arrive(address, cookies[0], system, for_events)
        measure.note("the same, with everybody looking")
        crowd = threading.Thread(
            target=look, args=(folder, address, areas, cookies),
            kwargs={"seconds": for_events + 5, "a_second": WANTED_A_SECOND},
        )  # fmt: skip
        crowd.start()
        crowded = arrive(address, cookies[0], system, for_events)
        crowd.join()
    both = together([pages, trials])
    head = ("", "requests", "a second", "MB/s", "errors", "median ms", "p95 ms", "p99 ms", "worst ms")
    say_table(
        f"{USERS} people, {seconds:.0f} s",
        head,
        [
            _row(f"{USERS - TRYING} go round the pages", pages),
            _row(f"{TRYING} try what-ifs, none twice", trials),
            _row("together", both),
            _row("without waiting: pages", hard),
            _row("without waiting: what-ifs", hard_trials),
        ],
    )
    first, last = (statistics.median(part) for part in (memory.megabytes[:5], memory.megabytes[-5:]))
    most = max(memory.megabytes)
    print(
        f"\nMemory of the service, all processes: {first:,.0f} MB at first, {last:,.0f} at last, {most:,.0f} at most."
    )
    kept = [taken for _, _, taken in system.sent]
    say_table(
        f"From an event to the map that knows it, {EVENTS_A_SECOND:g} events a second for {for_events:.0f} s",
        ("", "events", "median s", "p95 s", "p99 s", "worst s"),
        [
            _delays("nobody else looking", alone),
            _delays(f"with {USERS} people", crowded),
            _delays("… of which until it is kept", kept),
        ],
    )
    return {
        "errors": Bar(
            "requests that were not answered, of all", "", 0, float(both.errors + hard.errors + system.refused)
        ),
        "p99": Bar(f"p99 of all answers to {USERS} people", "ms", 400, both.milliseconds(0.99)),
        "a_second": Bar("requests a second meanwhile", "", 300, both.a_second, at_least=True),
        "what_if_p99": Bar("p99 of what-ifs meanwhile", "ms", 1000, trials.milliseconds(0.99)),
        "memory": Bar("memory of the last third over the third before", "×", 1.05, memory.growth()),
        "arrival_median": Bar("event to map, median, nobody else looking", "s", 5, measure.percentile(alone, 0.5)),
        "arrival_p99": Bar("event to map, p99, nobody else looking", "s", 5, measure.percentile(alone, 0.99)),
        "arrival_p99_crowded": Bar(
            f"event to map, p99, with {USERS} people", "s", 5, measure.percentile(crowded, 0.99)
        ),
    }


def known_classes(force: Path) -> list[str]:
    """Give the classes that the force's incidents have."""
    from bluelamp.store import Store

    return Store(force).read("incidents", ["class_code"])["class_code"].drop_nulls().unique().sort().to_list()


def _row(words: str, found: Answered) -> tuple[str, ...]:
    times = (f"{found.milliseconds(share):,.1f}" for share in (0.5, 0.95, 0.99, 1.0))
    rate = found.megabytes / found.seconds
    return (words, f"{found.requests:,}", f"{found.a_second:,.1f}", f"{rate:.1f}", f"{found.errors}", *times)


def _delays(words: str, seconds: Sequence[float]) -> tuple[str, ...]:
    times = (f"{measure.percentile(seconds, share):.2f}" for share in (0.5, 0.95, 0.99, 1.0))
    return (words, f"{len(seconds):,}", *times)


if __name__ == "__main__":
    main()
