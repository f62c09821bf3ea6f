"""Runs `ssh` and `sftp`, the user's own, on one shared connection, and never waits for a password."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.backends.slurm.ssh import errors
from orchestrator.core.errors import BadInput, RemoteUnavailable

CONNECT_S, ALIVE_EVERY_S, ALIVE_COUNT = 15, 15, 4
"""A connection is made within 15 s, and lost when the other side is silent for a minute."""
KEPT_S = 120
"""Seconds without a command after which the shared connection closes by itself."""

_MARK = b"orchestrator begins\n"
"""What a script prints first: a login shell may greet above it."""
_OPTIONS = (
    *("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}"),
    *("-o", f"ServerAliveInterval={ALIVE_EVERY_S}", "-o", f"ServerAliveCountMax={ALIVE_COUNT}"),
    # What the user's configuration may add for sessions at a terminal would break these.
    *("-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "LogLevel=ERROR"),
)
_LONGEST_CHARS = 24
"""Of the folder above that of the sockets. Some systems cut the path of a socket at 104 characters; OpenSSH adds 57 to
the name of ours."""
_LOST = 255
"""Exit code of ssh if the connection failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a script printed, after its mark."""

    code: int
    out: bytes
    err: str


class Connection:
    """One login node.

    Args:
        host: Login node as OpenSSH names it, `user@host` or a host of `~/.ssh/config`.
        sockets: Private folder for the socket of the shared connection; its path is short.
    """

    def __init__(self, host: str, sockets: Path) -> None:
        self.host = host
        self._sockets = sockets

    def run(self, script: str, limit_s: float) -> Reply:
        """Run a script by bash in a login shell, without input.

        The script travels as input of the shell, so that no shell of the user's choice reads its signs. An incomplete
        one does nothing: it is one function, which is called last.

        Raises:
            RemoteUnavailable: The connection could not be made; nothing was run.
            TimeoutError: It took longer than `limit_s`; it may have run.
            ConnectionError: The connection broke; it may have run.
        """
        text = f"main() {{\n{script}\n}}\nprintf %s {_shown(_MARK)}\nmain </dev/null\nexit $?\n"
        words = [self._program("ssh"), "-T", "-x", *_OPTIONS, *self._shared, "--", self.host, "exec bash -l -s"]
        done = _run(words, text.encode("utf-8", "surrogateescape"), limit_s)
        err = done.stderr.decode("utf-8", "replace")
        noise, mark, out = done.stdout.partition(_MARK)
        if done.returncode == _LOST:
            fault = None if mark else errors.not_connected(self.host, err)
            raise fault or ConnectionError(f"the connection to {self.host} broke: {errors.sentence(err)}")
        if not mark:
            said = errors.sentence(err or noise.decode("utf-8", "replace"))
            raise RemoteUnavailable(
                f"{self.host} runs no commands: {said}", remedy=f"`ssh {self.host} bash -l` must give a shell."
            )
        return Reply(code=done.returncode, out=out, err=err)

    def transfer(self, batch: bytes, limit_s: float) -> str:
        """Run the lines of a batch by sftp; returns what it says of the files that failed.

        Raises:
            RemoteUnavailable: The connection failed; a part may be done.
            TimeoutError: It took longer than `limit_s`; a part may be done.
        """
        words = [self._program("sftp"), "-q", *_OPTIONS, *self._shared, "-b", "-", "--", self.host]
        done = _run(words, batch, limit_s)
        err = done.stderr.decode("utf-8", "replace")
        # With a `-` before each line sftp goes on after a file that failed, and fails only with its connection.
        if done.returncode:
            raise errors.not_connected(self.host, err) or errors.unreachable(self.host, errors.sentence(err))
        return err

    @cached_property
    def _shared(self) -> tuple[str, ...]:
        """Options of a connection that several commands share."""
        if os.name == "nt":
            return ()  # OpenSSH for Windows cannot share one
        words = [self._program("ssh"), *_OPTIONS, "-O", "check", "--", self.host]
        if _run(words, b"", CONNECT_S).returncode == 0:
            return ()  # the user has opened one, perhaps with a password or a code
        _make_private(self._sockets)
        path = self._sockets / "%C"
        return ("-o", "ControlMaster=auto", "-o", f"ControlPath={path}", "-o", f"ControlPersist={KEPT_S}")

    def _program(self, name: str) -> str:
        found = shutil.which(name)
        if found is None:
            raise RemoteUnavailable(f"this computer has no {name}", remedy=errors.MISSING)
        return found


def socket_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Folder of the sockets of this user."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime and len(runtime) <= _LONGEST_CHARS:
        return Path(runtime) / "orchestrator-ssh"
    return Path("/tmp") / f"orchestrator-ssh-{os.getuid() if hasattr(os, 'getuid') else 0}"


def _make_private(folder: Path) -> None:
    """Create a folder that only this user can enter.

    Raises:
        BadInput: Something else has that name, or another user owns it.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BadInput(
            f"{folder} is not a private folder of yours", remedy="Delete it; then run the same command again."
        )


def _run(words: list[str], text: bytes, limit_s: float) -> subprocess.CompletedProcess[bytes]:
    """Run a program with this input.

    In a session of its own: an interrupt from the keyboard is for this program, and sftp ends with its ssh.

    Raises:
        TimeoutError: It took longer than `limit_s`; it was killed.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        try:
            out, err = process.communicate(text, timeout=limit_s)
        except BaseException as fault:
            _kill(process)
            if isinstance(fault, subprocess.TimeoutExpired):
                raise TimeoutError(f"no answer within {limit_s:.0f} s") from fault
            raise
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _shown(mark: bytes) -> str:
    return f"$'{mark.decode().rstrip()}\\n'"
