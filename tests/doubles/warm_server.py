"""Starts Python programs in copies of this process, which has imported their libraries already.

Run as a script, with the modules to import as its arguments; `warm_python.py` speaks to it over standard input. A copy
becomes the program as far as a program can see: its own process, streams, folder, variables and seeds. Where that would
not be the same program (another option of Python, a file that hides an imported module), it becomes a new interpreter.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
import types
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

READ_AT_START = ("PYTHON", "LD_", "OMP_", "MKL_", "OPENBLAS_", "NUMBA_", "TORCH", "CUDA", "KMP_", "MPL")
"""Prefixes of variables that the interpreter or a library reads while it starts."""
_REPLY_AND_STREAMS = 4
_STARTED_WITH = dict(os.environ)


def serve(control: socket.socket) -> dict[str, Any] | None:
    """Answer requests until the other side closes; returns the request in the process that shall be its program."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # waiting copies leave no zombies
    while True:
        head, descriptors, _, _ = socket.recv_fds(control, 4, _REPLY_AND_STREAMS)
        if not head:
            return None
        body = bytearray()
        while len(body) < int.from_bytes(head, "big"):
            body += control.recv(1 << 16)
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _attended(json.loads(body), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _attended(request: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
    """Fork the program and report its pid and its wait status; returns in the program alone."""
    reply, *streams = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(reply)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return request
    for number, descriptor in enumerate(streams):
        os.close(descriptor)
        os.close(number)  # the readers of these pipes wait until all their writers have closed
    os.write(reply, pid.to_bytes(8, "big"))
    status = os.waitpid(pid, 0)[1]
    os.write(reply, status.to_bytes(8, "big"))
    os._exit(0)


def become(request: Mapping[str, Any]) -> tuple[types.CodeType, dict[str, Any]]:
    """Take folder, variables and arguments; returns the code to run and its global names."""
    words, environ = request["words"], request["environ"]
    os.chdir(request["cwd"])
    is_module = words[0] == "-m"
    has_options = words[0].startswith("-") and not is_module
    if has_options or _read_at_start(environ) != _read_at_start(_STARTED_WITH):
        _start_anew(words, environ)
    sys.path[0] = str(Path.cwd() if is_module else Path(words[0]).absolute().parent)
    importlib.invalidate_caches()
    if _hides_a_module(Path(sys.path[0])):
        _start_anew(words, environ)
    os.environ.clear()
    os.environ.update(environ)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # as at its import; `random` does the same after every fork
    sys.argv = words[1 if is_module else 0 :]
    return _main_module(words[1] if is_module else None)


def _main_module(package: str | None) -> tuple[types.CodeType, dict[str, Any]]:
    main = types.ModuleType("__main__")
    if package is None:
        path = str(Path(sys.argv[0]).absolute())
        main.__loader__ = SourceFileLoader("__main__", path)
    else:
        spec = importlib.util.find_spec(f"{package}.__main__")
        assert spec is not None and spec.origin is not None, package
        main.__spec__, main.__loader__, path = spec, spec.loader, spec.origin
        sys.argv[0] = path
    main.__dict__.update(__file__=path, __builtins__=__builtins__, __package__=package, __cached__=None)
    sys.modules["__main__"] = main
    return compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), main.__dict__


def _read_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(READ_AT_START)}


def _hides_a_module(folder: Path) -> bool:
    """Whether a file of the folder would have been imported in place of a module that is there already."""
    for path in folder.iterdir():
        module = sys.modules.get(path.name.partition(".")[0])
        if module is not None and not str(getattr(module, "__file__", None)).startswith(str(path)):
            return True
    return False


def _start_anew(words: list[str], environ: Mapping[str, str]) -> None:
    os.execve(sys.executable, [sys.executable, *words], environ)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else each copy of the process visits, and so copies, all its memory at its end
    with socket.socket(fileno=os.dup(0)) as given:
        wanted = serve(given)
    if wanted is not None:
        exec(*become(wanted))  # noqa: S102 - this process is the program
