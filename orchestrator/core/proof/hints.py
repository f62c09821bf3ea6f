"""What usually makes a resume inexact, and a place in a script that looks like it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Suspect(StrEnum):
    """A usual cause of a difference."""

    GENERATOR = "a random generator that is not kept"
    ENVIRONMENT = "an environment or data source whose state is not kept"
    OBJECT = "an object whose state is not kept"
    VARIABLE = "a variable that is not kept"
    REPLACED = "a value that is replaced instead of filled in place, or a number that is rebound locally"
    CLOCK = "a clock, or randomness from the operating system"
    HASH_ORDER = "the order of a set, or hash()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One suspicious place.

    Attributes:
        name: Variable, expression or call.
        file: Its file.
        line: From 1.
    """

    suspect: Suspect
    name: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.name} ({self.file}, line {self.line})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the text of a script shows.

    Attributes:
        hints: Suspicious places, in the order of the lines.
        assigned: Names that `keep` got and whose variables the loop assigns.
    """

    hints: tuple[Hint, ...] = ()
    assigned: frozenset[str] = frozenset()
