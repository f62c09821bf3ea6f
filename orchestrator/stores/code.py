"""The code that goes into a kernel: packed deterministically, credentials refused."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from kernel_templates.kernel_runtime.digests import tree_digest
from orchestrator.core.errors import BadInput
from orchestrator.core.exchange import Bundle
from orchestrator.core.packing import pack

_PACKED = (Path("kernel_templates") / "kernel_runtime", Path("validation_ch7"))
_NEVER_ENTERED = frozenset({"data", "trials", "scripts", "figures", "pool", "__pycache__"})
"""Outputs, launchers, and what is done here with finished trainings: an edit of it must not make those stale."""
_PACKED_SUFFIXES = frozenset({".py", ".yaml", ".json", ".csv", ".txt"})
_CREDENTIAL_NAMES = (
    "kaggle*.json",
    ".env*",
    "*.pem",
    "*.key",
    "id_rsa*",
    "id_ed25519*",
    "access_token*",
    "*credential*",
)
_CREDENTIAL_BYTES = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bKGAT_[0-9a-f]{16,}|\"key\"\s*:\s*\"[0-9a-f]{32}\""
)


class CodeStore:
    """Packs the code below a project's root.

    Args:
        root: Folder that holds `kernel_templates` and `validation_ch7`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def template(self) -> str:
        """Text of the kernel template.

        Raises:
            BadInput: It cannot be read.
        """
        path = self._root / "kernel_templates" / "kernel.py.j2"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as fault:
            raise BadInput(f"{path} cannot be read: {fault}", remedy="Restore the file from the repository.") from fault

    def bundle(self) -> Bundle:
        """Pack the runtime and the science. Equal code gives equal bytes, whatever the file times.

        Raises:
            BadInput: A file looks like a credential; it is never packed, and its content is never shown.
        """
        members = {path.relative_to(self._root).as_posix(): _checked(path) for path in self._members()}
        archive = pack(members.items())
        return Bundle(
            digest=tree_digest(members),
            archive=archive,
            archive_sha256=hashlib.sha256(archive).hexdigest(),
            names=tuple(sorted(members)),
        )

    def _members(self) -> Iterator[Path]:
        yield self._root / "kernel_templates" / "__init__.py"
        for top in _PACKED:
            yield from _walk(self._root / top)


class CodeAsItWas:
    """The code as it was when it was first asked for: one program's sessions must not differ by an edit meanwhile.

    Args:
        store: Where it comes from.
    """

    def __init__(self, store: CodeStore) -> None:
        self._store = store
        self._bundle: Bundle | None = None
        self._template: str | None = None

    def bundle(self) -> Bundle:
        """The packed code."""
        if self._bundle is None:
            self._bundle = self._store.bundle()
        return self._bundle

    def template(self) -> str:
        """Text of the kernel template."""
        if self._template is None:
            self._template = self._store.template()
        return self._template


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _NEVER_ENTERED:
                yield from _walk(path)
        elif path.suffix in _PACKED_SUFFIXES or _looks_secret(path.name):
            yield path


def _looks_secret(name: str) -> bool:
    return any(fnmatch.fnmatch(name.lower(), pattern) for pattern in _CREDENTIAL_NAMES)


def _checked(path: Path) -> bytes:
    content = path.read_bytes()
    if _looks_secret(path.name) or _CREDENTIAL_BYTES.search(content):
        raise BadInput(
            f"{path} looks like a credential and would have gone into the kernel",
            remedy="Move it out of the code folders; credentials belong into the environment or ~/.kaggle.",
        )
    return content
