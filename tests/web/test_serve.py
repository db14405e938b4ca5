"""The service as a whole: its processes, what becomes of them, and the port they share."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bluelamp.errors import InputOutputError, NoInput
from bluelamp.state import accounts
from bluelamp.web import serve
from tests.databases import state_of

PATIENCE_SECONDS = 60


@contextlib.contextmanager
def started(force, *options):
    """A service on a free port; gives its process and its address."""
    command = [sys.executable, "-m", "bluelamp", "serve", str(force), "--port", "0", "--no-browser", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        line = next(each for each in process.stderr if "The map is at" in each)
        yield process, re.search(r"http://[^/]+", line)[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def children_of(number):
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (each / "stat").read_text().rsplit(")", 1)[1].split()
            if int(words[1]) == number and words[0] != "Z":
                found.append(int(each.name))
    return found


def workers_of(process):
    """Those of its processes that answer."""
    return [
        each for each in children_of(process.pid)
        if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()
    ]  # fmt: skip


def until(holds):
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come to be so"
        time.sleep(0.1)
    return found


def answers(address):
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/health/ready.json", timeout=5).status_code == 200
    return False


def is_gone(number):
    with contextlib.suppress(OSError):
        return (Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]) == "Z"
    return True


def test_it_answers_with_several_processes_and_starts_one_again_that_dies(force):
    kept = state_of(force)
    accounts.add(kept, "watch", "monitor", "LV")
    key = accounts.make_key(kept, "watch", "prometheus")
    with started(force) as (process, address):
        before = until(lambda: found if len(found := workers_of(process)) == 2 else None)
        assert answers(address)
        os.kill(before[0], signal.SIGKILL)
        after = until(lambda: found if len(found := workers_of(process)) == 2 and before[0] not in found else None)
        assert before[1] in after
        until(lambda: answers(address))
        for _ in range(8):
            httpx.get(f"{address}/health/live.json", timeout=10)
        # Whichever of them is asked, it tells what all have answered, those that died too.
        metrics = httpx.get(f"{address}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=10)
        counted = {
            sample.labels["address"]: sample.value
            for family in text_string_to_metric_families(metrics.text)
            for sample in family.samples
            if sample.name == "bluelamp_requests_total"
        }
        assert counted["/health/live.json"] == 8
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert until(lambda: all(is_gone(each) for each in after))


def test_killed_it_leaves_nobody_behind_who_holds_the_port(force):
    with started(force) as (process, address):
        workers = until(lambda: workers_of(process))
        process.kill()
        process.wait()
        until(lambda: all(is_gone(each) for each in workers))
        assert not answers(address)


def test_what_keeps_it_from_starting_is_a_sentence_before_anything_is_started(force, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputOutputError, match=f"Port {port} of 127.0.0.1 can't be used: Address already in use"):
            serve.serve(force, port=port)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "force.toml").write_text('[force]\nid = "LV"\nname = "L"\ntime_zone = "Europe/London"\n')
    with pytest.raises(NoInput, match="This force has no run yet"):
        serve.serve(tmp_path / "empty", port=0)


@pytest.mark.parametrize(("host", "written"), [("127.0.0.1", "localhost"), ("::1", "[::1]"), ("10.1.2.3", "10.1.2.3")])
def test_an_address_is_written_as_browsers_read_it(host, written):
    assert serve._in_address(host) == written
