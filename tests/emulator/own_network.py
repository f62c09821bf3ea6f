"""`python own_network.py WORDS`: `python WORDS` in a network of its own with nothing but the loopback device. Linux.

Each worker of the tests so has its own port 7777, the one that kagglesdk uses.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
"""CLONE_NEWNET and CLONE_NEWUSER of sched.h."""
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
"""SIOCGIFFLAGS, SIOCSIFFLAGS and IFF_UP of sockios.h and if.h."""


def enter() -> None:
    """Leave the network of this process, which must have one thread; its user stays the same.

    Raises:
        OSError: The system does not allow it.
    """
    import fcntl  # absent on Windows

    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK | (_NEW_USER if user else 0)):
        raise OSError(ctypes.get_errno(), "unshare")
    if user:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        name, flags = struct.unpack("16sH", fcntl.ioctl(device, _GET_FLAGS, struct.pack("16sH14x", b"lo", 0))[:18])
        fcntl.ioctl(device, _SET_FLAGS, struct.pack("16sH14x", name, flags | _UP))


def is_allowed() -> bool:
    """Whether a new process can have its own network here."""
    if sys.platform != "linux":
        return False
    code = "import socket; socket.create_server(('127.0.0.1', 7777)).close()"
    words = [sys.executable, __file__, "-c", code]
    return subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0


if __name__ == "__main__":
    enter()
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
