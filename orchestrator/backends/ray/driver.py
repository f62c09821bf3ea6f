"""Runs one session on a node: fetches its inputs from the storage, runs its kernel, and stores what the kernel writes.

This file runs alone on the node, with fsspec and the standard library: nothing else of this program is there. A start
stores files by their digest, then its index, which names them: the index is always complete. Its last version, with the
exit code, commits the session.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOT_STARTED, NOT_STORED = 64, 74
_TICK_S, _CANCEL_EVERY_S, _ALIVE_EVERY_S = 0.2, 2.0, 60.0
_STORE_SHARE = 10.0  # storing takes at most about a tenth of the time
_KEEP_TRYING_S, _SETTLED_S = 600.0, 2.0
_WHOLE_BYTES = 64 << 20  # larger files are not read into memory


class Start:
    """One start of a session.

    Args:
        fs: File system of fsspec.
        root: The session's folder in it.
        plan: What the session needs; see `entrypoint.py`.
        here: Empty folder on the node.
    """

    def __init__(self, fs: Any, root: str, plan: dict[str, Any], here: Path) -> None:
        self._fs, self._root, self._plan = fs, root, plan
        self._own = f"{root}/starts/{uuid.uuid4().hex}"
        self._here, self._working, self._log = here, here / "working", here / "kernel.log"
        self._entries: dict[str, dict[str, Any]] = {}  # of each file that was stored
        self._marks: dict[str, tuple[int, int]] = {}  # its time and size then
        self._indexed: Any = None
        self._stored: set[str] = set()
        self._left: list[list[str]] = []
        self._asked, self._begun_at, self._shown, self._number = False, _now(), 0, 0
        self._next_s = self._alive_s = self._cancel_s = 0.0

    def run(self) -> int:
        """Run the session to its end; returns the exit code of its kernel."""
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_asked", True))
        if self._fs.exists(f"{self._root}/cancel"):
            print("Not started: the session was asked to stop.", flush=True)
            return 0
        if self._plan["has_folders"]:
            self._fs.makedirs(f"{self._own}/objects", exist_ok=True)
        self._working.mkdir()
        self._log.touch()
        self._index(None)
        self._fetch_inputs()
        if self._asked:
            return 0
        print(self._plan["mark"], flush=True)
        code = self._watch()
        give_up_s = time.monotonic() + _KEEP_TRYING_S
        while True:
            self._show_log()
            try:
                self._store(code)
                return code
            except Exception as fault:
                print(f"The outputs cannot be stored: {fault!r}", flush=True)
                if time.monotonic() > give_up_s:
                    return NOT_STORED
                time.sleep(self._plan["sync_s"] / 3.0)

    def _fetch_inputs(self) -> None:
        for entry in self._plan["inputs"]:
            path = self._here / "input" / entry["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fs.get_file(f"{self._root}/input/{entry['sha256']}", str(path))
        self._fs.get_file(f"{self._root}/kernel.py", str(self._here / "kernel.py"))
        if _sha256(self._here / "kernel.py") != self._plan["kernel_sha256"]:
            print("Not started: kernel.py in the storage is not the one that was submitted.", flush=True)
            raise SystemExit(NOT_STARTED)

    def _watch(self) -> int:
        """Run the kernel and store what it writes from time to time; returns its exit code."""
        environ = {**os.environ, self._plan["root_variable"]: str(self._here)}
        words = [sys.executable, "-I", "-u", "-X", "utf8", str(self._here / "kernel.py")]
        with self._log.open("ab") as log:
            # In the same process group: Ray kills the group if the job's actor dies.
            kernel = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self._working, env=environ
            )
        asked_s: float | None = None
        while (code := _poll(kernel)) is None:
            self._show_log()
            now_s = time.monotonic()
            self._look_for_cancel(now_s)
            if self._asked and asked_s is None:
                asked_s = now_s
                kernel.terminate()  # to this process alone: its workers must live until it has saved
            if asked_s is not None and now_s - asked_s > self._plan["patience_s"]:
                kernel.kill()
            self._store_in_time(now_s)
        return code if code >= 0 else 128 - code

    def _look_for_cancel(self, now_s: float) -> None:
        if self._asked or now_s < self._cancel_s:
            return
        self._cancel_s = now_s + _CANCEL_EVERY_S
        with suppress(Exception):  # the storage is away: a later look may find it
            self._asked |= bool(self._fs.exists(f"{self._root}/cancel"))

    def _store_in_time(self, now_s: float) -> None:
        if now_s < self._next_s:
            return
        try:
            self._store(None)
        except Exception as fault:
            self._say(f"The outputs cannot be stored now: {fault!r}")
        self._next_s = now_s + max(float(self._plan["sync_s"]), _STORE_SHARE * (time.monotonic() - now_s))

    def _store(self, code: int | None) -> None:
        """Store what has changed, then the index, then delete what it no longer names; `code` is None until the end."""
        self._left = []
        present = dict(self._files())
        for name, path in present.items():
            self._store_file(name, path)
        for name in self._entries.keys() - present.keys():
            del self._entries[name]
        if code is not None or self._indexed != (self._entries, self._left) or time.monotonic() > self._alive_s:
            self._index(code)
        named = {entry["sha256"] for entry in self._entries.values()}
        for digest in self._stored - named:
            self._fs.rm_file(f"{self._own}/objects/{digest}")
            self._stored.discard(digest)

    def _files(self) -> Any:
        """Name in the index and path of each file; the log has the empty name."""
        yield "", self._log
        for folder, folders, names in os.walk(self._working):
            for name in sorted((*folders, *names)):
                path = Path(folder, name)
                shown = path.relative_to(self._working).as_posix()
                if name.startswith(self._plan["unfinished"]) or shown == self._plan["reserve"]:
                    continue
                if shown.encode("utf-8", "replace") != os.fsencode(shown):
                    self._left.append([ascii(shown)[1:-1], "has a name that is not UTF-8: not copied"])
                elif path.is_dir() and path.is_symlink():
                    if not path.resolve().is_relative_to(self._working.resolve()):
                        self._left.append([shown, "is a link to a folder outside of the outputs: not copied"])
                elif not path.is_dir() and not path.is_file():
                    self._left.append([shown, "is a broken link or no regular file: not copied"])
                elif path.is_file():
                    yield shown, path

    def _store_file(self, name: str, path: Path) -> None:
        try:
            state = path.stat()
            mark = (state.st_mtime_ns, state.st_size)
            if name in self._entries and self._marks.get(name) == mark:
                return
            content = path.read_bytes() if state.st_size <= _WHOLE_BYTES else None
            digest = _sha256(path) if content is None else hashlib.sha256(content).hexdigest()
        except FileNotFoundError:
            return  # deleted meanwhile
        except OSError as fault:
            self._left.append([name, f"cannot be read: {fault.strerror}"])
            return
        if digest not in self._stored:
            place = f"{self._own}/objects/{digest}"
            if content is None:
                self._fs.put_file(str(path), place)
                with suppress(FileNotFoundError):
                    state = path.stat()
                if (state.st_mtime_ns, state.st_size) != mark:
                    self._fs.rm_file(place)
                    return  # it changed meanwhile: the next time
            else:
                self._fs.pipe_file(place, content)
            self._stored.add(digest)
        self._entries[name] = {
            "path": name,
            "size_bytes": mark[1] if content is None else len(content),
            "sha256": digest,
        }
        # A file that has just been written may change once more without another time.
        self._marks[name] = mark if time.time() - state.st_mtime > _SETTLED_S else (0, -1)

    def _index(self, code: int | None) -> None:
        self._number += 1
        index = {
            "number": self._number,
            "nonce": self._plan["nonce"],
            "begun_at": self._begun_at,
            "at": _now(),
            "asked": self._asked,
            "exit_code": code,
            "ended": code is not None,
            "log": self._entries.get(""),
            "files": [self._entries[name] for name in sorted(self._entries) if name],
            "left": self._left,
        }
        # Two names in turn: a kill while one is written leaves the other.
        self._fs.pipe_file(f"{self._own}/index-{self._number % 2}.json", json.dumps(index).encode())
        self._alive_s = time.monotonic() + _ALIVE_EVERY_S
        self._indexed = (dict(self._entries), self._left)

    def _say(self, line: str) -> None:
        with self._log.open("ab") as log:
            log.write(f"[ray] {line}\n".encode("utf-8", "backslashreplace"))

    def _show_log(self) -> None:
        """Copy new bytes of the log to this job's own output, from which Ray makes its log."""
        with self._log.open("rb") as log:
            log.seek(self._shown)
            while chunk := log.read(1 << 20):
                self._shown += len(chunk)
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _poll(kernel: subprocess.Popen[bytes]) -> int | None:
    with suppress(subprocess.TimeoutExpired):
        return kernel.wait(timeout=_TICK_S)
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat()


def main(fs: Any, root: str, plan: dict[str, Any]) -> int:
    """Run the session in a folder of its own, which is deleted at the end."""
    here = Path(tempfile.mkdtemp(prefix="orchestrator-ray-"))
    try:
        return Start(fs, root, plan, here).run()
    finally:
        shutil.rmtree(here, ignore_errors=True)
