"""Reads a training script for what usually makes a resume inexact. It runs nothing, so it can only suspect."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.core.proof.hints import Hint, Reading, Suspect
from orchestrator.core.proof.impure_calls import SEEDED_BY_ARGUMENT, Place, impure_places
from orchestrator.core.proof.loop_variables import loop_variables
from orchestrator.core.proof.syntax import assignments, is_steps, last, root, roots

_GENERATORS = SEEDED_BY_ARGUMENT | {"SystemRandom", "Generator", "PRNGKey", "key", "PCG64", "MT19937", "Philox"}
_OF_RUN = frozenset({"report", "save", "should_stop"})


def read_script(source: bytes, file: str) -> Reading:
    """Read one file.

    Args:
        source: Its content.
        file: Its name, for the places of hints.

    Raises:
        SyntaxError: It is not Python of this version.
        ValueError: It contains null bytes.
    """
    script = _Script(ast.parse(source))
    hints = {
        Hint(suspect=suspect, name=name, file=file, line=getattr(node, "lineno", 0))
        for suspect, name, node in script.places()
    }
    return Reading(
        hints=tuple(sorted(hints, key=lambda hint: (hint.line, hint.name))), assigned=frozenset(script.assigned())
    )


class _Script:
    def __init__(self, tree: ast.Module) -> None:
        self._nodes = list(ast.walk(tree))
        loops = [node for node in self._nodes if isinstance(node, ast.For | ast.While)]
        over_steps: list[ast.For | ast.While] = [
            node for node in loops if isinstance(node, ast.For) and is_steps(node.iter)
        ]
        self._loops = over_steps or [node for node in loops if _uses_the_run(node)]
        self._inside = {id(node) for loop in self._loops for part in loop.body for node in ast.walk(part)}
        self._keeps = [node for node in self._nodes if isinstance(node, ast.Call) and last(node.func) == "keep"]
        self._kept = {name for call in self._keeps for one in call.keywords for name in roots(one.value)}
        self._states = {name for name, value, _ in assignments(self._nodes) if value in self._keeps}

    def places(self) -> Iterator[Place]:
        """Suspicious places."""
        yield from impure_places(self._nodes)
        if not any(one.arg is None for call in self._keeps for one in call.keywords):  # `keep(**parts)` hides names
            yield from self._not_kept()

    def assigned(self) -> Iterator[str]:
        """Kept names whose variable, or a variable of the same name, is assigned in the loop."""
        inside = {name for name, _, node in assignments(self._nodes) if id(node) in self._inside}
        stores = [one for one in self._nodes if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)]
        fields = {one.attr for one in stores if root(one) not in self._states}
        kept = {one.attr for one in stores if root(one) in self._states}  # `state.done = next_done` keeps it
        for call in self._keeps:
            for one in call.keywords:
                names = {one.arg} | ({one.value.id} if isinstance(one.value, ast.Name) else set())
                attribute = one.value.attr if isinstance(one.value, ast.Attribute) else None
                if one.arg is not None and one.arg not in kept and (names & inside or attribute in fields):
                    yield one.arg

    def _not_kept(self) -> Iterator[Place]:
        """Variables from before the loop that the loop changes and that are not kept."""
        read, carried = loop_variables(self._loops)
        for name, value, node in assignments(self._nodes):
            before = id(node) not in self._inside and name in read | carried
            if before and name not in self._kept | self._states and not roots(value) & self._states:
                suspect = self._suspect(name, value, carried)
                if suspect is not None:
                    yield suspect, name, node

    def _suspect(self, name: str, value: ast.expr, carried: set[str]) -> Suspect | None:
        if not isinstance(value, ast.Call):
            return Suspect.VARIABLE if name in carried else None
        made_by, methods = last(value.func), self._methods(name)
        if made_by in _GENERATORS:
            return Suspect.GENERATOR
        looks_like_one = made_by.lower().endswith(("env", "environment")) or made_by in ("make", "make_vec")
        if "reset" in methods or (looks_like_one and "step" in methods):
            return Suspect.ENVIRONMENT
        if name in carried:
            return Suspect.VARIABLE
        return Suspect.OBJECT if made_by[:1].isupper() and methods else None

    def _methods(self, name: str) -> set[str]:
        """Methods that the script calls on a variable."""
        return {
            node.func.attr
            for node in self._nodes
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == name
        }


def _uses_the_run(loop: ast.For | ast.While) -> bool:
    """Whether it is the loop of a script that does without `run.steps()`."""
    return any(isinstance(node, ast.Attribute) and node.attr in _OF_RUN for node in ast.walk(loop))
