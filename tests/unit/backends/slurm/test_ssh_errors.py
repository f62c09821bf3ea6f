"""OpenSSH's sentences and those of a far disk: each has its error, and an unclear one never means that nothing ran."""

from __future__ import annotations

import pytest

from orchestrator.backends.slurm.ssh import errors
from orchestrator.core.errors import BadInput, OrchestratorError, RemoteUnavailable, StorageFault

HOST = "me@login"


@pytest.mark.parametrize(
    ("said", "words", "transient"),
    [
        # Recorded from OpenSSH 9.2.
        (
            "No ED25519 host key is known for [127.0.0.1]:22 and ...\r\nHost key verification failed.\r\n",
            "host key of",
            False,
        ),
        (
            "@@@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nHost key verification failed.\r\n",
            "changed",
            False,
        ),
        ("root@127.0.0.1: Permission denied (publickey).\r\n", "refused the login", False),
        (
            "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\n",
            "refused the login",
            False,
        ),
        ("ssh: Could not resolve hostname nope.invalid: Name or service not known\r\n", "there is no host", True),
        ("ssh: connect to host 127.0.0.1 port 9: Connection refused\r\n", "no connection to", True),
        ("ssh: connect to host 10.0.0.1 port 22: Connection timed out\r\n", "no connection to", True),
        ("ssh: connect to host 10.0.0.1 port 22: No route to host\r\n", "no connection to", True),
        ("kex_exchange_identification: read: Connection reset by peer\r\n", "no connection to", True),
        ("Connection closed by 127.0.0.1 port 22\r\n", "no connection to", True),
        ("Connection timed out during banner exchange\r\n", "no connection to", True),
    ],
)
def test_connections_that_were_never_made(said: str, words: str, transient: bool) -> None:
    fault = errors.not_connected(HOST, said)
    assert isinstance(fault, RemoteUnavailable) and words in str(fault)
    assert HOST in str(fault) and fault.remedy and fault.transient is transient
    assert "\n" not in str(fault) and "@@" not in str(fault)


def test_a_wrong_configuration_is_the_users() -> None:
    fault = errors.not_connected(HOST, "/home/me/.ssh/config: line 3: Bad configuration option: prot\r\n")
    assert isinstance(fault, BadInput) and "Bad configuration option: prot" in str(fault)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "client_loop: send disconnect: Broken pipe\r\n",
        "Timeout, server login not responding.\r\n",
        "Connection to login closed by remote host.\r\n",
        "mux_client_request_session: read from master failed: Broken pipe\r\n",
        "sbatch: error: Permission denied\n",
    ],
)
def test_a_connection_that_may_have_been_lost_later_is_not_taken_for_one_never_made(said: str) -> None:
    assert errors.not_connected(HOST, said) is None


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("head: error writing 'standard output': No space left on device\n", StorageFault),
        ("bash: line 9: .partial-cancel: Disk quota exceeded\n", StorageFault),
        ("mkdir: cannot create directory '/scratch/x': Permission denied\n", BadInput),
        ("mkdir: cannot create directory '/x': Read-only file system\n", BadInput),
        ("cat: x: Stale file handle\n", RemoteUnavailable),
        ("", RemoteUnavailable),
    ],
)
def test_files_that_a_disk_refuses(said: str, kind: type[OrchestratorError]) -> None:
    fault = errors.of_files(HOST, said)
    assert type(fault) is kind and HOST in str(fault) and fault.remedy
    assert said.strip().rpartition(": ")[2] in str(fault)
