"""Places in a script that give other values in another process: clocks, unseeded randomness, the order of sets."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from orchestrator.core.proof.hints import Suspect
from orchestrator.core.proof.syntax import assignments, dotted, is_set, last

SEEDED_BY_ARGUMENT = frozenset({"Random", "default_rng", "RandomState", "SeedSequence"})
_CLOCKS = frozenset(
    {
        *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter"),
        *("time.perf_counter_ns", "time.process_time", "datetime.now", "datetime.utcnow", "date.today"),
        *("os.urandom", "os.getpid", "os.listdir", "os.scandir", "uuid.uuid1", "uuid.uuid4", "id"),
        *("perf_counter", "perf_counter_ns", "time_ns", "monotonic", "urandom", "uuid4", "getpid"),
    }
)
_CONSUMERS = frozenset({"list", "tuple", "enumerate", "iter", "next", "zip", "map", "sum"})

Place = tuple[Suspect, str, ast.AST]
"""Cause, name to show, and node."""


def impure_places(nodes: Sequence[ast.AST]) -> Iterator[Place]:
    """All such places among the nodes of a file."""
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    seeded = {dotted(call.func) for call in calls if call.args or call.keywords}
    for call in calls:
        name = dotted(call.func)
        if _is_clock(name):
            yield Suspect.CLOCK, f"{name}()", call
        elif _is_unseeded(call, name) and name not in seeded and f"{name.rpartition('.')[0]}.seed" not in seeded:
            yield Suspect.CLOCK, f"{name}() without a seed", call
        elif name == "hash":
            yield Suspect.HASH_ORDER, "hash()", call
    sets = {name for name, value, _ in assignments(nodes) if is_set(value, set())}
    for node in nodes:
        for one in _in_order(node):
            if is_set(one, sets):
                yield Suspect.HASH_ORDER, ast.unparse(one), one


def _is_clock(name: str) -> bool:
    parts = name.split(".")
    return name in _CLOCKS or ".".join(parts[-2:]) in _CLOCKS or parts[0] == "secrets" or parts[-1] == "SystemRandom"


def _is_unseeded(call: ast.Call, name: str) -> bool:
    if call.args or call.keywords:
        return False
    owner, _, end = name.rpartition(".")
    return end in SEEDED_BY_ARGUMENT or name == "random.seed" or (end == "reset" and owner != "")


def _in_order(node: ast.AST) -> Iterable[ast.expr]:
    """Expressions of a node whose order has an effect."""
    if isinstance(node, ast.For | ast.comprehension):
        return (node.iter,)
    if isinstance(node, ast.Starred):
        return (node.value,)
    if isinstance(node, ast.Call) and dotted(node.func) in _CONSUMERS:
        return node.args
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if last(node.func) == "pop" and not node.args:
            return (node.func.value,)
        return node.args if last(node.func) == "join" else ()
    return ()
