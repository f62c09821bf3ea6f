"""`run --backend slurm` over SSH: a real sshd on 127.0.0.1 in front of Slurm's real daemons."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.sb3.state.npz_tree import read_state
from tests.doubles.commands import orchestrate
from tests.doubles.own_script import state_digest
from tests.doubles.script_section import make_script_project
from tests.doubles.toy_section import make_toy_project, read_card_file, set_behaviour, write_card
from tests.slurm.daemons import LoopbackSlurm, loopback_slurm, wait_until
from tests.slurm.ssh_project import LOOP_SCRIPT, PPO_SCRIPT
from tests.slurm.sshd import HOST, LoopbackSshd, loopback_sshd

SCRIPT_CARD = f"""\
section: mine
script: train.py
slurm: {{ssh: {HOST}, python: {sys.executable}}}
"""
PPO_CARD = f"{SCRIPT_CARD}profiles: {{quick: {{target_steps: 768}}, full: {{target_steps: 768}}}}\n"
MODELS = Path("validation_ch7/mine/data/models/checkpoints")

CUT = """\
#!/bin/bash
# Submits, then ends the connection without an answer, once.
answer=$({sbatch} "$@") || exit 1
if mkdir {flag} 2>/dev/null; then
  shell=$PPID
  kill -9 "$(ps -o ppid= -p "$shell" | tr -d ' ')"
  sleep 5
fi
echo "$answer"
"""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackSlurm]:
    with loopback_slurm() as slurm:
        yield slurm


@pytest.fixture
def sshd(cluster: LoopbackSlurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSshd]:
    """The login node; without it this computer has no cluster, since only the other side knows its configuration."""
    with loopback_sshd({name: cluster.environ[name] for name in ("SLURM_CONF", "PATH")}) as daemon:
        monkeypatch.setattr("orchestrator.backends.slurm.capabilities.LOOK_EVERY_S", (0.5, 1.0))
        for name, value in daemon.environ.items():
            monkeypatch.setenv(name, value)
        yield daemon


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(make_toy_project(tmp_path)))
    write_card(tmp_path, read_card_file(tmp_path) | {"slurm": {"ssh": HOST, "python": sys.executable}})
    return tmp_path


def _sessions(sshd: LoopbackSshd) -> Path:
    return sshd.folder / "home/.orchestrator/slurm"


def _started_jobs(sshd: LoopbackSshd) -> list[str]:
    return [path.read_text().strip() for path in sorted(_sessions(sshd).glob("*/starts/*/job"))]


def test_three_jobs_make_one_training(sshd: LoopbackSshd, toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    set_behaviour(toy, '{"1": {"do": "pause"}, "2": {"do": "pause"}}')
    assert main(["run", "section_7_6", "--quick", "--backend", "slurm", "--json"]) == 0
    summary = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (summary["steps_done"], summary["sessions"]) == (40, 3)
    assert len(set(_started_jobs(sshd))) == 3
    results = sorted(path.name for path in (toy / "validation_output/results").iterdir())
    assert [name.rpartition("-")[2] for name in results] == ["s01", "s02", "s03"]
    assert not (toy / ".orchestrator/slurm").exists()


@contextmanager
def _meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Run something beside the command of a test; its failure is the test's."""
    with ThreadPoolExecutor(1) as other:
        done = other.submit(act)
        yield
        done.result()


@pytest.mark.timeout(400)
def test_a_training_of_two_jobs_has_the_bytes_of_the_local_one(
    sshd: LoopbackSshd,
    cluster: LoopbackSlurm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    gate = tmp_path / "gate"
    script = PPO_SCRIPT.replace("GATE_OF_TEST", repr(str(gate)))
    far = make_script_project(tmp_path / "far", script, PPO_CARD)
    near = make_script_project(tmp_path / "near", script, PPO_CARD)

    def preempt() -> None:
        wait_until((tmp_path / "waits").exists, "the training does not wait", 240)
        cluster.command("scancel", "--batch", "--signal=TERM", _started_jobs(sshd)[0])

    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(far))
    with _meanwhile(preempt):
        assert main(["run", "mine", "--backend", "slurm", "--json"]) == 0
    summary = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (summary["steps_done"], summary["sessions"]) == (768, 2)
    paths = sorted((far / "validation_output/results").glob("*/session_manifest.json"))
    manifests = [json.loads(one.read_text()) for one in paths]
    assert [one["end_reason"] for one in manifests] == ["paused", "finished"]
    assert manifests[0]["steps_done"] == manifests[1]["steps_start"] == 320  # the end of that rollout
    gate.touch()
    assert orchestrate(near, "run", "mine", "--backend", "local").code == 0
    ends = [
        (root / MODELS / f"mine_checkpoint_768_steps{suffix}").read_bytes()
        for suffix in (".zip", ".kept.zip")
        for root in (far, near)
    ]
    assert ends[0] == ends[1] and ends[2] == ends[3]
    states = [read_state(root / MODELS / "mine_checkpoint_768_steps.state.npz") for root in (far, near)]
    # The file names the steps at which sessions were cut, so its bytes differ from those of an uncut training.
    assert [one.pop("provenance") for one in states] == [{"seams": [320]}, {"seams": []}]
    assert state_digest(states[0]) == state_digest(states[1])


def test_an_answer_of_sbatch_that_is_cut_off_is_read_back(
    sshd: LoopbackSshd, cluster: LoopbackSlurm, toy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    far_bin = sshd.folder / "home/bin"
    far_bin.mkdir()
    flag = sshd.folder / "cut"
    (far_bin / "sbatch").write_text(CUT.format(sbatch=shutil.which("sbatch"), flag=flag))
    (far_bin / "sbatch").chmod(0o755)
    (sshd.folder / "home/.bash_profile").write_text('echo "Welcome to the cluster"\nPATH=$HOME/bin:$PATH\n')
    before = cluster.command("squeue", "--states=all", "--noheader", "--format=%i").split()
    assert main(["run", "section_7_6", "--quick", "--backend", "slurm", "--json"]) == 0
    captured = capfd.readouterr()
    assert flag.is_dir() and "The answer to the push was lost" in captured.err
    assert json.loads(captured.out.splitlines()[-1])["sessions"] == 1
    after = cluster.command("squeue", "--states=all", "--noheader", "--format=%i").split()
    assert len(after) - len(before) == 1 == len(_started_jobs(sshd))


def test_a_login_node_that_goes_away_during_a_watch_costs_nothing(
    sshd: LoopbackSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    gate = tmp_path / "gate"
    root = make_script_project(tmp_path / "far", LOOP_SCRIPT.replace("GATE_OF_TEST", repr(str(gate))), SCRIPT_CARD)

    def away() -> None:
        wait_until(lambda: _started_jobs(sshd) != [], "no job", 90)
        sshd.kill()
        before = len(sshd.codes())
        wait_until(lambda: "255" in sshd.codes()[before + 1 :], "no look failed")
        gate.touch()
        sshd.start()

    monkeypatch.setattr("orchestrator.pipeline.session.watch._SAID_WAIT_S", 0.0)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
    with _meanwhile(away):
        assert main(["run", "mine", "--backend", "slurm", "--json"]) == 0
    captured = capfd.readouterr()
    assert "no connection to login: " in captured.err and "asking again for up to 30 min" in captured.err
    summary = json.loads(captured.out.splitlines()[-1])
    assert (summary["steps_done"], summary["sessions"]) == (30, 1)
    assert len(_started_jobs(sshd)) == 1


def _run(toy: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["run", "section_7_6", "--quick", "--backend", "slurm"])
    assert list((toy / "validation_output").glob("results/*")) == []  # nothing ran elsewhere
    return code, capfd.readouterr().err


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_unknown_host_key_is_exit_code_4(sshd: LoopbackSshd, toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (sshd.folder / "known_hosts").write_text("")
    code, err = _run(toy, capfd)
    assert code == 4 and "the host key of login is not known here, or has changed" in err
    assert "Connect once by hand, compare the key and accept it: `ssh login`" in err
    assert main(["doctor", "section_7_6", "--backend", "slurm"]) == 4
    assert "✗ SSH: the host key of login is not known here" in capfd.readouterr().out


def test_a_refused_key_is_exit_code_4(sshd: LoopbackSshd, toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (sshd.folder / "authorized_keys").write_text("")
    code, err = _run(toy, capfd)
    assert code == 4 and "login refused the login: " in err and "Permission denied (publickey)" in err
    assert "must work without a question: load the key with `ssh-add`" in err


def test_a_host_that_does_not_exist_is_exit_code_4(
    sshd: LoopbackSshd, toy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _change(sshd.folder / "ssh_config", "HostName 127.0.0.1", "HostName no-such-host.invalid")
    code, err = _run(toy, capfd)
    assert code == 4 and "there is no host login, or no network: " in err


def test_a_login_node_that_is_down_is_exit_code_4(
    sshd: LoopbackSshd, toy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sshd.kill()
    code, err = _run(toy, capfd)
    assert code == 4 and "no connection to login: ssh: connect to host 127.0.0.1" in err
    assert "Run the same command again when `ssh login` works" in err


def test_a_login_node_without_slurm_is_exit_code_4(
    sshd: LoopbackSshd, toy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (sshd.folder / "home/.bash_profile").write_text("hash -r\nPATH=$HOME/tools\n")
    tools = sshd.folder / "home/tools"
    tools.mkdir()
    for name in ("df", "awk", "dirname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    code, err = _run(toy, capfd)
    assert code == 4 and "login has no Slurm: sbatch was not found" in err
    assert main(["doctor", "section_7_6", "--backend", "slurm"]) == 2
    assert "✗ Slurm's commands: not found: sbatch, squeue, scontrol, scancel" in capfd.readouterr().out


def test_a_full_disk_there_is_exit_code_2_and_the_same_command_continues(
    sshd: LoopbackSshd, toy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files stands for the full disk: both refuse a write in the middle of a file."""
    limit = "trap '' XFSZ; ulimit -f 8"
    server = sshd.folder / "sftp-server"
    server.write_text(f"#!/bin/bash\n{limit}\nexec /usr/lib/openssh/sftp-server\n")
    server.chmod(0o755)
    _change(sshd.folder / "sshd_config", "internal-sftp", str(server))
    (sshd.folder / "home/.bash_profile").write_text(f"{limit}\n")
    sshd.kill()
    sshd.start()
    code, err = _run(toy, capfd)
    assert code == 2 and "the disk of login is full: " in err and "Free some space there" in err
    assert list(_sessions(sshd).iterdir()) == []  # the space is free again
    _change(server, limit, "")
    _change(sshd.folder / "home/.bash_profile", limit, "")
    assert main(["run", "section_7_6", "--quick", "--backend", "slurm"]) == 0


def test_a_folder_that_cannot_be_used_there_is_named(
    sshd: LoopbackSshd, toy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (sshd.folder / "home/.orchestrator").write_text("a file")
    code, err = _run(toy, capfd)
    assert code == 2 and "the folder of the sessions on login cannot be used: " in err


def test_doctor_checks_the_connection_too(sshd: LoopbackSshd, toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "section_7_6", "--backend", "slurm"]) == 0
    out = capfd.readouterr().out
    assert "✓ SSH: login runs commands, without a question" in out
    assert f"✓ folder of the sessions: {_sessions(sshd)}" in out and "✓ Slurm: slurm" in out


def test_this_computer_without_openssh_is_exit_code_4(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, err = _run(toy, capfd)
    assert code == 4 and "this computer has no ssh" in err and "Install OpenSSH's client" in err
