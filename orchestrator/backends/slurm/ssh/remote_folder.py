"""The folder of the sessions on a login node, as the card names it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from orchestrator.backends.slurm.ssh import scripts
from orchestrator.backends.slurm.ssh.connection import Connection
from orchestrator.core.errors import BadInput, RemoteUnavailable

DEFAULT = ".orchestrator/slurm"
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_LIMIT_S = 60.0


def remote_folder(connection: Connection, text: str) -> PurePosixPath:
    """That folder, absolute: variables and `~` stand for what they are there; below the home folder unless absolute.

    Args:
        text: `slurm.folder` of the card, empty for the default.

    Raises:
        BadInput: It names a variable that is not set there, or another user's home.
        RemoteUnavailable: There is no connection.
    """
    text = re.sub(r"^~(?=/|$)", "$HOME", text or DEFAULT)
    names = ["HOME", *dict.fromkeys(found[1] or found[2] for found in _VARIABLE.finditer(text))]
    try:
        reply = connection.run(scripts.variables(names), _LIMIT_S)
    except (ConnectionError, TimeoutError) as fault:
        raise RemoteUnavailable(f"no connection to {connection.host}: {fault}", transient=True) from fault
    values = dict(zip(names, reply.out.decode("utf-8", "surrogateescape").split("\0"), strict=False))
    full = _VARIABLE.sub(lambda found: values.get(found[1] or found[2], ""), text)
    if text.startswith("~") or "$" in full or not all(values.values()):
        raise BadInput(
            f"slurm.folder: {text} names a variable or a user that is not known on {connection.host}",
            remedy="Write the path in full.",
        )
    return PurePosixPath(values["HOME"]) / full
