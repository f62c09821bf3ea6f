"""What the source of a Python file imports, binds and exports."""

from __future__ import annotations

from dataclasses import dataclass

ALL, DEEP = "**", "**/"
"""In `Imported.names`: all modules of a package, and also those of its subpackages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One import of a file.

    Attributes:
        module: Name after the leading dots; empty for `from . import x`.
        level: Number of leading dots; 0 for an absolute import.
        names: Names of a `from` import; `*` for a star import, `ALL` or `DEEP` where the program chooses the module.
        line: Line of the file, from 1.
        optional: Whether the program continues without it: its `ImportError` is caught.
        package: Package that a relative name starts from; empty for the file's own.
        function: Function at the top of the file that runs it at every call; empty if the file itself runs it, None if
            it may never run.
    """

    module: str
    level: int
    names: tuple[str, ...] = ()
    line: int
    optional: bool = False
    package: str = ""
    function: str | None = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What other files need to know of a file.

    Attributes:
        exported: Names in a literal `__all__`.
        bound: Names that the file binds, in any scope.
        open_ended: Whether it may have further names: a star import, `__getattr__`, `globals()` or `exec`.
    """

    imports: tuple[Imported, ...]
    exported: frozenset[str]
    bound: frozenset[str]
    open_ended: bool
