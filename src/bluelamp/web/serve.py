"""Listening: the web application on a port of this machine."""

from __future__ import annotations

import multiprocessing
import os
import socket
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import Server as Granian

from bluelamp import basemap, beside, settings, state
from bluelamp.errors import InputOutputError, NotPermitted
from bluelamp.state import accounts
from bluelamp.store import Store
from bluelamp.web import worker
from bluelamp.web.app import latest_run
from bluelamp.web.observed import TOGETHER
from bluelamp.web.sign_in_pages import make_set_up_code

_LOOK_SECONDS = 0.05
# Who listens for news would never be done: so long has every other answer to end when the service is stopped.
_LAST_ANSWERS_SECONDS = 3
_TO_STANDARD_ERROR = {
    "handlers": {
        name: {"formatter": "generic", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
        for name in ("console", "access")
    }
}


def serve(
    folder: Path | str,
    *,
    host: str = "127.0.0.1",
    port: int = 8321,
    names: tuple[str, ...] = (),
    sign_in: bool | None = None,
    open_browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the force's map until it is stopped.

    `names` are host names that others call this machine by, beside localhost and `host`. With `sign_in` people have to
    say who they are; by default where others than this machine can reach the server, or where there are accounts.

    Raises NotPermitted where others could reach a server without sign-in, InputOutputError where the port is taken,
    NoInput where there is no force or no run.
    """
    local = ("localhost", "127.0.0.1", "[::1]")
    is_local = host in ("127.0.0.1", "localhost", "::1")
    is_for_others = not is_local or bool(names)
    if sign_in is False and is_for_others:
        raise NotPermitted(
            "Without sign-in the service is for this machine alone: whoever reaches it sees everything. Leave out "
            "--host and --allow-host, or --no-sign-in."
        )
    chosen = settings.read(folder)
    service = chosen.service
    needs_sign_in = bool(sign_in) or (sign_in is None and (is_for_others or state.exists(folder, service.database)))
    # What would keep the workers from answering is told here once, and not by each of them.
    latest_run(Store(folder), folder)
    reserved = _reserve(host, port)
    port = reserved.getsockname()[1]
    address = f"http://{_in_address(host)}:{port}/"
    told = [f"The map is at {address} (Ctrl-C stops it)."]
    if no_basemap := basemap.find_or_say(folder, chosen)[1]:
        told.append(f"It is drawn without a base map. {no_basemap}")
    if not is_local:
        told.append(
            f"It answers to these names alone: {', '.join((*local, *names, host))}. Others are added with --allow-host."
        )
    if needs_sign_in and not accounts.is_any(state.open_state(folder, service.database)):
        address = f"{address}set-up?code={make_set_up_code()}"
        told.append(f"There is no account yet. The first one is made at {address}")

    def tell() -> None:
        _wait_until_up(host, port)
        for each in told:
            say(each)
        if open_browser:
            webbrowser.open(address)

    threading.Thread(target=tell, daemon=True).start()
    if needs_sign_in:
        for command in ("live", "work"):
            threading.Thread(target=beside.keep_going, args=(folder, command, say), daemon=True).start()
    hosts = (*local, *names, *(() if is_local else (_in_address(host),)))
    with tempfile.TemporaryDirectory(prefix="bluelamp-metrics-") as together:
        os.environ[TOGETHER] = together
        # Whoever is at this machine is one person, whose pages carry what one process alone knows.
        workers = service.workers if needs_sign_in else 1
        try:
            _answer(host, port, workers, partial(worker.load, Path(folder), hosts, needs_sign_in))
        finally:
            # What is made in this process later would add up what is no longer there.
            del os.environ[TOGETHER]


def _in_address(host: str) -> str:
    return "localhost" if host == "127.0.0.1" else f"[{host}]" if ":" in host else host


def _reserve(host: str, port: int) -> socket.socket:
    """Take a port, for as long as what is given is kept, in such a way that the workers can listen to it together.

    Raises InputOutputError where somebody else has it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family)
    try:
        # Another service that shares its port with its own workers would share it with ours, too: ask without sharing.
        with socket.socket(family) as asking:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asking.bind((host, port))
            asking.listen()
            port = asking.getsockname()[1]
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
    except OSError as error:
        raise InputOutputError(
            f"Port {port} of {host} can't be used: {error.strerror}. Choose another with --port, or --port 0 for a "
            "free one."
        ) from None
    return reserved


def _answer(host: str, port: int, workers: int, load: Callable[[], FastAPI]) -> None:
    """Answer with so many processes, each started again where it dies, until a signal ends them."""
    # A process that is split off in the middle of a run's threads would inherit their locks.
    multiprocessing.set_start_method("spawn", force=True)
    server = Granian(
        "bluelamp.web.worker", host, port, interface=Interfaces.ASGINL, workers=workers, websockets=False,
        http=HTTPModes.http1, log_level=LogLevels.error, log_dictconfig=_TO_STANDARD_ERROR,
        respawn_failed_workers=True, workers_kill_timeout=_LAST_ANSWERS_SECONDS,
    )  # fmt: skip
    server.serve(target_loader=load, wrap_loader=False)


def _wait_until_up(host: str, port: int) -> None:
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(_LOOK_SECONDS)
        else:
            return
