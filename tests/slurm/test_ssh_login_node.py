"""What the login node behind a real sshd does with files and commands, without Slurm's daemons."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.backends.slurm.ssh.connection import Connection, socket_folder
from orchestrator.backends.slurm.ssh.login_node import SshLoginNode
from orchestrator.backends.slurm.ssh.remote_folder import remote_folder
from orchestrator.core.errors import BadInput, NameTaken, RemoteUnavailable
from orchestrator.kernel.wire import member_folder
from tests.slurm.sshd import HOST, LoopbackSshd, loopback_sshd

SLUG = "arz-validation-mine-00000000-s01"
BIG = random.Random(1).randbytes(6_000_000)
pytestmark = pytest.mark.timeout(60)
_SERVER = "/usr/lib/openssh/sftp-server"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    chosen = {"SBATCH_TIMELIMIT": "5", "SBATCH_ACCOUNT": "mine", "SLURM_CONF": "/etc/x", "SCRATCH": "/far/my scratch"}
    with loopback_sshd(chosen) as sshd:
        server = sshd.folder / "sftp-server"
        config = sshd.folder / "sshd_config"
        config.write_text(config.read_text().replace("internal-sftp", str(server)))
        sshd.kill()
        sshd.start()
        yield sshd


@pytest.fixture
def sshd(daemon: LoopbackSshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSshd]:
    for name, value in daemon.environ.items():
        monkeypatch.setenv(name, value)
    _serve(daemon)
    yield daemon
    (daemon.folder / "home/.bash_profile").unlink(missing_ok=True)


def _serve(sshd: LoopbackSshd, line: str = f"exec {_SERVER}") -> None:
    """The program that answers sftp."""
    path = sshd.folder / "sftp-server"
    path.write_text(f"#!/bin/bash\n{line}\n")
    path.chmod(0o755)


class Side:
    """A login node whose folder of sessions is looked at from behind."""

    def __init__(self, sshd: LoopbackSshd, root: Path) -> None:
        self.there = root / "there"
        self.seen = root / "seen"
        self.connection = Connection(HOST, sshd.folder / "sockets")
        self.node = SshLoginNode(self.connection, PurePosixPath(self.there), self.seen)

    def session(self, slug: str = SLUG, nonce: str = "1" * 32) -> Path:
        """The output folder of a session's first start."""
        working = self.there / slug / "starts/1/working"
        working.mkdir(parents=True)
        (self.there / slug / "nonce").write_text(nonce)
        return working

    def place(self, content: bytes = BIG, nonce: str = "1" * 32, slug: str = SLUG) -> Path:
        """A new folder with one checkpoint; returns that there."""

        def fill(folder: SessionFolder) -> None:
            path = folder.input / "models/model.zip"
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
            folder.starts.mkdir()
            folder.nonce.write_text(nonce)

        self.node.place(slug, fill)
        return self.there / slug / "input/models/model.zip"


@pytest.fixture
def side(sshd: LoopbackSshd, tmp_path: Path) -> Side:
    return Side(sshd, tmp_path)


def test_outputs_come_as_they_are(side: Side, tmp_path: Path) -> None:
    working = side.session()
    odd = ["a b[1]*?.txt", 'we"ird\\.txt', "-dash", "sub/deep/é\u2603.bin", "#hash", "empty", os.fsdecode(b"\xff\xfe")]
    for number, name in enumerate(odd):
        (working / name).parent.mkdir(parents=True, exist_ok=True)
        (working / name).write_bytes(f"{number}".encode() if name != "empty" else b"")
    (working / "link").symlink_to("#hash")
    (working / "inside").symlink_to("sub")
    (working / "outside").symlink_to("/etc")
    (working / "broken").symlink_to("nowhere")
    (working / "two\nlines").touch()
    os.mkfifo(working / "pipe")
    (side.there / SLUG / "kernel.log").write_text("hello\n")
    outputs = side.node.outputs(SLUG, None)
    got = outputs.folder.output(1, None)
    assert {name: (got / name).read_bytes() for name in odd} == {name: (working / name).read_bytes() for name in odd}
    assert (got / "link").read_bytes() == b"4" and not (got / "link").is_symlink()
    assert outputs.folder.log.read_text() == "hello\n"
    left = {path.as_posix(): reason for path, reason in outputs.left}
    assert left == {
        "starts/1/working/outside": "is a link to a folder outside of the outputs: not copied",
        "starts/1/working/broken": "is a broken link or no regular file: not copied",
        "starts/1/working/pipe": "is a broken link or no regular file: not copied",
        "starts/1/working/two\nlines": "has a line break in its name: not copied over SSH",
    }
    (working / "#hash").unlink()
    (working / "sub/deep/é\u2603.bin").write_bytes(b"new")
    side.node.outputs(SLUG, None)
    assert not (got / "#hash").exists() and (got / "sub/deep/é\u2603.bin").read_bytes() == b"new"


def test_one_session_of_a_pack_brings_its_own_outputs_only(side: Side) -> None:
    working = side.session()
    for name in (member_folder(1), member_folder(2)):
        (working / name).mkdir()
        (working / name / "x.txt").write_text(name)
    folder = side.node.outputs(SLUG, 2).folder
    assert (folder.output(1, 2) / "x.txt").read_text() == member_folder(2)
    assert not (folder.output(1, 1) / "x.txt").exists()


def test_a_download_that_broke_off_continues(side: Side, sshd: LoopbackSshd) -> None:
    (side.session() / "model.zip").write_bytes(BIG)
    _serve(sshd, f"{_SERVER} | {{ stdbuf -o0 head -c 3000000; kill -9 $PPID; }}")
    with pytest.raises(RemoteUnavailable, match="no connection to login") as caught:
        side.node.outputs(SLUG, None)
    assert caught.value.transient
    (draft,) = (side.seen / ".parts").iterdir()
    had = draft.read_bytes()
    assert 0 < len(had) < len(BIG) and BIG.startswith(had)
    assert not (side.seen / SLUG / "starts/1/working/model.zip").exists()
    draft.write_bytes(b"x" * len(had))  # what is here is not asked for again
    _serve(sshd)
    folder = side.node.outputs(SLUG, None).folder
    assert (folder.output(1, None) / "model.zip").read_bytes() == b"x" * len(had) + BIG[len(had) :]


def test_another_version_is_never_continued(side: Side, sshd: LoopbackSshd) -> None:
    model = side.session() / "model.zip"
    model.write_bytes(BIG)
    _serve(sshd, f"{_SERVER} | {{ stdbuf -o0 head -c 3000000; kill -9 $PPID; }}")
    with pytest.raises(RemoteUnavailable):
        side.node.outputs(SLUG, None)
    _serve(sshd)
    model.write_bytes(BIG[::-1])
    folder = side.node.outputs(SLUG, None).folder
    assert (folder.output(1, None) / "model.zip").read_bytes() == BIG[::-1]


def test_an_upload_that_broke_off_continues_and_appears_whole(side: Side, sshd: LoopbackSshd) -> None:
    _serve(sshd, f"{{ stdbuf -o0 head -c 3000000; kill -9 $PPID; }} | {_SERVER}")
    with pytest.raises(RemoteUnavailable, match="no connection to login"):
        side.place()
    (draft,) = side.there.glob(".new-*/input/models/model.zip")
    had = draft.stat().st_size
    assert 0 < had < len(BIG) and side.node.names("") == []
    _serve(sshd)
    assert side.place().read_bytes() == BIG
    assert side.node.names("") == [SLUG] and list(side.there.glob(".*")) == []


def test_what_arrives_damaged_never_gets_its_name(side: Side, sshd: LoopbackSshd) -> None:
    _serve(sshd, f"{{ stdbuf -o0 head -c 3000000; kill -9 $PPID; }} | {_SERVER}")
    with pytest.raises(RemoteUnavailable):
        side.place()
    (draft,) = side.there.glob(".new-*/input/models/model.zip")
    draft.write_bytes(b"x" * draft.stat().st_size)
    _serve(sshd)
    with pytest.raises(RemoteUnavailable, match="what arrived is not what was sent") as caught:
        side.place()
    assert caught.value.transient and list(side.there.iterdir()) == []
    assert side.place().read_bytes() == BIG


def test_a_checkpoint_that_the_cluster_has_is_not_sent_again(side: Side, sshd: LoopbackSshd) -> None:
    models = side.session() / "mine/data/models"
    models.mkdir(parents=True)
    (models / "model.zip").write_bytes(BIG)
    _serve(sshd, f"{{ stdbuf -o0 head -c 50000; kill -9 $PPID; }} | {_SERVER}")
    assert side.place(slug="arz-validation-mine-00000000-s02").read_bytes() == BIG


def test_a_submitted_session_is_never_replaced(side: Side) -> None:
    side.session()
    (side.there / SLUG / "submitted.json").write_text("{}")
    with pytest.raises(NameTaken):
        side.place(b"new")
    assert not (side.there / SLUG / "input").exists()


def test_looks_follow_what_changes(side: Side) -> None:
    assert side.node.look(SLUG).read_nonce() == "" and side.node.look_all() == []
    side.session()
    (side.there / SLUG / "cancel").touch()
    folder = side.node.look(SLUG)
    assert folder.read_nonce() == "1" * 32 and folder.numbers() == [1] and folder.cancel.exists()
    assert [one.root.name for one in side.node.look_all()] == [SLUG]
    assert folder.silences_s is not None and folder.silent_s() < 60
    (side.there / SLUG / "cancel").unlink()
    assert not side.node.look(SLUG).cancel.exists()
    (side.there / SLUG / "starts").rename(side.there / SLUG / "emptied")
    assert not side.node.look(SLUG).starts.exists()


def test_the_tasks_of_an_array_fall_silent_one_by_one(side: Side) -> None:
    root = side.session().parents[2]
    (root / "array").write_text("3")
    (root / "starts/1").rename(root / "starts/2-1")
    (root / "starts/3-1").mkdir()
    (root / "kernel.3.log").write_text("three\n")
    (root / "kernel.12.log").write_text("twelve\n")
    for path in (root / "starts/2-1").rglob("*"):
        os.utime(path, (time.time() - 500,) * 2, follow_symlinks=False)
    os.utime(root / "starts/2-1", (time.time() - 500,) * 2)
    whole = side.node.look(SLUG)
    second, third = whole.of(2)[0], whole.of(3)[0]
    assert second.numbers() == third.numbers() == [1] and whole.numbers() == []
    assert 490 < second.silent_s() < 560 and third.silent_s() < 60 and whole.silent_s() < 60
    assert side.node.grown(third, third.log).read_text() == "three\n"
    assert side.node.look(SLUG).of(3)[0].log.exists()  # a look keeps the logs that were brought


def test_a_log_comes_in_pieces(side: Side) -> None:
    side.session()
    log = side.there / SLUG / "kernel.log"
    folder = side.node.look(SLUG)
    assert not side.node.grown(folder, folder.log).exists()
    log.write_text("one\n")
    assert side.node.grown(folder, folder.log).read_text() == "one\n"
    with log.open("a") as stream:
        stream.write("two\n")
    folder.log.write_text("ONE\n")  # what is here is not asked for again
    assert side.node.grown(folder, folder.log).read_text() == "ONE\ntwo\n"
    log.write_text("3\n")
    assert side.node.grown(folder, folder.log).read_text() == "3\n"
    (side.there / SLUG / "nonce").write_text("2" * 32)  # another session
    assert not side.node.look(SLUG).log.exists()


def test_two_commands_look_at_the_same_time(side: Side, sshd: LoopbackSshd) -> None:
    """`status` in a second shell, while `run` watches: both use the same copies."""
    working = side.session()
    (working / "model.zip").write_bytes(BIG)
    (side.there / SLUG / "kernel.log").write_bytes(b"line\n" * 100_000)

    def use(number: int) -> tuple[bytes, bytes]:
        node = SshLoginNode(Connection(HOST, sshd.folder / "sockets"), PurePosixPath(side.there), side.seen)
        (side.there / SLUG / f"fetched-{number}").touch()
        folder = node.outputs(SLUG, None).folder
        node.look(SLUG)
        return (folder.output(1, None) / "model.zip").read_bytes(), folder.log.read_bytes()

    with ThreadPoolExecutor(4) as others:
        for got in others.map(use, range(4)):
            assert got == (BIG, b"line\n" * 100_000)


def test_what_was_on_its_way_for_a_week_is_deleted(side: Side) -> None:
    parts = side.seen / ".parts"
    parts.mkdir(parents=True)
    for name, age_s in (("old", 8 * 86_400), ("new", 60)):
        (parts / name).touch()
        os.utime(parts / name, (time.time() - age_s,) * 2)
    side.node.sweep()
    assert [path.name for path in parts.iterdir()] == ["new"]


def test_marks_are_written_once(side: Side) -> None:
    side.session()
    side.node.write(SLUG, "submitted.json", 'it\'s "1" $HOME `x`\n')
    side.node.write(SLUG, "submitted.json", "2")
    assert (side.there / SLUG / "submitted.json").read_text() == 'it\'s "1" $HOME `x`\n'
    with pytest.raises(RemoteUnavailable):
        side.node.write("absent", "x", "")


def test_old_outputs_are_swept_there(side: Side) -> None:
    for number in range(5):
        side.session(f"s{number}")
        fetched = side.there / f"s{number}/fetched"
        fetched.touch()
        os.utime(fetched, (1000.0 + number, 1000.0 + number))
    side.session("open")
    side.node.sweep()
    assert sorted(path.parent.name for path in side.there.glob("*/starts")) == ["open", "s2", "s3", "s4"]
    assert (side.there / "s0/nonce").exists() and not (side.there / "s0/fetched").exists()


def test_a_login_shell_may_talk(side: Side, sshd: LoopbackSshd) -> None:
    (sshd.folder / "home/.bash_profile").write_text("echo Welcome; echo orchestrator; echo trouble >&2\n")
    assert side.node.absent(["ls", "no-such-tool"]) == ["no-such-tool"]


def test_variables_of_slurm_there_are_left_out(side: Side) -> None:
    def names(*kept: str) -> set[str]:
        out = side.node.run(("env",), None, kept, 10.0).out
        return {line.partition("=")[0] for line in out.splitlines()} & {
            "SBATCH_TIMELIMIT",
            "SBATCH_ACCOUNT",
            "SLURM_CONF",
        }

    assert names("SBATCH_ACCOUNT") == {"SBATCH_ACCOUNT", "SLURM_CONF"} and names() == {"SLURM_CONF"}


def test_words_reach_a_command_as_they_are(side: Side) -> None:
    words = ("printf", "%s|", "a b", "$HOME", "it's", "*", "`id`", "--x=\n", "é")
    answer = side.node.run(words, None, (), 10.0)
    assert (answer.code, answer.out) == (0, "".join(f"{one}|" for one in words[2:]))
    assert side.node.run(("sh", "-c", "echo no >&2; exit 3"), PurePosixPath("/tmp"), (), 10.0).code == 3
    with pytest.raises(FileNotFoundError):
        side.node.run(("no-such-tool",), None, (), 10.0)


def test_a_command_that_takes_too_long_is_given_up(side: Side) -> None:
    with pytest.raises(TimeoutError):
        side.node.run(("sleep", "30"), None, (), 0.5)


def test_a_connection_that_breaks_in_a_command_may_have_done_its_work(side: Side, sshd: LoopbackSshd) -> None:
    done = sshd.folder / "home/done"
    # The command is a child of the login shell, and that one of the process of this connection.
    script = f'touch {done}; kill -9 "$(ps -o ppid= -p $PPID | tr -d " ")"; sleep 5'
    with pytest.raises(ConnectionError, match="the connection to login broke"):
        side.node.run(("bash", "-c", script), None, (), 20.0)
    assert done.exists()
    assert side.node.names("") == []  # the next command makes a connection of its own


def test_an_open_connection_of_the_user_is_used(sshd: LoopbackSshd) -> None:
    connection = Connection(HOST, sshd.folder / "unused")
    config = sshd.folder / "ssh_config"
    before = config.read_text()
    config.write_text(f"{before}  ControlPath {sshd.folder}/mine\n")
    try:
        subprocess.run(["ssh", "-fNM", HOST], check=True, timeout=30, stderr=subprocess.DEVNULL)
        (sshd.folder / "authorized_keys").rename(sshd.folder / "taken")  # only the open connection works
        assert connection.run("echo here", 10.0).out == b"here\n"
        assert not (sshd.folder / "unused").exists()
    finally:
        (sshd.folder / "taken").rename(sshd.folder / "authorized_keys")
        subprocess.run(["ssh", "-O", "exit", HOST], check=True, timeout=30, stderr=subprocess.DEVNULL)
        config.write_text(before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "{home}/.orchestrator/slurm"),
        ("~/runs", "{home}/runs"),
        ("runs", "{home}/runs"),
        ("/abs/runs", "/abs/runs"),
        ("$SCRATCH/runs", "/far/my scratch/runs"),
        ("${SCRATCH}x/$(touch never)", None),
        ("$NOT_SET/runs", None),
        ("~other/runs", None),
    ],
)
def test_the_folder_is_named_as_there(side: Side, sshd: LoopbackSshd, text: str, expected: str | None) -> None:
    home = sshd.folder / "home"
    if expected is None:
        with pytest.raises(BadInput, match="names a variable or a user that is not known on login"):
            remote_folder(side.connection, text)
        assert not (home / "never").exists()
    else:
        assert str(remote_folder(side.connection, text)) == expected.format(home=home)


def _open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("make", [_open_to_all, Path.touch, lambda folder: folder.symlink_to("/tmp")])
def test_sockets_lie_in_a_private_folder_only(sshd: LoopbackSshd, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "sockets")
    with pytest.raises(BadInput, match="is not a private folder of yours"):
        Connection(HOST, tmp_path / "sockets").run("true", 10.0)


def test_the_path_of_a_socket_stays_short() -> None:
    """OpenSSH writes 40 characters for %C and adds 17 while it opens the socket; macOS allows 104."""
    for runtime in ("", "/run/user/1000", "/var/folders/zz/" + "x" * 60):
        assert len(str(socket_folder({"XDG_RUNTIME_DIR": runtime}))) + 1 + 40 + 17 < 104
