"""Reads a YAML file as plain values, with the line of each key, merge keys resolved, and all faults at once.

Merge keys follow https://yaml.org/type/merge.html: a mapping's own key wins over a merged one, of a list of mappings
the earlier one wins, and nested blocks of the same name are not merged with each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from orchestrator.core.errors import BadInput
from orchestrator.stores.yaml.values import MAPPING, MERGE, SEQUENCE, STRING, SyntaxLoader, scalar_of, tag_word

Path = tuple[str | int, ...]

MOST_VALUES = 50_000
"""Values of a file with all aliases expanded. Nested aliases can expand to more than any memory holds."""

MOST_LEVELS = 64
"""Depth of nested blocks."""

SHARED = "x-"
"""Prefix of a top-level block that exists only to be shared, as in Docker Compose files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault at a place of a file."""

    line: int
    path: Path
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The values of a file.

    Attributes:
        plain: Mappings, lists, text, numbers, booleans and None; without shared blocks.
        lines: Place -> line of its key or item; for a merged key, the line where it is written.
        faults: What cannot be read; `plain` holds None there.
    """

    plain: Any
    lines: Mapping[Path, int]
    faults: tuple[Fault, ...]

    @property
    def empty(self) -> bool:
        """Whether the file holds no value."""
        return self.plain is None and not self.faults


def read_document(text: str, source: str) -> Document:
    """Read a text with one YAML document.

    Args:
        text: YAML.
        source: Name of the file, for messages.

    Raises:
        BadInput: It is not YAML, or exceeds the limits. Other faults are in the document.
    """
    try:
        root = _Composer(text).get_single_node()
        builder = _Builder()
        plain = None if root is None else builder.value(root, ())
    except yaml.YAMLError as fault:
        line, problem = _syntax(fault, text)
        raise BadInput(f"{source}, line {line}: {problem}", remedy="Correct the YAML at that line.") from fault
    except (ValueError, OverflowError) as fault:  # an escape such as "\U00110000" that is not a character
        raise BadInput(f"{source}: {fault}", remedy="Correct the escapes of the quoted texts.") from fault
    if isinstance(plain, dict):
        plain = {key: value for key, value in plain.items() if not key.startswith(SHARED)}
    return Document(plain=plain, lines=builder.lines, faults=tuple(builder.faults))


class _TooMuch(yaml.MarkedYAMLError):
    """A limit is exceeded; reading stops, since it would cost too much time and memory."""

    def __init__(self, problem: str, mark: yaml.Mark | None) -> None:
        super().__init__(problem=problem, problem_mark=mark)


class _Composer(SyntaxLoader):
    """Composes nodes, within the limits on number and depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values, self._level = 0, 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node, with everything below it."""
        self._values, self._level = self._values + 1, self._level + 1
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # PyYAML has no types for it
        if self._values > 2 * MOST_VALUES:  # keys are nodes as well
            raise _TooMuch(_TOO_MANY, mark)
        if self._level > MOST_LEVELS:
            raise _TooMuch(_TOO_DEEP, mark)
        node = super().compose_node(parent, index)
        self._level -= 1
        return node


_TOO_MANY = f"the file holds more than {MOST_VALUES} values, with aliases expanded"
_TOO_DEEP = f"blocks are nested more than {MOST_LEVELS} deep, with aliases expanded"

_IN_ITSELF = "an alias is inside the block that it refers to"

_Pairs = dict[str, tuple[yaml.Node, yaml.Node]]


class _Builder:
    """Builds plain values from nodes."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.faults: list[Fault] = []
        self._values = 0
        self._open: set[int] = set()
        self._merging: set[int] = set()
        self._pairs_of: dict[int, _Pairs] = {}

    def value(self, node: yaml.Node, path: Path) -> Any:
        """The plain value of a node, None if it cannot be read."""
        self._count(1, node)
        if len(path) > MOST_LEVELS:
            raise _TooMuch(_TOO_DEEP, node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            return self._fault(node, path, _IN_ITSELF)
        if node.tag not in (MAPPING, SEQUENCE):
            return self._fault(
                node, path, f"the tag {tag_word(node.tag)} is not allowed: blocks are mappings and lists"
            )
        self._open.add(id(node))
        plain = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        self._open.discard(id(node))
        return plain

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        try:
            return scalar_of(STRING if node.tag == MERGE else node.tag, node.value)
        except ValueError as fault:
            return self._fault(node, path, str(fault))

    def _list(self, node: yaml.Node, path: Path) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = _line(item)
            items.append(self.value(item, (*path, index)))
        return items

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        block = {}
        for key, (key_node, value) in self._pairs(node, path).items():
            self.lines[(*path, key)] = _line(key_node)
            block[key] = self.value(value, (*path, key))
        return block

    def _pairs(self, node: yaml.MappingNode, path: Path) -> _Pairs:
        """Keys and values of a mapping, merged ones included; each mapping is resolved once."""
        if id(node) in self._pairs_of:
            return self._pairs_of[id(node)]
        if id(node) in self._merging:
            self._fault(node, path, _IN_ITSELF)
            return _Pairs()
        self._merging.add(id(node))
        own, merged, merge_key = _Pairs(), _Pairs(), None
        for key_node, value in node.value:
            if key_node.tag == MERGE and merge_key is not None:
                problem = (
                    f"<< is given twice (first in line {_line(merge_key)}); merge a list instead: <<: [*one, *two]"
                )
                self._fault(key_node, path, problem)
            elif key_node.tag == MERGE:
                merge_key, merged = key_node, self._merged(value, path)
            elif (key := self._key(key_node, path)) is not None:
                if key in own:
                    problem = f"key {key!r} is given twice (first in line {_line(own[key][0])})"
                    self._fault(key_node, (*path, key), problem)
                else:
                    own[key] = (key_node, value)
        self._merging.discard(id(node))
        self._pairs_of[id(node)] = {**merged, **own}
        return self._pairs_of[id(node)]

    def _merged(self, value: yaml.Node, path: Path) -> _Pairs:
        """Keys and values of a merge key."""
        if len(self._merging) > MOST_LEVELS:
            raise _TooMuch(_TOO_DEEP, value.start_mark)
        pairs = _Pairs()
        for one in value.value if isinstance(value, yaml.SequenceNode) else (value,):
            if not isinstance(one, yaml.MappingNode):
                self._fault(one, path, "<< takes a mapping or a list of mappings, as in `<<: *name`")
                continue
            merged = self._pairs(one, path)
            self._count(len(merged), one)
            pairs |= {key: pair for key, pair in merged.items() if key not in pairs}
        return pairs

    def _count(self, more: int, node: yaml.Node) -> None:
        self._values += more
        if self._values > MOST_VALUES:
            raise _TooMuch(_TOO_MANY, node.start_mark)

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == STRING:
            key: str | None = self._scalar(node, path)
            return key
        problem = f"the key {node.value} is not text; put it in quotes" if isinstance(node, yaml.ScalarNode) else None
        self._fault(node, path, problem or "a key must be text, not a block")
        return None

    def _fault(self, node: yaml.Node, path: Path, text: str) -> None:
        self.faults.append(Fault(line=_line(node), path=path, text=text))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


_PLAINER = (
    ("'\\t' that cannot start any token", "there is a tab here; indent with spaces"),
    ("but found another document", "a second document begins here (---); a file holds one"),
    ("found undefined alias", "the alias has no anchor (&name) above it"),
    ("found duplicate anchor", "the anchor is defined twice"),
)


def _syntax(fault: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line and cause of a syntax error."""
    if isinstance(fault, yaml.reader.ReaderError):
        line = text.count("\n", 0, fault.position) + 1
        return line, f"the character U+{ord(text[fault.position]):04X} is not allowed in YAML"
    mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
    problem = str(getattr(fault, "problem", None) or fault)
    context = str(getattr(fault, "context", None) or "")
    for found, plainer in _PLAINER:
        if found in problem or found in context:
            problem = f"{plainer} ({problem})"
    return (mark.line + 1 if mark else 1), problem
