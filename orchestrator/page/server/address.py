"""The socket on 127.0.0.1 at which the page is served.

There is no option for another address: the page has no password, so only this computer may reach it. From another
computer use a tunnel, `ssh -L 8750:127.0.0.1:8750 HOST`.
"""

from __future__ import annotations

import errno
import socket
import sys

from orchestrator.core.errors import BadInput

HOST = "127.0.0.1"
DEFAULT_PORT = 8750
_TRIED = 20
_IN_USE = (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE))
_DENIED = (errno.EACCES, errno.EPERM, getattr(errno, "WSAEACCES", errno.EACCES))


def listening_socket(port: int | None) -> socket.socket:
    """A socket that accepts connections from this computer.

    Args:
        port: 0 for any free one; None for the default one, or the next that is free.

    Raises:
        BadInput: The port is in use, or may not be used.
    """
    for candidate in [port] if port is not None else range(DEFAULT_PORT, DEFAULT_PORT + _TRIED):
        try:
            return _bound(candidate)
        except OSError as fault:
            if fault.errno in _DENIED:
                raise BadInput(
                    f"port {candidate} may not be used: {fault.strerror}",
                    remedy="Choose one above 1023, or leave out --port.",
                ) from fault
            if fault.errno not in _IN_USE:
                raise
    every = f"ports {DEFAULT_PORT} to {DEFAULT_PORT + _TRIED - 1} are"
    shown = every if port is None else f"port {port} is"
    raise BadInput(f"{shown} in use by another program", remedy=f"Use a free one: --port {_free_port()}")


def _bound(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":  # there, SO_REUSEADDR would share a port with another program
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # so that a second start does not wait for connections of the first to time out
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening


def _free_port() -> int:
    with _bound(0) as listening:
        port: int = listening.getsockname()[1]
        return port
