"""A real sshd for tests: on 127.0.0.1, with its own key, port and authorised key, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.slurm.daemons import wait_until

REQUIRED = "SSH_TESTS"
"""`required`: where the daemon cannot run, the tests fail instead of being skipped."""

HOST = "login"
"""What the cards of the tests name; the configuration of ssh knows its address, port and key."""

_PROGRAMS = ("sshd", "ssh", "sftp", "ssh-keygen")
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

_SSHD_CONF = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitUserEnvironment no
PrintMotd no
MaxStartups 100
Subsystem sftp internal-sftp
SetEnv {variables}
"""

_SSH_CONF = """\
Host {host}
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""


_CLIENT = """\
#!/bin/sh
{program} -F {folder}/ssh_config "$@"
code=$?
echo "$code" >> {folder}/codes
exit "$code"
"""


@dataclass(slots=True)
class LoopbackSshd:
    """A login node on this computer.

    Attributes:
        folder: Its keys, configurations and log; `home` in it stands for the user's home folder.
        port: On 127.0.0.1.
        environ: Environment of commands on this side: their `ssh` and `sftp` read the configuration of the tests.
    """

    folder: Path
    port: int
    environ: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start the daemon; it answers afterwards."""
        program = shutil.which("sshd", path=_PATH)
        assert program is not None
        words = [program, "-f", str(self.folder / "sshd_config"), "-E", str(self.folder / "sshd.log")]
        done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=30, check=False)
        assert done.returncode == 0, f"sshd does not start: {done.stderr}\n{self.log()}"
        wait_until(self._answers, f"sshd does not answer\n{self.log()}")

    def kill(self) -> None:
        """kill -9 of the daemon and of all its connections."""
        daemon = self._daemon()
        if daemon is None:
            return
        for process in (daemon, *self.connections()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_until(lambda: not self._answers(), "sshd outlives kill -9")
        (self.folder / "sshd.pid").unlink(missing_ok=True)

    def connections(self) -> list[int]:
        """Processes of sshd below the daemon, at any depth; not what runs in their shells."""
        daemon = self._daemon()
        found, waiting = list[int](), [daemon] if daemon else []
        while waiting:
            parent = waiting.pop()
            for child in _children(parent):
                if Path(f"/proc/{child}/comm").read_text().strip() == "sshd":
                    found.append(child)
                    waiting.append(child)
        return found

    def cut(self) -> None:
        """kill -9 of all connections; the daemon accepts new ones."""
        for process in self.connections():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def codes(self) -> list[str]:
        """Exit codes of the clients so far."""
        path = self.folder / "codes"
        return path.read_text().split() if path.exists() else []

    def log(self) -> str:
        """The end of the daemon's log."""
        path = self.folder / "sshd.log"
        return path.read_text("utf-8", "replace")[-3000:] if path.exists() else ""

    def _daemon(self) -> int | None:
        try:
            return int((self.folder / "sshd.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def loopback_sshd(variables: Mapping[str, str]) -> Iterator[LoopbackSshd]:
    """A running daemon; it and the connections to it end with the test.

    Args:
        variables: Environment of the commands on the other side.
    """
    lacking = reason_not_to_run()
    if lacking:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(f"{REQUIRED}=required, but {lacking}")
        pytest.skip(lacking)
    folder = Path(tempfile.mkdtemp(prefix="sshd-", dir="/tmp"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        sshd = LoopbackSshd(folder, probe.getsockname()[1])
    try:
        _configure(sshd, variables)
        sshd.start()
        yield sshd
    finally:
        sshd.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _configure(sshd: LoopbackSshd, variables: Mapping[str, str]) -> None:
    folder = sshd.folder
    for name in ("host_key", "key"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True, timeout=30, stdin=subprocess.DEVNULL)
    (folder / "authorized_keys").write_text((folder / "key.pub").read_text())
    host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {host_key}\n")
    (folder / "home").mkdir()
    pairs = {"HOME": str(folder / "home"), **variables}
    shown = " ".join(f'"{name}={value}"' for name, value in pairs.items())
    (folder / "sshd_config").write_text(_SSHD_CONF.format(port=sshd.port, folder=folder, variables=shown))
    user = pwd.getpwuid(os.geteuid()).pw_name
    (folder / "ssh_config").write_text(_SSH_CONF.format(host=HOST, port=sshd.port, user=user, folder=folder))
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for name in ("ssh", "sftp"):
        (bin_folder / name).write_text(_CLIENT.format(program=shutil.which(name), folder=folder))
        (bin_folder / name).chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # without it a daemon of root refuses to start
    sshd.environ |= {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "XDG_RUNTIME_DIR": str(folder),  # holds the sockets of connections
    }


def reason_not_to_run() -> str:
    """Why the daemon cannot run here; empty if it can."""
    absent = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    return f"OpenSSH is not installed ({', '.join(absent)}): apt-get install openssh-server" if absent else ""


def _children(process: int) -> list[int]:
    found = []
    for folder in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in folder.read_text().split()]
    return found
