"""Packs the code that runs in a session: deterministic, and refused if a file holds or may hold a secret."""

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
"""Outputs, launchers and analysis of finished trainings; changing them must not change the code digest."""
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
        gate: Searches the code for secrets.
        installed: Folder of the packages `orchestrator` and `kernel_templates`: a clone or site-packages.
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
        """Pack the runtime and the sections. Equal code gives equal bytes, whatever the file times.

        Raises:
            BadInput: A file has the name of a credential, holds a secret in use or what looks like one, or is a link
                out of the project. Nothing is packed, and the secret is not shown.
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
        """Digest of the present code, without a search for secrets and without packing.

        Raises:
            BadInput: A file cannot be read, or must not be packed.
        """
        return tree_digest(self._contents())

    def _contents(self) -> dict[str, bytes]:
        return {path.relative_to(top).as_posix(): _read(path) for top, path in self._members()}

    def _members(self) -> Iterator[tuple[Path, Path]]:
        """For each file: the folder that its name is relative to, and its path."""
        yield self._installed, self._installed / "orchestrator" / "__init__.py"
        for top, name in (*((self._installed, name) for name in _RUNTIME), (self._root, _SECTIONS)):
            # A code folder may itself be a link; its target then counts as inside.
            inside = (top.resolve(), (top / name).resolve())
            yield from ((top, path) for path in _walk(top / name, inside))


class FrozenCode:
    """The code as first packed, so that an edit meanwhile changes no later session of the same program.

    Args:
        store: Packs the code once.
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
    """Refuse a link to a target outside the project, to a credential, or to a folder that contains the link."""
    if not path.is_symlink():
        return
    target = path.resolve()
    remedy = "Replace the link with a copy of what it points to, or remove it."
    if not any(target.is_relative_to(folder) for folder in inside):
        raise BadInput(f"{path} is a link to {target}, which is outside the project", remedy=remedy)
    if target.is_dir() and path.parent.resolve().is_relative_to(target):
        raise BadInput(f"{path} is a link to a folder that contains it", remedy=remedy)
    if _looks_secret(target.name):
        raise BadInput(f"{path} is a link to {target.name}, which has the name of a credential", remedy=remedy)


def _looks_secret(name: str) -> bool:
    return any(fnmatch.fnmatch(name.lower(), pattern) for pattern in _CREDENTIAL_NAMES)


def _read(path: Path) -> bytes:
    if _looks_secret(path.name):
        raise BadInput(
            f"{path} has the name of a credential and would be sent in the kernel",
            remedy="Move it out of the code folders; credentials belong in the environment or in ~/.kaggle.",
        )
    if not path.is_file():
        raise BadInput(f"{path} is not a file that can be packed", remedy="Remove it; it may be a broken link.")
    try:
        return path.read_bytes()
    except PermissionError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}", remedy="Change the file's permissions.") from fault
