"""The modules of a project that an entry point imports, directly or through others, found without running them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.stores.session.import_statements import read_statements
from orchestrator.stores.session.imported_names import ALL, DEEP, Imported, Statements
from orchestrator.stores.session.project_modules import OWN, Module, ProjectModules


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """The result of a search.

    Attributes:
        modules: All modules that are needed, by name.
        faults: Imports that cannot work and files that cannot be parsed, with file and line.
        libraries: Top-level names that neither the project nor the standard library has, and that are imported when the
            first modules are loaded, or whenever `run` of the entry point is called. Optional imports do not count.
    """

    modules: tuple[Module, ...]
    faults: tuple[str, ...]
    libraries: tuple[str, ...]


class ImportSearch:
    """Follows imports from file to file. Modules outside the project are ignored: the session has to have them.

    Args:
        modules: Finds modules by name.
        read: Reads a file; raises `BadInput` if it cannot.
    """

    def __init__(self, modules: ProjectModules, read: Callable[[Path], bytes]) -> None:
        self._modules = modules
        self._read = read
        self._statements: dict[Path, Statements] = {}
        self._faults: dict[str, None] = {}

    def closure(self, start: Iterable[Module], entry_point: str = "") -> Closure:
        """All modules that these import, themselves and their packages included.

        Args:
            start: Where the search begins.
            entry_point: Name of the module among them whose `run` the session calls, if there is one.
        """
        found: dict[str, Module] = {}
        first = list(start)
        todo = list(first)
        while todo:
            module = todo.pop()
            if module.name in found:
                continue
            found[module.name] = module
            todo += self._modules.parents(module)
            if module.source is not None and not module.name.startswith(f"{OWN}.kernel"):  # packed whole
                todo += self._imported_by(module, module.source)
        return Closure(
            modules=tuple(found[name] for name in sorted(found)),
            faults=tuple(sorted(self._faults)),
            libraries=tuple(sorted(self._needed_by(first, entry_point) - sys.stdlib_module_names)),
        )

    def _needed_by(self, first: Iterable[Module], entry_point: str) -> set[str]:
        """See `Closure.libraries`."""
        names: set[str] = set()
        seen: set[str] = set()
        todo = list(first)
        while todo:
            module = todo.pop()
            if module.name in seen or module.source is None or module.name.startswith(f"{OWN}.kernel"):
                continue
            seen.add(module.name)
            todo += self._modules.parents(module)
            for one in self._of(module, module.source).imports:
                called = one.function == "" or (one.function == "run" and module.name == entry_point)
                if called and not one.optional:
                    targets = list(self._targets(module, module.source, one))
                    todo += targets
                    names |= set() if targets or one.level else {one.module.partition(".")[0]}
        return names

    def _imported_by(self, module: Module, source: Path) -> Iterator[Module]:
        for one in self._of(module, source).imports:
            for found in self._targets(module, source, one):
                if found.source is not None:  # a folder without code is a package only through its modules
                    yield found

    def _targets(self, module: Module, source: Path, one: Imported) -> Iterator[Module]:
        name = _absolute(one.package or module.package, one)
        if name is None:
            self._fault(module, source, one, "leaves the package")
            return
        found = self._modules.deepest(name)
        if found is not None:
            yield found
        if found is None or found.name != name:
            if one.level:
                self._fault(module, source, one, f"finds no module {name}")
            return
        if found.folder is None:
            return
        own = self._of(found, found.source) if found.source is not None else None
        names = set(one.names) - {"*"} | (own.exported if own and "*" in one.names else set())
        if not names.isdisjoint({ALL, DEEP}):
            yield from self._modules.children(found, deep=DEEP in names)
        for last in sorted(names - {ALL, DEEP}):
            submodule = self._modules.find(f"{name}.{last}")
            if submodule is not None:
                yield submodule
            elif one.level and last in one.names and not (own and (own.open_ended or last in own.bound)):
                self._fault(module, source, one, f"finds no {last} in {name}")

    def _of(self, module: Module, source: Path) -> Statements:
        if source not in self._statements:
            try:
                self._statements[source] = read_statements(self._read(source))
            except (SyntaxError, ValueError, RecursionError) as fault:
                line = f", line {fault.lineno}" if isinstance(fault, SyntaxError) and fault.lineno else ""
                what = fault.msg if isinstance(fault, SyntaxError) else str(fault)
                self._faults[f"{_shown(module, source)}{line}: cannot be parsed: {what}"] = None
                nothing: frozenset[str] = frozenset()
                self._statements[source] = Statements(imports=(), exported=nothing, bound=nothing, open_ended=True)
        return self._statements[source]

    def _fault(self, module: Module, source: Path, one: Imported, why: str) -> None:
        if not one.optional:
            written = f"{'.' * one.level}{one.module}"
            self._faults[f"{_shown(module, source)}, line {one.line}: the relative import of {written} {why}"] = None


def _absolute(package: str, one: Imported) -> str | None:
    """Full name of what is imported; None if its dots lead out of the package."""
    if not one.level:
        return one.module
    parts = package.split(".") if package else []
    if one.level > len(parts):
        return None
    return ".".join([*parts[: len(parts) - one.level + 1], *([one.module] if one.module else [])])


def _shown(module: Module, source: Path) -> str:
    return source.relative_to(module.top).as_posix()
