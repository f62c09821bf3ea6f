"""Runs one kernel as a real process with /kaggle/working and /kaggle/input, and collects its log."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENTER = Path(__file__).with_name("enter.sh")


@functools.cache
def namespace_command() -> tuple[str, ...] | None:
    """The command that opens a private mount namespace, None if the system does not allow it."""
    for words in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        with tempfile.TemporaryDirectory() as folder:
            places = [Path(folder) / name for name in ("root", "working", "input")]
            for place in places:
                place.mkdir()
            try:
                done = subprocess.run(
                    [*words, "sh", str(ENTER), *map(str, places), "test", "-d", "/kaggle/working"],
                    capture_output=True,
                    check=False,
                    timeout=20,
                )
            except (OSError, subprocess.TimeoutExpired):
                continue
            if done.returncode == 0:
                return words
    return None


@dataclass
class Machine:
    """Runs one kernel version.

    Attributes:
        folder: Folder of this machine; holds `working`, `input` and a scratch home.
        override: Environment variable that gives a kernel another root than /kaggle; empty for the literal paths.
        timeout_s: Wall limit; the kernel is killed without notice.
        last_line: Log line at which the limit is met at once; None to wait for it.
        container: Value of KAGGLE_CONTAINER_NAME, None for none.
        events: The log so far, as the service streams it.
    """

    folder: Path
    source: str
    override: str
    timeout_s: float | None
    last_line: str | None = None
    container: str | None = None
    interpreter: str = sys.executable
    events: list[dict[str, Any]] = field(default_factory=list)
    grew: threading.Condition = field(default_factory=threading.Condition)
    exit_code: int | None = None
    timed_out: bool = False
    _process: subprocess.Popen[bytes] | None = None

    @property
    def working(self) -> Path:
        """Folder that is mounted as /kaggle/working."""
        return self.folder / "kaggle" / "working"

    @property
    def input(self) -> Path:
        """Folder that is mounted as /kaggle/input."""
        return self.folder / "kaggle" / "input"

    def run(self, ended: Callable[[], None]) -> None:
        """Start the kernel; `ended` is called from another thread after its end."""
        for place in (self.working, self.input, self.folder / "home", self.folder / "root"):
            place.mkdir(parents=True, exist_ok=True)
        script = self.folder / "script.py"
        script.write_text(self.source, encoding="utf-8")
        for path in self.input.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        self._process = subprocess.Popen(
            self._command(script),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.working,
            env=self._environment(),
            start_new_session=True,
        )
        threading.Thread(target=self._attend, args=(ended,), daemon=True).start()

    def kill(self) -> None:
        """Kill the kernel without notice, like the platform."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def cancel(self, grace_s: float) -> None:
        """End the kernel: SIGTERM, then SIGKILL after the grace."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        if grace_s > 0:
            os.killpg(process.pid, signal.SIGTERM)
            threading.Timer(grace_s, self.kill).start()
        else:
            self.kill()

    def _command(self, script: Path) -> list[str]:
        kernel = [self.interpreter, "-I", "-u", "-X", "utf8", str(script)]
        if self.override:
            return kernel
        words = namespace_command()
        if words is None:
            raise RuntimeError("no mount namespace here: choose an override")
        return [*words, "sh", str(ENTER), str(self.folder / "root"), str(self.working), str(self.input), *kernel]

    def _environment(self) -> Mapping[str, str]:
        """Environment variables of a kernel: none of ours, and no token. Compiled code is shared to save time."""
        names = ("PATH", "LANG", "TMPDIR", "NUMBA_CACHE_DIR")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        own = {"HOME": str(self.folder / "home"), "KAGGLE_KERNEL_RUN_TYPE": "Batch"}
        own |= {"KAGGLE_CONTAINER_NAME": self.container} if self.container is not None else {}
        return {**kept, **own, **({self.override: str(self.folder / "kaggle")} if self.override else {})}

    def _attend(self, ended: Callable[[], None]) -> None:
        process = self._process
        assert process is not None
        started_s = time.monotonic()
        readers = [
            threading.Thread(target=self._read, args=(stream, name, started_s), daemon=True)
            for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr"))
        ]
        for reader in readers:
            reader.start()
        try:
            self.exit_code = process.wait(timeout=self.timeout_s)
        except subprocess.TimeoutExpired:
            self.timed_out = True
            self.kill()
            self.exit_code = process.wait()
        for reader in readers:
            reader.join(timeout=5)
        ended()
        with self.grew:
            self.grew.notify_all()

    def _read(self, stream: Any, name: str, started_s: float) -> None:
        with stream:
            for line in stream:
                self._note(line, name, started_s)

    def _note(self, line: bytes, name: str, started_s: float) -> None:
        event = {
            "stream_name": name,
            "time": round(time.monotonic() - started_s, 3),
            "data": line.decode("utf-8", "replace"),
        }
        with self.grew:
            self.events.append(event)
            self.grew.notify_all()
        if event["data"] == f"{self.last_line}\n":
            self.timed_out = True
            self.kill()


def save_outputs(working: Path, into: Path, limit: int) -> None:
    """Save the files that the platform saves: plain files, no links, no empty folders, at most `limit`."""
    kept = 0
    for path in sorted(working.rglob("*")):
        if path.is_symlink() or not path.is_file() or kept >= limit:
            continue
        target = into / path.relative_to(working)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        kept += 1
    into.mkdir(parents=True, exist_ok=True)
