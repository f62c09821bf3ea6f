"""The code of a script: the file and all modules beside it that it imports, found without running them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.core.proof.hints import Hint
from orchestrator.core.proof.script_reading import read_script
from orchestrator.stores.session.import_closure import ImportSearch
from orchestrator.stores.session.project_modules import Module, ProjectModules

_INSTALLED = Path(__file__).resolve().parents[3]
_LINES = (
    "    import orchestrator\n"
    "    with orchestrator.session(target=1000, seed=3) as run:\n"
    "        state = run.keep(weights=weights, rng=rng)\n"
    "        for step in run.steps():\n"
    "            ..."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCode:
    """A script and what it imports from its own folder.

    Attributes:
        files: POSIX path relative to the script's folder -> sha256.
        hints: Suspicious places in all of these files.
        assigned: Kept names to which a loop assigns.
    """

    files: Mapping[str, str]
    hints: tuple[Hint, ...]
    assigned: frozenset[str]


def read_code(script: Path) -> ScriptCode:
    """Read a script and its imports.

    Raises:
        BadInput: A file cannot be read or parsed, or none of them uses `orchestrator`.
    """
    root = script.parent
    known: dict[Path, bytes] = {}

    def read(path: Path) -> bytes:
        try:
            return known.setdefault(path, path.read_bytes())
        except OSError as fault:
            raise BadInput(f"{path} cannot be read: {fault.strerror}", remedy="Change its permissions.") from fault

    start = Module(name=script.stem, top=root, source=script, folder=None)
    closure = ImportSearch(ProjectModules(root, _INSTALLED), read).closure([start])
    sources = [one.source for one in closure.modules if one.top == root and one.source is not None]
    own = [path for path in dict.fromkeys([script, *sources]) if not _is_ours(path)]
    try:
        readings = [read_script(read(path), path.relative_to(root).as_posix()) for path in own]
    except (SyntaxError, ValueError, RecursionError) as fault:
        raise BadInput(f"{script.name} cannot be parsed: {fault}", remedy="Correct it there.") from fault
    if not any(b"orchestrator" in read(path) for path in own):
        raise BadInput(no_session(script), remedy=session_lines())
    return ScriptCode(
        files={path.relative_to(root).as_posix(): hashlib.sha256(read(path)).hexdigest() for path in own},
        hints=tuple(hint for reading in readings for hint in reading.hints),
        assigned=frozenset(name for reading in readings for name in reading.assigned),
    )


def no_session(script: Path) -> str:
    """Cause, if a script opens no session."""
    return f"{script.name} opens no orchestrator.session(), so it saves nothing and cannot be resumed"


def session_lines() -> str:
    """The lines that such a script needs."""
    return f"Add these lines; docs/YOUR_OWN.md explains them:\n{_LINES}"


def _is_ours(path: Path) -> bool:
    return (_INSTALLED / "orchestrator") in path.parents
