"""Reads the imports of a Python file from its source, without running it."""

from __future__ import annotations

import ast
import re
import warnings

from orchestrator.stores.session.imported_names import ALL, DEEP, Imported, Statements

OWN_NAMES = frozenset({"__name__", "__package__"})
"""Variables with the name of the file's own module or package."""
_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_BY_NAME = frozenset({"import_module", "__import__", "run_module"})
_RESOURCES = frozenset({"files", "get_data", "open_text", "open_binary", "read_text", "read_binary"})
_SB3 = "orchestrator.sb3.script.learning"
_LISTED = {"iter_modules": ALL, "walk_packages": DEEP}
_MAY_NOT_RUN = (ast.If, ast.IfExp, ast.BoolOp, ast.For, ast.While, ast.Match, ast.ExceptHandler, ast.Lambda)
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_OBJECT = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):[^\W\d][\w.-]*")
"""`package.module:Name`, as Gymnasium's `register` and `make` take it."""


def read_statements(source: bytes) -> Statements:
    """Read the imports of a Python file. Imports under `if TYPE_CHECKING:` do not run and are left out.

    Raises:
        SyntaxError: It is not Python of this version.
        ValueError: It contains null bytes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the user's style; shown where the code runs
        tree = ast.parse(source)
    reader = _Reader()
    reader.visit(tree)
    return Statements(
        imports=tuple(dict.fromkeys(reader.imports)),
        exported=frozenset(reader.exported),
        bound=frozenset(reader.bound),
        open_ended=reader.open_ended,
    )


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.imports: list[Imported] = []
        self.exported: set[str] = set()
        self.bound: set[str] = set()
        self.open_ended = False
        self._optional = False
        self._aliases: dict[str, tuple[str, int]] = {}
        self._function: str | None = ""

    def visit(self, node: ast.AST) -> None:
        before = self._function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function = None if node.col_offset else node.name
        elif before and isinstance(node, _MAY_NOT_RUN):
            self._function = None
        super().visit(node)
        self._function = before

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node, alias.name)
            self.bound.add(alias.asname or alias.name.partition(".")[0])
            self._aliases[alias.asname or alias.name] = alias.name, 0

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        names = tuple(alias.name for alias in node.names)
        for alias in node.names:
            self._aliases[alias.asname or alias.name] = ".".join(filter(None, (node.module, alias.name))), node.level
        self._add(node, node.module or "", level=node.level, names=names)
        self.open_ended |= "*" in names
        self.bound |= {alias.asname or alias.name for alias in node.names}

    def visit_If(self, node: ast.If) -> None:
        body: list[ast.stmt] = node.body
        orelse: list[ast.stmt] = node.orelse
        if _is_type_checking(node.test):
            body = []
        elif isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not):
            orelse = [] if _is_type_checking(node.test.operand) else orelse
        self.visit(node.test)
        self._visit_all([*body, *orelse])

    def visit_Try(self, node: ast.Try) -> None:
        self._visit_try(node)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self._visit_try(node)

    def _visit_try(self, node: ast.Try | ast.TryStar) -> None:
        self._visit_all(node.body, optional=any(_catches(handler.type) for handler in node.handlers))
        self._visit_all([*node.handlers, *node.orelse, *node.finalbody])

    def visit_With(self, node: ast.With) -> None:
        calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
        caught = [one for call in calls if last_name(call.func) == "suppress" for one in call.args]
        self._visit_all(node.items)
        self._visit_all(node.body, optional=any(_catches(one) for one in caught))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "sb3":  # `run.sb3` imports it by name
            self._add(node, _SB3, optional=True)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = last_name(node.func)
        given = {word.arg: word.value for word in node.keywords}
        first = next(iter(node.args), given.get("name", given.get("package", given.get("anchor"))))
        text = first.value if isinstance(first, ast.Constant) else None
        if isinstance(text, str) and called in _BY_NAME | _RESOURCES:
            name = text.lstrip(".")
            package = node.args[1] if len(node.args) > 1 else given.get("package")
            own = package is None or last_name(package) in {"__package__", "__name__"}
            start = package.value if isinstance(package, ast.Constant) and isinstance(package.value, str) else ""
            level = len(text) - len(name)
            if _DOTTED.fullmatch(name) and (not level or own or start):
                # A relative name is certain only where it starts from the file's own package.
                self._add(node, name, level=level, package=start, optional=not own or called in _RESOURCES)
        elif called in _BY_NAME and first is not None:
            self._add_chosen(node, first)
        elif called in _LISTED:
            self._add_listed(node, _LISTED[called])
        elif called.startswith("attach") and last_name(first) == "__name__":  # lazy_loader.attach
            self._add(node, "", level=1, names=(ALL,), optional=True)
        self.open_ended |= called in {"globals", "exec", "setattr"}
        self.generic_visit(node)

    def _add_chosen(self, node: ast.Call, name: ast.expr) -> None:
        """Add all modules of the package in `import_module(f"package.{name}")`, where that much is written."""
        text = leading_text(name)
        own = text.startswith(tuple(OWN_NAMES)) or any(last_name(one) in OWN_NAMES for one in node.args[1:])
        own = own or any(last_name(word.value) in OWN_NAMES for word in node.keywords if word.arg == "package")
        package = text.removeprefix("__name__").removeprefix("__package__").rpartition(".")[0].lstrip(".")
        level = max(1, len(text) - len(text.lstrip("."))) if own else 0
        if own or package:
            self._add(node, package, level=level, names=(ALL,), optional=True)

    def _add_listed(self, node: ast.Call, names: str) -> None:
        """Add all modules of `package` in `iter_modules(package.__path__)`; without a package, of the file's own."""
        paths = [one.value for one in ast.walk(node) if isinstance(one, ast.Attribute) and one.attr == "__path__"]
        for module, level in [self._aliases.get(ast.unparse(one), ("", -1)) for one in paths] or [("", 1)]:
            if level >= 0:
                self._add(node, module, level=level, names=(names,), optional=True)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and (found := _OBJECT.fullmatch(node.value)):
            self._add(node, found[1], optional=True)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._note_exported(node.targets, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._note_exported([node.target], node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._note_exported([node.target], node.value)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.bound.add(node.id)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_scope(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_scope(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_scope(node)

    def _visit_scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.bound.add(node.name)
        self.open_ended |= node.name == "__getattr__"
        before, self._optional = self._optional, False  # a caught call says nothing of where it is called
        self.generic_visit(node)
        self._optional = before

    def _add(
        self,
        node: ast.stmt | ast.expr,
        module: str,
        *,
        level: int = 0,
        names: tuple[str, ...] = (),
        package: str = "",
        optional: bool = False,
    ) -> None:
        found = Imported(
            module=module,
            level=level,
            names=names,
            line=node.lineno,
            optional=optional or self._optional,
            package=package,
            function=self._function,
        )
        self.imports.append(found)

    def _note_exported(self, targets: list[ast.expr], value: ast.expr | None) -> None:
        if value is not None and any(isinstance(one, ast.Name) and one.id == "__all__" for one in targets):
            if isinstance(value, ast.ListComp):  # the files of the folder
                self.exported.add(ALL)
            constants = (one.value for one in ast.walk(value) if isinstance(one, ast.Constant))
            self.exported |= {one for one in constants if isinstance(one, str)}

    def _visit_all(self, nodes: list[ast.stmt] | list[ast.AST] | list[ast.withitem], *, optional: bool = False) -> None:
        before, self._optional = self._optional, self._optional or optional
        for node in nodes:
            self.visit(node)
        self._optional = before


def _is_type_checking(test: ast.expr) -> bool:
    return last_name(test) == "TYPE_CHECKING"


def _catches(caught: ast.expr | None) -> bool:
    """Whether an exception or a tuple of them contains `ImportError`; a handler without one catches everything."""
    several = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(one is None or last_name(one) in _CAUGHT for one in several)


def leading_text(node: ast.expr) -> str:
    """The beginning of a text that the program composes; empty where it is not written in the file."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        text = ""
        for one in node.values:
            part = leading_text(one.value if isinstance(one, ast.FormattedValue) else one)
            text += part
            if not part or (isinstance(one, ast.FormattedValue) and part not in OWN_NAMES):
                break
        return text
    if isinstance(node, ast.BinOp):
        left = leading_text(node.left)
        if isinstance(node.op, ast.Mod):
            return left.partition("%")[0]
        whole = left in OWN_NAMES or isinstance(node.left, ast.Constant)
        return left + (leading_text(node.right) if whole else "")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return leading_text(node.func.value).partition("{")[0]
    return last_name(node) if last_name(node) in OWN_NAMES else ""


def last_name(node: ast.expr | None) -> str:
    """Last part of a dotted name; empty for another expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
