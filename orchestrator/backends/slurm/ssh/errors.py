"""OpenSSH's sentences, and those of a far file system, as errors of this program. No I/O."""

from __future__ import annotations

import re

from orchestrator.core.errors import BadInput, OrchestratorError, RemoteUnavailable, StorageFault

MISSING = "Install OpenSSH's client: `apt-get install openssh-client`, on Windows the optional feature OpenSSH Client."

_UNKNOWN_KEY = re.compile(
    r"Host key verification failed|IDENTIFICATION HAS CHANGED|host key is known for", re.IGNORECASE
)
_REFUSED = re.compile(r"Permission denied \(|Too many authentication failures|No supported authentication methods")
_NO_HOST = re.compile(r"Could not resolve hostname", re.IGNORECASE)
_NO_CONNECTION = re.compile(
    r"^ssh: connect to |^(kex|ssh)_exchange_identification|^Connection (closed|reset) by \S+ port|banner exchange",
    re.MULTILINE,
)
_OWN_FILES = re.compile(
    r"Bad configuration option|Bad owner or permissions on|no argument after keyword", re.IGNORECASE
)
_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large")
_FORBIDDEN = re.compile(r"Permission denied|Read-only file system|Not a directory|Operation not permitted")


def sentence(stderr: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in stderr.splitlines()]
    said = [line for line in lines if line and not line.startswith(("@", "Warning: Permanently added"))]
    return said[-1] if said else "it gave no reason"


def not_connected(host: str, stderr: str) -> OrchestratorError | None:
    """The error of a connection that was never made; None if it may have been made, and lost later."""
    if _UNKNOWN_KEY.search(stderr):
        return RemoteUnavailable(
            f"the host key of {host} is not known here, or has changed: {sentence(stderr)}",
            remedy=f"Connect once by hand, compare the key and accept it: `ssh {host}`.",
        )
    if _REFUSED.search(stderr):
        return RemoteUnavailable(
            f"{host} refused the login: {sentence(stderr)}",
            remedy=f"`ssh {host}` must work without a question: load the key with `ssh-add`. Where it needs a "
            "password or a code, open a shared connection first (docs/ENGINES.md).",
        )
    if _NO_HOST.search(stderr):
        return RemoteUnavailable(
            f"there is no host {host}, or no network: {sentence(stderr)}",
            remedy="Correct slurm.ssh in the section's card or the host in ~/.ssh/config; the sessions go on.",
            transient=True,
        )
    if _OWN_FILES.search(stderr):
        return BadInput(f"ssh cannot use its configuration: {sentence(stderr)}", remedy="Correct ~/.ssh/config.")
    if _NO_CONNECTION.search(stderr):
        return unreachable(host, sentence(stderr))
    return None


def unreachable(host: str, why: str) -> RemoteUnavailable:
    """The error of a login node that does not answer now."""
    return RemoteUnavailable(
        f"no connection to {host}: {why}",
        remedy=f"Run the same command again when `ssh {host}` works; the sessions go on.",
        transient=True,
    )


def of_files(host: str, stderr: str) -> OrchestratorError:
    """The error of files on the login node that could not be read or written."""
    if _FULL.search(stderr):
        return StorageFault(
            f"the disk of {host} is full: {sentence(stderr)}",
            remedy="Free some space there, or choose another folder in the section's card (slurm.folder); then run the "
            "same command again.",
        )
    if _FORBIDDEN.search(stderr):
        return BadInput(
            f"the folder of the sessions on {host} cannot be used: {sentence(stderr)}",
            remedy="Change its permissions, or choose another one in the section's card: slurm.folder.",
        )
    return RemoteUnavailable(
        f"{host}: {sentence(stderr)}",
        remedy="Run the same command again; the sessions go on.",
        transient=True,
    )
