"""Puts the functions of a mutant into an imported module, so that nothing is imported again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

from tests.mutants.mutations import Mutant


def changed_function(original: str, mutant: Mutant) -> str | None:
    """The one function or method that a mutant changes; None if it changes more, such as a constant."""
    before, after = (compile(text, str(mutant.path), "exec", dont_inherit=True) for text in (original, mutant.source))
    if _outside(before) != _outside(after):
        return None
    functions = dict(_functions(after))
    changed = [name for name, code in _functions(before) if _text(code) != _text(functions[name])]
    return changed[0] if len(changed) == 1 else None


def put_in_place(module: ModuleType, mutant: Mutant, name: str, *, dry: bool = False) -> bool:
    """Replace the code of a function for all who have imported it; False if it cannot be found.

    Args:
        dry: Only look for it.
    """
    if dry:
        return name in dict(_callables(module))
    mutated = ModuleType(module.__name__)
    mutated.__dict__.update({key: module.__dict__[key] for key in ("__file__", "__package__", "__spec__")})
    # A mutant of this project's own code.
    exec(compile(mutant.source, str(mutant.path), "exec", dont_inherit=True), mutated.__dict__)  # noqa: S102
    old, new = (dict(_callables(one)).get(name) for one in (module, mutated))
    if old is None or new is None:
        return False
    old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
    return True


def _callables(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    for value in list(vars(module).values()):
        inner = (
            list(vars(value).values()) if inspect.isclass(value) and value.__module__ == module.__name__ else [value]
        )
        for one in inner:
            function = _unwrapped(one)
            if function is not None and function.__module__ == module.__name__:
                yield function.__qualname__, function


def _unwrapped(value: object) -> FunctionType | None:
    if isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property):
        value = value.func
    elif isinstance(value, classmethod | staticmethod):
        value = value.__func__
    value = inspect.unwrap(value) if callable(value) else value
    return value if isinstance(value, FunctionType) else None


def _is_body(code: CodeType) -> bool:
    """Whether it is the body of a module or a class, which runs at the import."""
    return not code.co_flags & inspect.CO_OPTIMIZED


def _outside(code: CodeType) -> object:
    inner = [
        _outside(one)
        if isinstance(one, CodeType) and _is_body(one)
        else one.co_name
        if isinstance(one, CodeType)
        else one
        for one in code.co_consts
    ]
    return code.co_code, code.co_names, [(type(one), one) for one in inner]


def _functions(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _functions(one) if _is_body(one) else [(one.co_qualname, one)]


def _text(code: CodeType) -> object:
    inner = [_text(one) if isinstance(one, CodeType) else (type(one), one) for one in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, inner, code.co_exceptiontable
