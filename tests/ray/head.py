"""A real Ray head for tests: one node on the loopback, in a temporary folder, on ports of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

REQUIRED = "RAY_TESTS"
"""`required`: where Ray is not installed, the tests fail instead of being skipped."""

_PATIENCE_S = 600.0
_TOKEN = secrets.token_hex(32)
"""Of all heads of this process: Ray's client keeps the first token that it has read."""
_WATCHDOG = """
while kill -0 "$1" 2>/dev/null; do sleep 2; done
for process in $(pgrep -f -- "$2/"); do [ "$process" = $$ ] || kill -9 "$process"; done
rm -rf "$2"
"""
"""Ends the head where the tests were killed and could not."""


@dataclass(slots=True)
class LoopbackRay:
    """A cluster of one node on this computer.

    Attributes:
        folder: Sessions and logs of the head.
        storage: A folder for `file://`.
        environ: Environment in which a client may use it.
    """

    folder: Path
    storage: Path
    ports: tuple[int, ...]
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Of its dashboard."""
        return f"http://127.0.0.1:{self.ports[0]}"

    def start(self) -> None:
        """Start the head; a second time it knows no job of the first."""
        dashboard, gcs, client, agent = self.ports[:4]
        options = {
            **{"port": gcs, "dashboard-port": dashboard, "ray-client-server-port": client},
            **{"dashboard-agent-listen-port": agent, "dashboard-host": "127.0.0.1", "node-ip-address": "127.0.0.1"},
            **{"num-cpus": 2, "num-gpus": 0, "object-store-memory": 80_000_000, "temp-dir": self.folder},
            **{"min-worker-port": 0, "max-worker-port": 0, "resources": '{"seat": 1}'},
        }
        words = ["start", "--head", "--disable-usage-stats", *(f"--{name}={value}" for name, value in options.items())]
        done = self._ray(*words)
        assert done.returncode == 0, f"Ray does not start: {done.stdout}{done.stderr}\n{self.logs()}"
        wait_until(self._answers, lambda: f"the head does not answer\n{self.logs()}")

    def kill(self) -> None:
        """kill -9 of the head: its control store, its dashboard and its raylet. The jobs' processes follow."""
        for process in self._processes("gcs_server", "dashboard.py", "raylet/raylet"):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_until(lambda: not self._processes("gcs_server", "dashboard.py", "raylet/raylet"), lambda: "it lives on")

    def stop(self) -> None:
        """End everything that belongs to this head."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._processes(""):
                with suppress(ProcessLookupError):
                    os.kill(process, number)
            with suppress(AssertionError):
                wait_until(lambda: not self._processes(""), lambda: "", 10.0)
                return

    def logs(self) -> str:
        """The ends of the logs of its processes."""
        names = ("gcs_server.out", "gcs_server.err", "raylet.out", "raylet.err", "dashboard.log", "dashboard_agent.log")
        paths = [path for name in names for path in sorted(self.folder.glob(f"session_2*/logs/{name}"))]
        return "\n".join(f"== {path}\n{path.read_text('utf-8', 'replace')[-2000:]}" for path in paths)

    def _answers(self) -> bool:
        """Whether its dashboard answers, and an agent that takes jobs has registered."""
        headers = {"Authorization": f"Bearer {self.environ['RAY_AUTH_TOKEN']}"}
        try:
            for path in ("/api/version", "/api/jobs/"):
                request = urllib.request.Request(self.address + path, headers=headers)
                with urllib.request.urlopen(request, timeout=10.0) as answer:
                    answer.read()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _ray(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("ray")), *words]
        return subprocess.run(
            command,
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )

    def _processes(self, *marks: str) -> list[int]:
        """Processes of this head whose command line names its folder and one of the marks."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                words = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
                environ = (entry / "environ").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            own = f"{self.folder}/" in words or f"RAY_TESTS_HEAD={self.folder}\0" in environ
            if words and own and (not marks or any(mark in words for mark in marks)):
                found.append(int(entry.name))
        return found


@contextmanager
def loopback_ray(of_nodes: Mapping[str, str] | None = None) -> Iterator[LoopbackRay]:
    """A running head; it is stopped at the end, whatever happened.

    Args:
        of_nodes: Further variables of its nodes, and so of the sessions.
    """
    lacking = reason_not_to_run()
    if lacking:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(f"{REQUIRED}=required, but {lacking}")
        pytest.skip(lacking)
    # Not below pytest's folder: the paths of Ray's sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    storage = folder / "storage"
    storage.mkdir()
    ray = LoopbackRay(folder, storage, _free_ports(4), dict(of_nodes or {}))
    ray.environ |= {
        # On a machine whose network is no test's own, Ray listens on all of its addresses.
        **{"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _TOKEN},
        **{"RAY_USAGE_STATS_ENABLED": "0", "RAY_TESTS_HEAD": str(folder)},
        "RAY_agent_register_timeout_ms": "300000",  # a node gives up where its agent takes longer, on a busy machine
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    watchdog = subprocess.Popen(["sh", "-c", _WATCHDOG, "sh", str(os.getpid()), str(folder)], start_new_session=True)
    try:
        ray.start()
        yield ray
    finally:
        ray.stop()
        shutil.rmtree(folder, ignore_errors=True)
        watchdog.kill()  # last: it ends what an interrupt in this place leaves
        watchdog.wait()


@dataclass(frozen=True, slots=True)
class OwnNames:
    """A client whose jobs have names of their own: Ray never forgets a name, and each test begins with the same one."""

    client: Any
    suffix: str

    def submit_job(self, *, submission_id: str, **words: Any) -> str:
        return str(self.client.submit_job(submission_id=submission_id + self.suffix, **words))

    def get_job_info(self, job_id: str) -> Any:
        return self.client.get_job_info(job_id + self.suffix)

    def get_job_logs(self, job_id: str) -> str:
        return str(self.client.get_job_logs(job_id + self.suffix))

    def stop_job(self, job_id: str) -> bool:
        return bool(self.client.stop_job(job_id + self.suffix))

    def get_version(self) -> str:
        return str(self.client.get_version())


@contextmanager
def variables(environ: Mapping[str, str]) -> Iterator[None]:
    """The variables of a client, in this process too."""
    before = dict(os.environ)
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def reason_not_to_run() -> str:
    """Why Ray cannot run here; empty if it can."""
    if find_spec("ray") is None:
        return "Ray is not installed: make prove-ray installs it in an environment of its own"
    return "" if Path("/proc").is_dir() else "these tests read /proc"


def _free_ports(count: int) -> tuple[int, ...]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = tuple(one.getsockname()[1] for one in sockets)
    for one in sockets:
        one.close()
    return ports


def wait_until(holds: Callable[[], bool], failure: Callable[[], str], patience_s: float = _PATIENCE_S) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: It does not within the time.
    """
    give_up_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < give_up_s, failure()
        time.sleep(0.1)
