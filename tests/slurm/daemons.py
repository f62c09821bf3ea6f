"""Slurm's real daemons for tests: munged, slurmctld and slurmd of one node, in a temporary folder, on free ports."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REQUIRED = "SLURM_TESTS"
"""`required`: where the daemons cannot run, the tests fail instead of being skipped."""

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
_PATIENCE_S = 30.0
_SET_ADDRESS = 0x8916
"""SIOCSIFADDR of sockios.h."""

_CONF = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
SlurmdParameters=config_overrides
MinJobAge={min_job_age_s}
KillWait=10
MessageTimeout=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=3000
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=minute Nodes={host} MaxTime=1 State=UP
"""

_WATCHDOG = """
while kill -0 "$1" 2>/dev/null; do sleep 2; done
export SLURM_CONF="$2/slurm.conf"
timeout 10 scancel --signal=KILL --full --user="$3"
for file in "$2"/*.pid; do kill -9 "$(cat "$file")"; done
rm -rf "$2"
"""
"""Ends the daemons where the tests were killed and could not."""


@dataclass(slots=True)
class LoopbackSlurm:
    """A cluster of one node on this computer.

    Attributes:
        folder: Configuration, state and logs of the daemons.
        environ: Environment in which Slurm's commands find it.
    """

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self._daemon(
            *("munged", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.sock"),
            *(f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log"),
            f"--seed-file={self.folder}/munged.seed",
        )
        self.start_controller("-c")
        self._daemon("slurmd", "-f", self._conf, "-c", "-N", socket.gethostname())
        self._until_idle()

    def start_controller(self, *options: str) -> None:
        self._daemon("slurmctld", "-f", self._conf, *options)

    def kill_controller(self) -> None:
        """kill -9 of slurmctld."""
        process = self._process("slurmctld")
        assert process is not None, "slurmctld does not run"
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: not _alive(process), "slurmctld outlives kill -9")

    def stop(self) -> None:
        """Cancel all jobs, then end the daemons; what does not leave is killed."""
        with suppress(subprocess.SubprocessError):
            self.command("scancel", f"--user={_user()}", check=False)
            self.command("scancel", f"--user={_user()}", "--signal=KILL", "--full", check=False)
        for name in ("slurmd", "slurmctld", "munged"):
            process = self._process(name)
            if process is None:
                continue
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.kill(process, number)
                with suppress(AssertionError):
                    wait_until(lambda: not _alive(process), "", 5.0)  # noqa: B023 - called at once, in this round of the loop
                    break

    def command(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(words, env=self.environ, capture_output=True, encoding="utf-8", timeout=60, check=False)
        assert done.returncode == 0 or not check, f"{words}: {done.stderr}"
        return done.stdout

    def logs(self) -> str:
        return "\n".join(path.read_text("utf-8", "replace")[-3000:] for path in sorted(self.folder.glob("*.log")))

    @property
    def _conf(self) -> str:
        return str(self.folder / "slurm.conf")

    def _daemon(self, *words: str) -> None:
        done = subprocess.run(words, env=self.environ, capture_output=True, encoding="utf-8", timeout=30, check=False)
        assert done.returncode == 0, f"{words[0]} does not start: {done.stderr}\n{self.logs()}"

    def _process(self, name: str) -> int | None:
        try:
            return int((self.folder / f"{name}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _until_idle(self) -> None:
        def idle() -> bool:
            return "idle" in self.command("sinfo", "--noheader", "--partition=main", "--format=%T", check=False)

        try:
            wait_until(idle, "the node does not become idle")
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{self.logs()}") from None


@contextmanager
def loopback_slurm(*, min_job_age_s: int = 300) -> Iterator[LoopbackSlurm]:
    """A running cluster; it is stopped at the end, whatever happened.

    Args:
        min_job_age_s: How long the controller knows a job after its end.
    """
    lacking = reason_not_to_run()
    if lacking:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(f"{REQUIRED}=required, but {lacking}")
        pytest.skip(lacking)
    # Not below pytest's folder: the path of munged's socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    conf = folder / "slurm.conf"
    slurm = LoopbackSlurm(folder, {**os.environ, "PATH": _PATH, "SLURM_CONF": str(conf)})
    for name in ("state", "spool"):
        (folder / name).mkdir()
    controller_port, node_port = _free_ports()
    conf.write_text(
        _CONF.format(
            host=socket.gethostname(),
            user=_user(),
            folder=folder,
            controller_port=controller_port,
            node_port=node_port,
            min_job_age_s=min_job_age_s,
        )
    )
    watchdog = subprocess.Popen(
        ["sh", "-c", _WATCHDOG, "sh", str(os.getpid()), str(folder), _user()], start_new_session=True
    )
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
        watchdog.kill()
        watchdog.wait()
        shutil.rmtree(folder, ignore_errors=True)


def reason_not_to_run() -> str:
    """Why the daemons cannot run here; empty if they can."""
    absent = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    if absent:
        return f"Slurm is not installed ({', '.join(absent)}): apt-get install slurm-wlm munge"
    try:
        addresses = {one[4][0] for one in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    except OSError:
        addresses = set()
    if not any(str(one).startswith("127.") for one in addresses):
        return f"the host name {socket.gethostname()} is no name of this computer's loopback"
    return "" if _has_address() or _add_address() else "this network has no address beside 127.0.0.1"


def _has_address() -> bool:
    """Whether this network has an address beside 127.0.0.1.

    Slurm resolves with AI_ADDRCONFIG, for which glibc counts no other one as an address; a worker of the tests has a
    network with nothing but the loopback device.
    """
    try:
        flags = socket.AI_ADDRCONFIG | socket.AI_PASSIVE
        return bool(socket.getaddrinfo(None, 1, socket.AF_INET, socket.SOCK_STREAM, 0, flags))
    except OSError:
        return False


def _add_address() -> bool:
    """Give the loopback device of this network 127.0.0.2 as well, on which it answers anyway."""
    import fcntl  # absent on Windows

    address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton("127.0.0.2"))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            fcntl.ioctl(device, _SET_ADDRESS, struct.pack("16s16s", b"lo:1", address))
    except OSError:
        return False
    return _has_address()


def _user() -> str:
    """The user of this process: every daemon runs as that one, and runs the jobs of no other."""
    import pwd  # absent on Windows

    return pwd.getpwuid(os.geteuid()).pw_name


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds: Callable[[], bool], failure: str, patience_s: float = _PATIENCE_S) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: It does not within the time.
    """
    give_up_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < give_up_s, failure
        time.sleep(0.05)
