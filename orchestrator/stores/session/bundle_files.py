"""Files that may travel to a session: walks folders, and refuses credentials by their name and links to elsewhere."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.stores.session.project_modules import OWN

SECTIONS = "validation_ch7"
MOST_BYTES = 500_000_000
"""Size limit of one file, so that a forgotten data set is refused before it fills the memory. The backend's limit for
the whole, compressed, is far smaller."""
DATA_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".jsonl", ".toml", ".ini", ".cfg", ".csv", ".tsv", ".txt", ".xml"})
_OUTPUTS = frozenset({"data", "trials"})
"""Below `validation_ch7`: folders of models. They never travel with the code."""
_NO_CODE = _OUTPUTS | {"scripts", "multi_seed"}
"""Below `validation_ch7`: also launchers and analysis of finished trainings, whose data files no training reads."""
_NO_INPUTS = frozenset({OWN, "validation_output", ".orchestrator"})
"""Folders of the project that `include` never takes: the runtime is packed anyway, and outputs never travel."""
_NOWHERE = frozenset({"__pycache__", ".git", ".hg", ".svn", ".ssh", ".aws", ".docker", ".kaggle", ".gnupg"})
"""Folders that `include` never takes at any depth: bytecode, and folders of programs that keep passwords there."""
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
    "secrets.json",
    "secrets.y*ml",
    "secrets.toml",
    "secrets.ini",
    "client_secret*.json",
    "service[-_]account*.json",
    ".git-credentials",
    ".gitconfig",
    ".htpasswd",
    ".pgpass",
    ".my.cnf",
    ".dockercfg",
    ".s3cfg",
    ".boto",
    ".vault-token",
    ".databrickscfg",
    "*.ppk",
    "*.kdbx",
    "*.jks",
    "*.keystore",
)


def package_data(top: Path, folder: Path) -> Iterator[Path]:
    """The data files of a package: those beside its modules, and those in its folders without Python files.

    Files with the name of a credential are listed as well, so that reading them is refused.

    Args:
        top: Folder that paths in the bundle are relative to.

    Raises:
        BadInput: A link leads out of the project.
    """
    # A folder of sections has no data folders: a new section must change nothing for the others.
    deep = folder != top / SECTIONS
    yield from _walk(top, folder, lambda path: path.suffix in DATA_SUFFIXES, enter=_holds_only_data if deep else None)


def all_files(top: Path, folder: Path) -> Iterator[Path]:
    """All code and data files of a folder and its subfolders.

    Raises:
        BadInput: See `package_data`.
    """
    wanted = DATA_SUFFIXES | {".py"}
    yield from _walk(top, folder, lambda path: path.suffix in wanted, enter=lambda _: True)


def included(root: Path, pattern: str) -> list[Path]:
    """The files that a glob of a card matches; of a folder that it matches, all files.

    Hidden files and folders are left out unless the pattern names them. Outputs and bytecode always are.

    Raises:
        BadInput: It matches nothing, or a link leads out of the project.
    """
    hidden = {part for part in pattern.split("/") if part.startswith(".")}

    def wanted(path: Path) -> bool:
        parts = path.relative_to(root).parts
        named = all(not part.startswith(".") or any(fnmatch.fnmatch(part, one) for one in hidden) for part in parts)
        return (
            named and parts[0] not in _NO_INPUTS and _NOWHERE.isdisjoint(parts) and not _is_below(root, path, _OUTPUTS)
        )

    found: set[Path] = set()
    for match in sorted(root.glob(pattern)):
        if match == root or not wanted(match):
            continue
        found |= set(_walk(root, match, wanted, enter=wanted)) if match.is_dir() else {match}
    for path in found:
        _require_links_inside(root, path, (root.resolve(),), 1)
    if not found:
        raise BadInput(
            f"include: {pattern!r} matches no file of {root}",
            remedy="Correct the pattern in the section's card, or remove it; outputs of trainings never match.",
        )
    return sorted(found)


def read_member(path: Path) -> bytes:
    """Read a file that travels.

    Raises:
        BadInput: It has the name of a credential, is too large, or cannot be read.
    """
    if _looks_secret(path.name):
        raise BadInput(
            f"{path} has the name of a credential and would be sent in the kernel",
            remedy="Move it out of the code folders; credentials belong in the environment or in ~/.kaggle.",
        )
    if not path.is_file():
        raise BadInput(f"{path} is not a file that can be packed", remedy="Remove it; it may be a broken link.")
    if (size_bytes := path.stat().st_size) > MOST_BYTES:
        raise BadInput(
            f"{path} has {size_bytes} bytes; a file that travels with the code has at most {MOST_BYTES}",
            remedy="Move it out of the packages, and read it in a session from a data set or from the network.",
        )
    try:
        return path.read_bytes()
    except PermissionError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}", remedy="Change the file's permissions.") from fault


def member_name(top: Path, path: Path) -> str:
    """The POSIX path of a file in the bundle.

    Raises:
        BadInput: Its name is not UTF-8, so a session on another system could not have it.
    """
    name = path.relative_to(top).as_posix()
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as fault:
        shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
        raise BadInput(f"{shown} would travel with the code, and its name is not UTF-8", remedy="Rename it.") from fault
    return name


def require_inside(top: Path, path: Path) -> None:
    """Refuse a path with a link to a target outside the project, to a credential, or to a folder that contains it.

    A folder directly below the project may itself be a link; its target then counts as inside.
    """
    own = top / path.relative_to(top).parts[0]
    if own.is_dir():
        _require_links_inside(top, path, (top.resolve(), own.resolve()), 2)
    else:
        _require_links_inside(top, path, (top.resolve(),), 1)


def _walk(
    top: Path, folder: Path, wanted: Callable[[Path], bool], *, enter: Callable[[Path], bool] | None
) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except PermissionError as fault:
        raise BadInput(
            f"{folder} cannot be read: {fault.strerror}", remedy="Change the folder's permissions."
        ) from fault
    for path in entries:
        if path.is_dir():
            skipped = path.name.startswith(".") or path.name == "__pycache__" or _is_below(top, path, _NO_CODE)
            if enter is not None and not skipped:
                require_inside(top, path)
                if enter(path):
                    yield from _walk(top, path, wanted, enter=enter)
        elif wanted(path) or _looks_secret(path.name):
            require_inside(top, path)
            yield path


def _is_below(top: Path, path: Path, names: frozenset[str]) -> bool:
    """Whether a path lies in a folder of one of these names below the folder of sections."""
    parts = path.relative_to(top).parts
    return parts[0] == SECTIONS and not names.isdisjoint(parts)


def _holds_only_data(folder: Path) -> bool:
    """Whether a folder belongs to the data of its parent: no Python file is in it."""
    return next(folder.rglob("*.py"), None) is None


def _require_links_inside(top: Path, path: Path, inside: tuple[Path, ...], first: int) -> None:
    """Check a path and the folders around it, from the part of this number."""
    parts = path.relative_to(top).parts
    for count in range(first, len(parts) + 1):
        one = top.joinpath(*parts[:count])
        if not one.is_symlink():
            continue
        remedy = "Replace the link with a copy of what it points to, or remove it."
        try:
            target = one.resolve()
        except (OSError, RuntimeError) as fault:  # RuntimeError before Python 3.13
            raise BadInput(f"{one} is a link that leads back to itself", remedy=remedy) from fault
        if not any(target.is_relative_to(folder) for folder in inside):
            raise BadInput(f"{one} is a link to {target}, which is outside the project", remedy=remedy)
        if target.is_dir() and one.parent.resolve().is_relative_to(target):
            raise BadInput(f"{one} is a link to a folder that contains it", remedy=remedy)
        if _looks_secret(target.name):
            raise BadInput(f"{one} is a link to {target.name}, which has the name of a credential", remedy=remedy)


def _looks_secret(name: str) -> bool:
    return any(fnmatch.fnmatch(name.lower(), pattern) for pattern in _CREDENTIAL_NAMES)
