"""Keeps the compiled code of this package on disk: a computer compiles each content of the package once.

Compiling takes about 15 s, and each session is a process of its own. The folder is `NUMBA_CACHE_DIR`, else the one in
which numba keeps the compiled code of a user. It only saves time: what cannot be read, or written, is compiled.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any

_DISPATCHER: Any = importlib.import_module("numba.core.dispatcher").Dispatcher  # numba has no types


def keep_on_disk(function: Any) -> None:
    """Let a function of this package that numba compiles look for its code on disk first, and keep it there."""
    if not isinstance(function, _DISPATCHER):  # a plain function with `NUMBA_DISABLE_JIT`
        return
    with suppress(AttributeError, ImportError, TypeError):  # another version of numba may lack its private classes
        from validation_ch7.traffic.numba_kernel.disk_entries import PackageCache, folder

        # By a relative path, each session would have a folder of its own, among its outputs.
        if folder().is_absolute():
            function._cache = PackageCache(function.py_func)
