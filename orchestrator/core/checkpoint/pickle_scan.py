"""Lists what a pickled stream would import when loaded. Its instructions are read, never executed."""

from __future__ import annotations

import pickletools
from typing import Any

_MARK = pickletools.markobject
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_NAMED_IN_LINE = frozenset({"GLOBAL", "INST"})
UNKNOWN_NAME = "a name that is known only while it is loaded"


class NotReadable(ValueError):
    """The stream cannot be followed, so what loading it would do is unknown."""


def imported_names(stream: bytes) -> tuple[str, ...]:
    """Every global that loading the stream would import, as `module.name`, sorted.

    A name that itself contains dots reaches through the module's attributes to anything that the module has imported.
    It is given as `module:name.rest`, so that it cannot be mistaken for a plain name.

    The unpickler's stack is followed, not only its strings: a stream can push harmless names and drop them again.
    Source: CPython `Lib/pickletools.py`, whose opcode table states what each instruction takes and leaves.

    Raises:
        NotReadable: The stream is damaged, or its instructions do not fit its stack.
    """
    reading = _Reading()
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            reading.follow(opcode, argument)
    except (ValueError, IndexError, KeyError) as fault:
        raise NotReadable(f"it cannot be followed: {fault}") from fault
    return tuple(sorted(reading.names))


def _joined(module: str, name: str) -> str:
    return f"{module}{':' if '.' in name else '.'}{name}"


class _Reading:
    """The unpickler's stack and memo: strings as they are, None for everything else."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Apply one instruction to the stack."""
        name = opcode.name
        if name in _PUTS:
            self._memo[len(self._memo) if argument is None else int(argument)] = self._stack[-1]
            return
        if name == "STOP":
            return
        if name in _NAMED_IN_LINE:
            module, _, within = str(argument).partition(" ")
            self.names.add(_joined(module, within))
        elif name.startswith("EXT"):  # a number from the copyreg extension registry stands for a global
            self.names.add(UNKNOWN_NAME)
        taken = self._take(opcode)
        if name == "STACK_GLOBAL":
            texts = all(isinstance(part, str) for part in taken)
            self.names.add(_joined(*taken) if texts else UNKNOWN_NAME)
        self._leave(opcode, argument, taken)

    def _take(self, opcode: pickletools.OpcodeInfo) -> list[Any]:
        wanted = list(opcode.stack_before)
        if opcode.name == "POP" and self._stack and self._stack[-1] is _MARK:
            self._stack.pop()
            return []
        if _MARK in wanted:
            while self._stack.pop() is not _MARK:
                pass
            wanted = wanted[: wanted.index(_MARK)]
        return [self._stack.pop() for _ in wanted][::-1]

    def _leave(self, opcode: pickletools.OpcodeInfo, argument: Any, taken: list[Any]) -> None:
        if opcode.name in _GETS:
            self._stack.append(self._memo[int(argument)])
        elif opcode.name == "DUP":
            self._stack += [taken[0], taken[0]]
        elif list(opcode.stack_after) == [_MARK]:
            self._stack.append(_MARK)
        else:
            text = argument if isinstance(argument, str) and opcode.name not in _NAMED_IN_LINE else None
            self._stack += [text for _ in opcode.stack_after]
