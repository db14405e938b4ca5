"""What befalls a store, done to it on purpose: writers killed at every step, bits flipped, a disk filled up."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bluelamp.errors import InputOutputError
from bluelamp.store import Store, commit, delta, disk
from tests.store.children import child, half_done, import_next
from tests.store.telling import everything, files_below, insist_on_tidy, insist_on_whole


class Killed(BaseException):
    """Stands for kill -9: nothing of ours runs after it."""


@contextlib.contextmanager
def killed_at(step: int) -> Iterator[list[str]]:
    """End whatever writes at its n-th touch of the disk. Gives the touches that came before."""
    touches: list[str] = []

    def touching(name: str, call: Callable) -> Callable:
        def touch(*arguments, **named):
            if len(touches) == step:
                raise Killed(name)
            touches.append(name)
            return call(*arguments, **named)

        return touch

    def die(self, kind, *_):
        # The system closes files and so frees the lock; nobody tidies up.
        if kind is None:
            leave(self, kind, *_)
        else:
            self._lock.__exit__(None, None, None)

    leave = commit.Commit.__exit__
    with pytest.MonkeyPatch.context() as patch:
        for where, name in (
            (os, "fsync"),
            (os, "rename"),
            (os, "open"),
            (Path, "mkdir"),
            (Path, "touch"),
            (disk, "remove"),
            (delta.DeltaTable, "create"),
            (delta.DeltaTable, "create_checkpoint"),
            (delta.DeltaTable, "create_write_transaction"),
        ):
            patch.setattr(where, name, touching(name, getattr(where, name)))
        patch.setattr(commit.Commit, "__exit__", die)
        with contextlib.suppress(Killed):
            yield touches


def crash(template: Path, place: Path, work: Callable[[Store], None], step: int) -> tuple[Store, list[str]]:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place)
    store = Store(place)
    with killed_at(step) as touches:
        work(store)
    return store, touches


def crash_everywhere(tmp_path: Path, template: Path, work: Callable[[Store], None], every: int, nested: int) -> int:
    """Kill a piece of work at each touch of the disk, and at some of them the sweep that follows as well."""
    before = Store(template)
    batches, runs = before.batches().height, before.runs().height
    step = tried = 0
    while True:
        store, touches = crash(template, tmp_path / "force", work, step)
        insist_on_whole(store, batches, runs)
        if nested and step % nested == 0 and (store.folder / "store" / commit.WRITING).exists():
            tried += crash_sweeps(tmp_path, store, batches, runs)
        import_next(store)
        insist_on_tidy(store)
        tried += 1
        if len(touches) < step:
            return tried
        step += every


def crash_sweeps(tmp_path: Path, killed: Store, batches: int, runs: int, every: int = 3) -> int:
    step = 0
    while True:
        store, touches = crash(killed.folder, tmp_path / "swept", Store.sweep, step)
        insist_on_whole(store, batches, runs)
        store.sweep()
        insist_on_whole(store, batches, runs)
        insist_on_tidy(store)
        if len(touches) < step:
            return step + 1
        step += every


def kill_writers(place: Path, times: int, seed: int) -> None:
    """Kill real processes at random moments, while another looks, and insist on what must hold after each."""
    chance = random.Random(seed)
    store = Store(place)
    import_next(store)
    with child("look", place) as looker, contextlib.ExitStack() as ended:
        waiting = [ended.enter_context(child("write", place)) for _ in range(2)]
        reached = 0
        for number in range(times):
            writer = waiting.pop(0)
            if number + 2 < times:
                waiting.append(ended.enter_context(child("write", place)))
            assert writer.stdout.readline() == "ready\n"
            before = store.batches().height, store.runs().height
            writer.stdin.write("go\n")
            writer.stdin.flush()
            time.sleep(chance.uniform(0, 0.25))
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            reached += (store.batches().height, store.runs().height) > before
            assert store.verify() == []
            assert half_done(store) == []
            if number % 2:
                import_next(store)
            else:
                store.sweep()
            insist_on_tidy(store)
        told = json.loads(looker.communicate("")[0])
    assert told["faults"] == []
    assert told["looks"] > times
    # Kills that come before anything or after everything would prove little.
    assert reached < times


def told_or_refused(place: Path) -> tuple[list[object] | None, str | None]:
    """All that the store tells, or the sentence with which it refuses to."""
    try:
        return everything(Store(place)), None
    except InputOutputError as error:
        return None, str(error)


def flip_bits(place: Path, times: int, seed: int) -> int:
    """Flip one bit at a time, every file at least once, and insist that it is found and never believed."""
    chance = random.Random(seed)
    reference = everything(Store(place))
    files = files_below(place)
    unread = 0
    for number in range(times):
        file = files[number % len(files)]
        content = file.read_bytes()
        at = chance.randrange(len(content) * 8)
        flipped = bytearray(content)
        flipped[at // 8] ^= 1 << at % 8
        file.write_bytes(flipped)
        problems = Store(place).verify()
        assert problems, f"bit {at} of {file} was not found"
        assert any(file.name.split(".")[0] in each for each in problems), f"{problems} do not name {file}"
        told, refusal = told_or_refused(place)
        if refusal is None:
            assert told == reference, f"bit {at} of {file} was believed"
            unread += 1
        else:
            assert file.name.split(".")[0] in refusal
            assert "backup" in refusal
        file.write_bytes(content)
    assert Store(place).verify() == []
    assert everything(Store(place)) == reference
    return unread


@contextlib.contextmanager
def small_disk(tmp_path: Path, megabytes: int = 8) -> Iterator[Path | None]:
    """A file system of so many megabytes, or nothing where this account may not mount one."""
    place = tmp_path / "small_disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        yield None
        return
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill_up(place: Path, free: int) -> Path:
    filler = place / "filler"
    with filler.open("wb") as file:
        status = os.statvfs(place)
        file.write(b"\0" * max(0, status.f_bavail * status.f_frsize - free))
    return filler


def crowd(place: Path, frees: range) -> tuple[int, int]:
    """Import with less and less room, and insist that each either completes or tells and changes nothing."""
    store = Store(place)
    import_next(store)
    failed = done = 0
    for free in frees:
        before = everything(store)
        filler = fill_up(place, free)
        refusal = None
        try:
            import_next(store)
        except InputOutputError as error:
            refusal = str(error)
        done += refusal is None
        if refusal is not None:
            failed += 1
            assert "the disk is full. Free some space" in refusal.replace("Most likely ", "")
            assert everything(Store(place)) == before
            assert Store(place).verify() == []
        filler.unlink()
    import_next(store)
    insist_on_tidy(store)
    return failed, done
