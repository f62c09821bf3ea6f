"""What is part of the program and never changes: functions, classes, modules; their names, and how they are found."""

from __future__ import annotations

import hashlib
import logging
import operator
import sys
import types
from typing import Any

_CODE = (
    type,
    types.ModuleType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GenericAlias,
    types.UnionType,
    types.CodeType,
    type(...),
    type(NotImplemented),
    logging.Logger,
    property,
    classmethod,
    staticmethod,
    operator.itemgetter,
    operator.attrgetter,
    operator.methodcaller,
)
_OF_LIBRARIES = {
    "numpy": ("dtype", "ufunc"),
    "torch": ("dtype", "device", "layout", "memory_format"),
    "numba.core.dispatcher": ("Dispatcher",),
}
_OF_NUMPY = "_ArrayFunctionDispatcher"
"""Class of the functions of numpy, which has no public name."""


def is_code(value: Any) -> bool:
    """Whether a value is part of the program and never changes."""
    if isinstance(value, types.FunctionType):
        plain = (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values())
        changes = any(type(one) in (list, dict, set) for one in plain)
        return value.__closure__ is None and not vars(value) and not changes
    if isinstance(value, types.BuiltinFunctionType):
        owner = value.__self__
        return isinstance(owner, types.ModuleType | type | None) or module_of(type(owner)).startswith("torch._C")
    if type(value).__name__ == _OF_NUMPY and module_of(type(value)) == "numpy":
        return True
    return isinstance(value, _CODE) or module_of(type(value)) == "typing" or _is_of_library(value)


def code_name(value: Any) -> str:
    """Module and name of a function, class or module; another constant of the program as text."""
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        digest = f"#{_digest(value.__code__)}" if isinstance(value, types.FunctionType) else ""
        return f"{getattr(value, '__module__', None)}:{name}{digest}"
    constants = (types.GenericAlias, types.UnionType)
    if _is_of_library(value) or isinstance(value, constants) or module_of(type(value)) == "operator":
        return f"{class_name(type(value))} {value!r}"
    return str(getattr(value, "__name__", class_name(type(value))))


def class_name(kind: type) -> str:
    """Module and qualified name of a class."""
    return f"{module_of(kind)}:{kind.__qualname__}"


def module_of(kind: type) -> str:
    """Module of a class; empty for a class of a C library that names none."""
    return str(getattr(kind, "__module__", ""))


def find_code(name: str, current: Any) -> Any:
    """The function, class or module of a name; `current` if it cannot be found, which a comparison then shows."""
    if current is not None and is_code(current) and code_name(current) == name:
        return current
    found: Any = _at(name.partition("#")[0]) if ":" in name else sys.modules.get(name)
    return found if found is not None and is_code(found) and code_name(found) == name else current


def find_class(name: str, current: Any = None) -> Any:
    """A class by its name: that of the script's object, of an imported module, or one that a function defined.

    Raises:
        ValueError: There is none.
    """
    if current is not None and class_name(type(current)) == name:
        return type(current)
    found = _at(name)
    if isinstance(found, type):
        return found
    if "<locals>" in name:
        local = [one for one in _subclasses(object) if class_name(one) == name]
        if len(local) == 1:
            return local[0]
    raise ValueError(f"the class {name} is missing")


def _at(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _subclasses(kind: type) -> set[type]:
    found: set[type] = set()
    left = [kind]
    while left:
        below: list[type] = type.__subclasses__(left.pop())
        for one in below:
            if one not in found:
                found.add(one)
                left.append(one)
    return found


def _is_of_library(value: Any) -> bool:
    for module, names in _OF_LIBRARIES.items():
        library = sys.modules.get(module)
        if any(isinstance(kind := getattr(library, name, None), type) and isinstance(value, kind) for name in names):
            return True
    return False


def _digest(code: types.CodeType) -> str:
    """Digest of byte code: two lambdas of one function have the same name."""
    parts = [code.co_code.hex(), *code.co_names, *code.co_varnames]
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            parts.append(_digest(one))
        else:  # the order of a set of texts differs between processes
            parts.append(repr(sorted(map(repr, one))) if isinstance(one, frozenset) else repr(one))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]
