"""The mutants of a file, made by cosmic-ray's operators."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

_COMPARISONS = (
    "Eq_NotEq NotEq_Eq Is_IsNot IsNot_Is Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Eq_LtE Eq_GtE"
)
_ARITHMETIC = "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul Pow_Mul BitOr_BitAnd BitAnd_BitOr BitXor_BitOr"
_UNARY = "USub_UAdd Delete_USub Delete_Not Delete_Invert"
_OTHERS = (
    "AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue "
    "ReplaceContinueWithBreak ExceptionReplacer NumberReplacer RemoveDecorator ZeroIterationForLoop"
)
OPERATORS = (
    *(f"ReplaceComparisonOperator_{one}" for one in _COMPARISONS.split()),
    *(f"ReplaceBinaryOperator_{one}" for one in _ARITHMETIC.split()),
    *(f"ReplaceUnaryOperator_{one}" for one in _UNARY.split()),
    *_OTHERS.split(),
)
"""Of each comparison its negation and its neighbour at the boundary, of each arithmetic operator one other.

Cosmic-ray would try each with every other one; these find as much (Offutt and others, 1996, on sufficient operators).
"""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of a file.

    Attributes:
        place: Function or class that it is in, empty for the module itself.
        before: The changed lines, stripped, joined by ` / `.
        after: What they become.
        source: The whole file, changed.
    """

    path: Path
    line: int
    place: str
    before: str
    after: str
    source: str

    @property
    def change(self) -> str:
        """What identifies it, also after lines were added above it."""
        return f"{self.before} => {self.after}"


def mutants_of(path: Path) -> list[Mutant]:
    """All mutants of a file that change what it does."""
    source = path.read_text(encoding="utf-8")
    meaning, found = _meaning(source), dict[str, Mutant]()
    for name in OPERATORS:
        for occurrence, (line, place) in enumerate(_positions(source, name)):
            changed = mutate_code(source, get_operator(f"core/{name}")(), occurrence)
            if changed is None or changed in found or _meaning(changed) in ("", meaning):
                continue
            before, after = _difference(source, changed)
            found[changed] = Mutant(path=path, line=line, place=place, before=before, after=after, source=changed)
    return sorted(found.values(), key=lambda one: (one.line, one.change))


def _positions(source: str, name: str) -> Iterator[tuple[int, str]]:
    operator = get_operator(f"core/{name}")()
    for node in ast_nodes(get_ast(source)):
        for start, _ in operator.mutation_positions(node):
            yield start[0], ASTQuery(node).get_definition_name() or ""


def _difference(before: str, after: str) -> tuple[str, str]:
    old, new = before.splitlines(), after.splitlines()
    changed = [number for number, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]]
    if len(old) != len(new):
        return old[changed[0]].strip() if changed else old[-1].strip(), "(removed)"
    joined = (" / ".join(lines[number].strip() for number in changed) for lines in (old, new))
    return next(joined), next(joined)


def _meaning(source: str) -> str:
    """The program without what changes no behaviour; empty if it is not even Python.

    Left out: annotations, which nothing evaluates; the options of dataclasses, which mypy checks; and whether an
    argument may be given by its place or by its name.
    """
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arguments):
            node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            node.defaults += [one for one in node.kw_defaults if one is not None]
            node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dataclass":
            node.keywords = []
    return ast.dump(tree)
