"""Finds modules of a project by their names, as Python finds them in a session, without importing them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

OWN = "orchestrator"
RUNTIME = ("kernel", "sb3")
"""Packages of `orchestrator` that run in a session; no other one travels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module of the project, or of the runtime.

    Attributes:
        name: With dots.
        top: Folder that its path in the bundle is relative to.
        source: Its file; None for a package without `__init__.py`.
        folder: Folder of its submodules; None for a module that is not a package.
    """

    name: str
    top: Path
    source: Path | None
    folder: Path | None

    @property
    def package(self) -> str:
        """Package that its relative imports start from; empty for a module at the root."""
        return self.name if self.folder is not None else self.name.rpartition(".")[0]


class ProjectModules:
    """The modules below the root of a project, and the runtime of this package.

    Args:
        root: The project. Its folders and files shadow installed packages, as they do in a session.
        installed: Folder that holds the package `orchestrator`.
        first: Folder that Python searches before the project: that of a script. None without one.
        only: Top-level names that belong to the project; None for all. In site-packages not all do.
    """

    def __init__(
        self, root: Path, installed: Path, first: Path | None = None, only: Collection[str] | None = None
    ) -> None:
        self._root = root
        self._places = (root,) if first is None or first == root else (first, root)
        self._installed = installed
        self._only = only
        self._listed: dict[Path, frozenset[str]] = {}
        self._found: dict[str, Module | None] = {}

    def find(self, name: str) -> Module | None:
        """The module of a full name; None if the project has none."""
        if name not in self._found:
            self._found[name] = self._look(name)
        return self._found[name]

    def deepest(self, name: str) -> Module | None:
        """The module of the longest leading part of a name; None if not even the first part is in the project."""
        while name:
            if (found := self.find(name)) is not None:
                return found
            name = name.rpartition(".")[0]
        return None

    def parents(self, module: Module) -> Iterator[Module]:
        """The packages that contain a module, innermost first: Python imports them before it."""
        name = module.name
        while name := name.rpartition(".")[0]:
            if (found := self.find(name)) is not None:
                yield found

    def children(self, module: Module, *, deep: bool) -> Iterator[Module]:
        """The modules of a package that have code, by name; `deep`: also those of its subpackages."""
        for name in sorted(self._names(module.folder) if module.folder is not None else ()):
            last = name.removesuffix(".py")
            found = self.find(f"{module.name}.{last}") if last.isidentifier() and last != "__init__" else None
            if found is not None and found.source is not None:
                yield found
                if deep:
                    yield from self.children(found, deep=True)

    def _look(self, name: str) -> Module | None:
        parent, _, last = name.rpartition(".")
        if name == OWN:
            folder = self._installed / OWN
            return Module(name=name, top=self._installed, source=folder / "__init__.py", folder=folder)
        if parent == OWN and last not in RUNTIME:
            return None
        if not parent and self._only is not None and name not in self._only:
            return None
        if not parent:
            found = [one for place in self._places if (one := self._in(place, name, last, self._root)) is not None]
            # A folder without `__init__.py` comes after every module of this name, in any place.
            return next((one for one in found if one.source is not None), found[0] if found else None)
        above = self.find(parent)
        return self._in(above.folder, name, last, above.top) if above and above.folder else None

    def _in(self, inside: Path, name: str, last: str, top: Path) -> Module | None:
        """The module in a folder."""
        folder, listed = inside / last, self._names(inside)
        if last in listed and "__init__.py" in self._names(folder):
            return Module(name=name, top=top, source=folder / "__init__.py", folder=folder)
        if f"{last}.py" in listed:
            return Module(name=name, top=top, source=inside / f"{last}.py", folder=None)
        if last in listed and folder.is_dir():
            return Module(name=name, top=top, source=None, folder=folder)
        return None

    def _names(self, folder: Path) -> frozenset[str]:
        """Names in a folder in their exact case, which Python compares even where the disk does not."""
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(path.name for path in folder.iterdir())
            except (FileNotFoundError, NotADirectoryError):
                self._listed[folder] = frozenset()
        return self._listed[folder]
