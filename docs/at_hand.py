"""`bluelamp` for examples, loaded once: each command is a child of one process that has imported the program already.

Hundreds of short commands would otherwise spend more on loading than on what they show. What runs is the same.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

# What most commands import sooner or later.
_USUAL = ("plan", "what_if", "backtest", "near_term", "received", "hotspots", "intake", "state.accounts")
# Asks the process for a command, lends it what it reads and writes, and ends as it ends. A signal is passed on.
_ASK = """#!{python} -IS
import array, json, os, signal, socket, sys
asked = socket.socket(socket.AF_UNIX)
asked.connect({place!r})
told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
lent = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
asked.sendmsg([len(told).to_bytes(8, "big")], lent)
asked.sendall(told)
process = int.from_bytes(asked.recv(8, socket.MSG_WAITALL), "big")
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(process, number))
sys.exit(int.from_bytes(asked.recv(8, socket.MSG_WAITALL) or b"\\1", "big"))
"""


@contextlib.contextmanager
def at_hand(folder: Path) -> Iterator[Path]:
    """Give a folder with a `bluelamp` for the PATH, made in `folder`, for as long as the block runs."""
    programs = folder / "programs"
    programs.mkdir(parents=True)
    place = folder / "asked"
    command = programs / "bluelamp"
    command.write_text(_ASK.format(python=sys.executable, place=str(place)), "utf-8")
    command.chmod(0o755)
    source = os.pathsep.join([str(Path(__file__).parents[1] / "src"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, __file__, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source, "COLUMNS": "100", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n", "What carries out the examples' commands did not start."
        yield programs
    finally:
        process.stdin.close()
        process.wait(10)


def _wait_for_commands(place: str) -> None:
    import importlib

    import bluelamp.cli

    for name in _USUAL:
        importlib.import_module(f"bluelamp.{name}")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        # Input ends with whoever started this.
        threading.Thread(target=_end_with_input, daemon=True).start()
        while True:
            asked, _ = listening.accept()
            told, lent, _, _ = socket.recv_fds(asked, 8, 3)
            arguments, folder, environment = json.loads(_receive(asked, int.from_bytes(told, "big")))
            process = os.fork()
            if process == 0:
                # One more, so that this process can wait for the command while the first goes on listening.
                command = os.fork()
                if command == 0:
                    listening.close()
                    asked.close()
                    _become(lent, folder, environment)
                    sys.argv = ["bluelamp", *arguments]
                    try:
                        bluelamp.cli.main()
                    except SystemExit as ended:
                        _end(ended)
                for each in (0, 1, *lent):
                    os.close(each)
                asked.sendall(command.to_bytes(8, "big"))
                _, status = os.waitpid(command, 0)
                code = os.waitstatus_to_exitcode(status)
                asked.sendall((code if code >= 0 else 128 - code).to_bytes(8, "big"))
                os._exit(0)
            for each in lent:
                os.close(each)
            asked.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _end_with_input() -> None:
    # Read without Python's buffer: a child would find it locked.
    while os.read(0, 1):
        pass
    os._exit(0)


def _receive(asked: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += asked.recv(size - len(found))
    return found


def _end(ended: SystemExit) -> NoReturn:
    """End as Python does, without taking to pieces what belongs to the process that loaded it."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended.code if isinstance(ended.code, int) else 1)


def _become(lent: list[int], folder: str, environment: dict[str, str]) -> None:
    for number, each in enumerate(lent):
        os.dup2(each, number)
        os.close(each)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)


if __name__ == "__main__":
    _wait_for_commands(sys.argv[1])
