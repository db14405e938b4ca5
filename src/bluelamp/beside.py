"""Processes beside the server: started with it, one of a kind for a force, and gone with it however it ends."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from bluelamp import addresses

_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 2.0
_NICE = 5


def start(folder: Path | str, command: str) -> subprocess.Popen[bytes]:
    """Start a command on a force, for as long as this process lives, even if it is killed."""
    arguments = [sys.executable, "-m", "bluelamp", command, str(folder), "--while-input"]
    # Its input ends when this process does, whatever ended it.
    return subprocess.Popen(arguments, stdin=subprocess.PIPE)  # noqa: S603 - our own command


def keep_going(folder: Path | str, command: str, say: Callable[[str], None]) -> NoReturn:
    """Have a process of its own carry out a command on a force, and start it again whenever it ends."""
    while True:
        ended = start(folder, command).wait()
        say(f"'bluelamp {command}' has ended ({ended}); it is started again.")
        time.sleep(_PAUSE_SECONDS)


def give_way() -> None:
    """Let whoever answers people go first where there is not time for all."""
    os.nice(_NICE)


def input_is_over() -> bool:
    """Say whether whoever started this process has gone."""
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


def end_with_input() -> None:
    """End this process as soon as whoever started it has gone, whatever it is doing: nothing half done is left."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True, name="end with input").start()


@contextmanager
def only_one(folder: Path | str, name: str, is_over: Callable[[], bool]) -> Iterator[bool]:
    """Wait until no other process of a force does what the name says; gives False where it is over before that.

    The system frees it when a process ends, however it ends.
    """
    place = Path(folder) / addresses.OWN_FILE.parent
    place.mkdir(mode=0o700, exist_ok=True)
    with (place / f".{name}").open("w") as lock:
        while not is_over():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOOK_SECONDS)
                continue
            yield True
            return
    yield False


def is_anyone(folder: Path | str, names: Iterable[str]) -> bool:
    """Say whether any process of a force does what one of the names says."""
    for name in names:
        try:
            with (Path(folder) / addresses.OWN_FILE.parent / f".{name}").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            continue
    return False
