"""Checks of a card before anything runs: the code that it names, and upper limits of its sizes.

Beyond the limits a training would only exhaust memory.

The limits apply by the name of a key, at any depth, so they hold in every block of a card.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

MOST_WHOLE = 2**53
"""Integers up to here are exact in JSON, in a float and in the ledger."""

MOST_ITEMS, MOST_LAYERS, MOST_UNITS, MOST_WEIGHTS = 10_000, 64, 65_536, 1_000_000_000
MOST_ROLLOUT = 100_000_000

STEP_SIZES = ("target_steps", "checkpoint_every_steps", "evaluate_every_steps")
"""Sizes of a profile in steps."""

MOST_PACKED = 16
"""More trainings in one kernel than any machine here has cores for."""


NETWORK_SCHEMA = {"maxItems": MOST_LAYERS, "items": {"exclusiveMinimum": 0, "maximum": MOST_UNITS}}
"""JSON Schema of the key `network`."""


class NoLayers(tuple[int, ...]):
    """The layers of a card without `network`. An empty list in a card is refused: it may mean none, or the default."""

    __slots__ = ()


LIMITS: Mapping[str, int] = {
    "n_envs": 65_536,
    "n_steps": 10_000_000,
    "batch_size": 10_000_000,
    "buffer_size": 100_000_000,
    "n_quantiles": 100_000,
    "train_freq": 10_000_000,
    "gradient_steps": 10_000_000,
    "n_epochs": 1_000_000,
    "selection_scenarios": 1_000_000,
    "evaluation_scenarios": 1_000_000,
}
"""Name of a key -> its largest value."""

Place = tuple[str | int, ...]


def size_faults(plain: Any) -> Iterator[tuple[Place, str]]:
    """Sizes beyond their limits, each with its place.

    Args:
        plain: A card or a part of one, as plain values of any shape; wrong types are left to the schema.
    """
    pending: list[tuple[Place, Any]] = [((), plain)]
    while pending:
        place, value = pending.pop()
        name = place[-1] if place else ""
        if isinstance(value, Mapping):
            yield from _rollout_fault(place, value)
            pending += [((*place, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            if len(value) > MOST_ITEMS:
                yield place, f"a list has at most {MOST_ITEMS} values, not {len(value)}"
            else:
                pending += [((*place, index), inner) for index, inner in enumerate(value)]
                yield from ((place, text) for text in _network_faults(value) if name == "network")
        elif _is_whole(value) and abs(value) > (limit := LIMITS.get(str(name), MOST_WHOLE)):
            yield place, f"must not exceed {limit}, not {_shown(value)}"


def _rollout_fault(place: Place, block: Mapping[Any, Any]) -> Iterator[tuple[Place, str]]:
    envs, steps = block.get("n_envs"), block.get("n_steps")
    if _is_whole(envs) and _is_whole(steps) and abs(envs * steps) > MOST_ROLLOUT:
        yield place, f"n_envs * n_steps must not exceed {MOST_ROLLOUT}, not {_shown(envs * steps)}"


def _network_faults(layers: list[Any]) -> Iterator[str]:
    if not all(_is_whole(units) for units in layers):
        return
    if len(layers) > MOST_LAYERS:
        yield f"a network has at most {MOST_LAYERS} layers, not {len(layers)}"
    elif max(layers, default=0) > MOST_UNITS:
        yield f"a layer has at most {MOST_UNITS} units, not {_shown(max(layers))}"
    elif (weights := sum(one * other for one, other in itertools.pairwise(layers))) > MOST_WEIGHTS:
        yield f"a network has at most {MOST_WEIGHTS} weights between its layers, not {weights}"


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: int) -> str:
    text = str(value)
    return text if len(text) <= 30 else f"a number of {len(text.lstrip('-'))} digits"


def pack_fault(pack: int | str | None) -> str | None:
    """Why `pack` of a card or campaign is not allowed, None if it is."""
    if isinstance(pack, int) and not 1 <= pack <= MOST_PACKED:
        return f"pack must be auto or a number from 1 to {MOST_PACKED}, not {pack}"
    return None


_DEVICE = "[cC][oO][nN]|[pP][rR][nN]|[aA][uU][xX]|[nN][uU][lL]|([cC][oO][mM]|[lL][pP][tT])[0-9]"
"""Names that Windows gives to devices. Source: Microsoft, Naming Files, Paths, and Namespaces."""
SECTION_CHARS = 40
"""More make long paths and tables; names of kernels carry a longer one than the slug holds whole, shortened."""
SECTION = rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{SECTION_CHARS - 1}}}"
"""It is part of every kernel's name, in which Kaggle allows only these characters."""
DIRECTORY = rf"(?!({_DEVICE})$)[A-Za-z0-9][A-Za-z0-9_-]{{0,63}}"
SCENARIO = rf'(?!({_DEVICE})\.)[^/\\:*?"<>|\x00-\x1f. -][^/\\:*?"<>|\x00-\x1f]{{0,79}}'
"""It begins the names of checkpoints, so it must be possible in file names of every system."""
_SCENARIO_BYTES = 120
"""A file name has at most 255 bytes, and those of a checkpoint take up to 90 more than the scenario."""
MODULE = r"(?!orchestrator(\.|$))[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
SCRIPT = r"(?!orchestrator(\.py)?(/|$))(?!(.*/)?\.{1,2}/)(?!(.*/)?\.py$)[^/\\:]+(/[^/\\:]+)*\.py"
"""Forms of a section's folder, entry point and script, in syntax that Python and JSON Schema share."""


def name_faults(section: str, directory: str, scenario: str) -> Iterator[str]:
    """What is wrong with the names of a section, of its folder and of its checkpoints."""
    if not re.fullmatch(SECTION, section):
        yield (
            f"section must have 1 to {SECTION_CHARS} letters, digits, - and _, since it is part of the names of kernels"
            f", not {section!r}"
        )
    if not re.fullmatch(DIRECTORY, directory):
        yield f"directory must be a plain folder name that every system allows, not {directory!r}"
    short = len(scenario.encode("utf-8", "surrogatepass")) <= _SCENARIO_BYTES
    if not re.fullmatch(SCENARIO, scenario) or not scenario.isprintable() or not short:
        yield f"scenario must be a name that files may have on every system, not {scenario[:200]!r}"


def start_faults(entry_point: str | None, script: str | None) -> Iterator[str]:
    """What is wrong with the start of a section's code: a module or a script, exactly one of them."""
    if entry_point is None and script is None:
        yield "script or entry_point is missing: script: train.py runs a file, entry_point: package.module calls run()"
    elif entry_point is not None and script is not None:
        yield "script and entry_point exclude each other: remove one of them"
    if entry_point is not None and not re.fullmatch(MODULE, entry_point, re.ASCII):
        yield f"entry_point must be a module of the project, such as mypackage.train, not {entry_point!r}"
    if script is not None and (why := script_fault(script)):
        yield f"script must be a Python file below the project's folder, such as examples/train.py, not {script!r}{why}"


def script_fault(script: str) -> str:
    """Why a text is no path of a script, to follow the message; empty if it is one."""
    parts = script.split("/")
    if "\\" in script:
        return ": write its path with /"
    if ":" in script or any(part in ("", ".", "..") for part in parts) or not script.isprintable():
        return ": its path starts in that folder, without .. and ./"
    if not script.endswith(".py") or parts[-1] == ".py":
        return ": its name ends in .py"
    if parts[0] in ("orchestrator", "orchestrator.py"):
        return ": this name belongs to the package orchestrator"
    return ""


def include_fault(pattern: str) -> str | None:
    """Why a glob could lead out of the project, None if it cannot."""
    parts = pattern.split("/")
    if "\\" in pattern or ":" in pattern or any(part in ("", ".", "..") for part in parts):
        return f"include takes paths inside the project such as assets/*.npz, not {pattern!r}"
    if any("**" in part and part != "**" for part in parts):
        return f"** must be a whole part of a path of include, as in assets/**/*.npz, not {pattern!r}"
    return None
