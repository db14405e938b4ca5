"""A real PostgreSQL: Debian's, started here in a folder of its own by somebody who is not root."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

# The account that Debian's package makes; the server refuses to run as root.
ACCOUNT = "postgres"
PASSWORD = "not: a/secret@all"


@dataclass
class Server:
    """A running server: how to reach it, and how to do something to it as its owner."""

    host: str
    port: int
    tools: Path
    home: Path
    password: str = PASSWORD

    def start(self) -> None:
        """Start it, as it was left."""
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories= -c fsync=off"
        self.control("-o", options, "start")

    def control(self, *arguments: str) -> None:
        """Call its control program."""
        command = (self.tools / "pg_ctl", "-D", self.home / "data", "-l", self.home / "log", "-w", *arguments)
        done = subprocess.run(_as_account(*command), stdout=subprocess.DEVNULL, cwd=self.home, check=False)
        assert done.returncode == 0, (self.home / "log").read_text()[-2000:]

    def kill(self) -> None:
        """End it as a crash does: nothing of it runs after this."""
        first = int((self.home / "data" / "postmaster.pid").read_text().splitlines()[0])
        # It must not start another process between our looking and our killing: that one would keep the memory.
        os.kill(first, signal.SIGSTOP)
        of_it = [first, *(int(each) for each in subprocess.run(
            ["pgrep", "-P", str(first)], capture_output=True, text=True, check=False
        ).stdout.split())]  # fmt: skip
        for each in of_it:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        # One that is dead and not yet forgotten by the system is taken for a running server by the next.
        while any(Path(f"/proc/{each}").exists() for each in of_it):
            time.sleep(0.05)

    def url(self, variable: str = "BLUELAMP_TEST_PASSWORD") -> str:
        """The address, as a settings file would hold it."""
        return f"postgresql+psycopg://postgres:${{{variable}}}@{self.host}:{self.port}/postgres"

    def new_database(self) -> str:
        """Make an empty database and give its address with the password in it."""
        name = f"made_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://postgres:{quote(self.password, safe='')}@{self.host}:{self.port}/{name}"

    def run(self, *statements: str) -> str:
        """Run statements and give what the last one printed."""
        told = subprocess.run(
            [self.tools / "psql", "-qAt", "-h", self.host, "-p", str(self.port), "-U", "postgres", "-vON_ERROR_STOP=1"],
            input=";\n".join(statements) + ";\n", text=True, capture_output=True, check=True,
            env={**os.environ, "PGPASSWORD": PASSWORD},
        )  # fmt: skip
        return told.stdout.strip()


def _as_account(*command: str | Path) -> list[str]:
    if os.geteuid():
        return [str(each) for each in command]
    return ["setpriv", "--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups", *(str(each) for each in command)]


@contextmanager
def started() -> Iterator[Server]:
    """A PostgreSQL of its own; absent, its tests are skipped, loudly, and fail in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        told = "POSTGRESQL ABSENT: no real database was read. 'apt-get install postgresql' brings it."
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    # Not below pytest's own folder, which other accounts may not enter.
    home = Path(tempfile.mkdtemp(prefix="bluelamp-postgresql-"))
    secret = home / "password"
    secret.write_text(PASSWORD)
    if not os.geteuid():
        shutil.chown(home, ACCOUNT, ACCOUNT)
        shutil.chown(secret, ACCOUNT, ACCOUNT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server("127.0.0.1", port, found[-1].parent, home)
    subprocess.run(
        _as_account(
            server.tools / "initdb", "-D", home / "data", "-U", "postgres", "--auth=scram-sha-256",
            f"--pwfile={secret}", "-N", "-E", "UTF8", "--locale=C.UTF-8",
        ),
        check=True, stdout=subprocess.DEVNULL, cwd=home,
    )  # fmt: skip
    server.start()
    yield server
    server.control("-m", "immediate", "stop")
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL that lives as long as the tests, and that none of them may end."""
    with started() as server:
        yield server
