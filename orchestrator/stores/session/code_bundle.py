"""Packs the code that runs in a session: deterministic, and refused if a file holds or may hold a secret."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Self

from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Bundle
from orchestrator.core.session.zip_archive import pack
from orchestrator.kernel.environment.requirements import REQUIREMENTS_NAME, read_requirements
from orchestrator.kernel.files.digests import tree_digest
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.stores.project import Project
from orchestrator.stores.secrets.outgoing import Gate
from orchestrator.stores.session.bundle_files import (
    all_files,
    included,
    member_name,
    package_data,
    read_member,
    require_inside,
)
from orchestrator.stores.session.import_closure import Closure, ImportSearch
from orchestrator.stores.session.project_modules import OWN, Module, ProjectModules

_INSTALLED = Path(__file__).resolve().parents[3]
_Parts = tuple[str | None, str | None, tuple[str, ...]]
"""Entry point, script and include patterns: what determines the code of a section."""


class CodeStore:
    """Packs what a section runs in a session.

    That is the kernel, the modules that the entry point or script imports directly or through others, the data files
    of their packages, and what the card includes. Code beside these does not travel and does not change the digest.

    Args:
        root: The project: names of modules are relative to it.
        gate: Searches the code for secrets.
        installed: Folder of the packages `orchestrator` and `kernel_templates`: a clone or site-packages.
        packages: Top-level packages below `root` that belong to the project; None for all.
    """

    def __init__(
        self,
        root: Path,
        gate: Gate | None = None,
        installed: Path = _INSTALLED,
        packages: Collection[str] | None = None,
    ) -> None:
        self._root = root
        self._packages = packages
        self._installed = installed
        self._gate = gate or Gate()

    @classmethod
    def of(cls, project: Project, gate: Gate | None = None) -> Self:
        """The code of a project."""
        return cls(project.code, gate, packages=project.packages)

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

    def bundle(self, card: SectionCard) -> Bundle:
        """Pack the code of a section. Equal code gives equal bytes, whatever the file times.

        Raises:
            BadInput: A file has the name of a credential, holds a secret in use or what looks like one, or is a link
                out of the project; or see `contents`. Nothing is packed, and the secret is not shown.
        """
        members, closure = self._contents(card)
        digest = tree_digest(members)
        self._gate.check_code(members, digest)
        _require_no_faults(closure.faults)
        archive = pack(members.items())
        return Bundle(
            digest=digest,
            archive=archive,
            archive_sha256=hashlib.sha256(archive).hexdigest(),
            names=tuple(sorted(members)),
            libraries=closure.libraries,
        )

    def digest(self, card: SectionCard) -> str:
        """Digest of the present code of a section, without a search for secrets and without packing.

        Raises:
            BadInput: See `contents`.
        """
        return tree_digest(self.contents(card))

    def contents(self, card: SectionCard) -> dict[str, bytes]:
        """POSIX path -> content of every file that travels.

        Raises:
            BadInput: There is no such entry point or script, a relative import finds nothing, a file cannot be parsed
                or read or must not be packed, or a pattern of the card matches nothing.
        """
        members, closure = self._contents(card)
        _require_no_faults(closure.faults)
        return members

    def _contents(self, card: SectionCard) -> tuple[dict[str, bytes], Closure]:
        """The files that travel, and the result of the search for them."""
        known: dict[Path, bytes] = {}

        def read(path: Path) -> bytes:
            if path not in known:
                known[path] = read_member(path)
            return known[path]

        folder = self._root / card.code_folder
        first = folder if card.script else None
        modules = ProjectModules(self._root, self._installed, first=first, only=self._packages)
        extra = [path for pattern in card.include for path in included(self._root, pattern)]
        code = (_module_at(modules, self._root, path) for path in extra if path.suffix == ".py")
        start = (_required(modules, OWN, self._installed), _start_of(modules, card, self._root), *code)
        closure = ImportSearch(modules, read).closure(start, card.entry_point or "")
        paths = [(self._installed, path) for path in all_files(self._installed, self._installed / OWN / "kernel")]
        paths += [pair for module in closure.modules for pair in _files_of(module)]
        beside = folder / REQUIREMENTS_NAME
        paths += [(self._root, path) for path in (*extra, beside) if path != beside or beside.is_file()]
        members = {member_name(top, path): read(path) for top, path in paths}
        _require_pinned(members, beside.relative_to(self._root).as_posix())
        return members, closure


class FrozenCode:
    """The code of each section as first packed, so that an edit meanwhile changes no later session of the program.

    Args:
        store: Packs the code, once for each entry point.
    """

    def __init__(self, store: CodeStore) -> None:
        self._store = store
        self._bundles: dict[_Parts, Bundle] = {}
        self._digests: dict[_Parts, str] = {}
        self._template: str | None = None

    def bundle(self, card: SectionCard) -> Bundle:
        """The packed code of a section."""
        parts = (card.entry_point, card.script, card.include)
        if parts not in self._bundles:
            self._bundles[parts] = self._store.bundle(card)
        return self._bundles[parts]

    def digest(self, card: SectionCard) -> str:
        """Digest of the code of a section, without packing it."""
        parts = (card.entry_point, card.script, card.include)
        if parts not in self._digests:
            self._digests[parts] = self._store.digest(card)
        return self._digests[parts]

    def template(self) -> str:
        """Text of the kernel template."""
        if self._template is None:
            self._template = self._store.template()
        return self._template


def _require_pinned(members: Mapping[str, bytes], name: str) -> None:
    """Refuse a `requirements.txt` that the session would refuse."""
    try:
        read_requirements(members.get(name, b""), name)
    except SessionRefused as fault:
        raise BadInput(str(fault), remedy=fault.remedy) from fault


def _files_of(module: Module) -> Iterator[tuple[Path, Path]]:
    """For each file of a module and of its package's data: the folder that its name is relative to, and its path."""
    if module.name.startswith(f"{OWN}.kernel"):
        return
    if module.source is not None:
        require_inside(module.top, module.source)
        yield module.top, module.source
    if module.folder is not None and module.name != OWN:
        yield from ((module.top, path) for path in package_data(module.top, module.folder))


def _module_at(modules: ProjectModules, root: Path, path: Path) -> Module:
    """The module of an included file; its imports travel as well."""
    name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    found = modules.find(name)
    return found if found and found.source == path else Module(name=name, top=root, source=path, folder=None)


def _start_of(modules: ProjectModules, card: SectionCard, root: Path) -> Module:
    """The module of the entry point, or the script as the main module: relative imports cannot work in it."""
    if card.script is None:
        return _required(modules, str(card.entry_point), root)
    path, inside = root, root
    for name in card.script.split("/"):  # the names as they are on disk: a session has another file system
        path, inside = path / name, path
        names = sorted(one.name for one in inside.iterdir()) if inside.is_dir() else []
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean {(inside / near[0]).relative_to(root).as_posix()}?" if near else "Correct the path."
            raise BadInput(
                f"there is no file {card.script} below {root}", remedy=f"{hint} It is `script` in the section's card."
            )
    if not path.is_file():
        raise BadInput(f"{path} is not a file", remedy="Correct `script` in the section's card.")
    return Module(name="__main__", top=root, source=path, folder=None)


def _required(modules: ProjectModules, name: str, root: Path) -> Module:
    found = modules.find(name)
    if found is None or found.source is None:
        raise BadInput(
            f"there is no module {name} below {root}",
            remedy="Correct entry_point in the section's card: the module's file without .py, with dots for slashes.",
        )
    return found


def _require_no_faults(faults: tuple[str, ...]) -> None:
    if faults:
        raise BadInput("\n".join(faults), remedy="Correct the imports there, or remove the files that use them.")
