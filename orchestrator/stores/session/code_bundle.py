"""The code that goes into a kernel: packed deterministically, files that hold or seem to hold a secret refused."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import Bundle
from orchestrator.core.session.zip_archive import pack
from orchestrator.kernel.files.digests import tree_digest
from orchestrator.stores.secrets.outgoing import Gate

_INSTALLED = Path(__file__).resolve().parents[3]
_RUNTIME = ("orchestrator/kernel", "orchestrator/sb3")
_SECTIONS = "validation_ch7"
_NEVER_ENTERED = frozenset({"data", "trials", "scripts", "multi_seed", "__pycache__"})
"""Outputs, launchers, and what is done here with finished trainings: an edit of it must not make those stale."""
_PACKED_SUFFIXES = frozenset({".py", ".yaml", ".json", ".csv", ".txt"})
_CREDENTIAL_NAMES = (
    "kaggle*.json",
    ".env*",
    "*.pem",
    "*.key",
    "id_rsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "access_token*",
    "*credential*",
    ".netrc",
    "_netrc",
    ".pypirc",
    ".npmrc",
    "*.p12",
    "*.pfx",
)


class CodeStore:
    """Packs what runs in a session: the runtime of this package and the sections of a project.

    Args:
        root: The project: holds `validation_ch7`.
        gate: Searches what is packed for secrets.
        installed: Holds the packages `orchestrator` and `kernel_templates`: a clone, or site-packages.
    """

    def __init__(self, root: Path, gate: Gate | None = None, installed: Path = _INSTALLED) -> None:
        self._root = root
        self._installed = installed
        self._gate = gate or Gate()

    def template(self) -> str:
        """Text of the kernel template.

        Raises:
            BadInput: It cannot be read.
        """
        path = self._installed / "kernel_templates" / "kernel.py.j2"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as fault:
            raise BadInput(f"{path} cannot be read: {fault}", remedy="Restore the file from the repository.") from fault

    def bundle(self) -> Bundle:
        """Pack the runtime and the science. Equal code gives equal bytes, whatever the file times.

        Raises:
            BadInput: A file is a credential by its name, holds a secret in use or what looks like a secret, or is a
                link to a place outside the project. Nothing is packed, and no secret is shown.
        """
        members = self._contents()
        digest = tree_digest(members)
        self._gate.check_code(members, digest)
        archive = pack(members.items())
        return Bundle(
            digest=digest,
            archive=archive,
            archive_sha256=hashlib.sha256(archive).hexdigest(),
            names=tuple(sorted(members)),
        )

    def digest(self) -> str:
        """Digest of the code as it is now, for a command that sends nothing: nothing is searched or packed.

        Raises:
            BadInput: A file cannot be read, or must not be packed.
        """
        return tree_digest(self._contents())

    def _contents(self) -> dict[str, bytes]:
        return {path.relative_to(top).as_posix(): _read(path) for top, path in self._members()}

    def _members(self) -> Iterator[tuple[Path, Path]]:
        """The folder that a member's name is relative to, and its file."""
        yield self._installed, self._installed / "orchestrator" / "__init__.py"
        for top, name in (*((self._installed, name) for name in _RUNTIME), (self._root, _SECTIONS)):
            # A code folder may itself be a link: its place is then where the code is.
            inside = (top.resolve(), (top / name).resolve())
            yield from ((top, path) for path in _walk(top / name, inside))


class FrozenCode:
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


def _walk(folder: Path, inside: tuple[Path, ...]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _NEVER_ENTERED:
                _require_inside(path, inside)
                yield from _walk(path, inside)
        elif path.suffix in _PACKED_SUFFIXES or _looks_secret(path.name):
            _require_inside(path, inside)
            yield path


def _require_inside(path: Path, inside: tuple[Path, ...]) -> None:
    """Refuse a link whose target is outside the project, a credential, or a folder around the link itself."""
    if not path.is_symlink():
        return
    target = path.resolve()
    remedy = "Replace the link with a copy of what it points to, or remove it."
    if not any(target.is_relative_to(folder) for folder in inside):
        raise BadInput(f"{path} is a link to {target}, outside the project; it is not packed", remedy=remedy)
    if target.is_dir() and path.parent.resolve().is_relative_to(target):
        raise BadInput(f"{path} is a link to a folder that contains it", remedy=remedy)
    if _looks_secret(target.name):
        raise BadInput(f"{path} is a link to {target.name}, a credential by its name", remedy=remedy)


def _looks_secret(name: str) -> bool:
    return any(fnmatch.fnmatch(name.lower(), pattern) for pattern in _CREDENTIAL_NAMES)


def _read(path: Path) -> bytes:
    if _looks_secret(path.name):
        raise BadInput(
            f"{path} is a credential by its name and would have gone into the kernel",
            remedy="Move it out of the code folders; credentials belong into the environment or ~/.kaggle.",
        )
    if not path.is_file():
        raise BadInput(f"{path} is no file that can be packed", remedy="Remove it, or the link that leads nowhere.")
    try:
        return path.read_bytes()
    except PermissionError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}", remedy="Change the file's permissions.") from fault
