"""Settings of a script that runs without a project: arguments of `session()`, and environment variables.

A variable wins over the argument, so that a launcher can change a training without editing its script.
"""

from __future__ import annotations

import json
import math
import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.reading.json_text import read_json

FOLDER = "ORCHESTRATOR_FOLDER"
TARGET = "ORCHESTRATOR_TARGET"
SEED = "ORCHESTRATOR_SEED"
SAVE_EVERY = "ORCHESTRATOR_SAVE_EVERY"
DEADLINE_S = "ORCHESTRATOR_DEADLINE_S"
DEVICE = "ORCHESTRATOR_DEVICE"
SETTINGS = "ORCHESTRATOR_SETTINGS"
MOST_STEPS = 2**53
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a script asks for.

    Attributes:
        target: Steps of the whole training, None if the script decides when it ends.
        seed: Seed of the training, None to seed nothing.
        save_every: Steps between two saves, None to save by time.
        deadline_s: Wall seconds that this process may use, None without limit.
        device: `auto`, `cpu` or `cuda`.
        folder: Folder for checkpoints, None for `.orchestrator/alone/<script>`.
        settings: The script's own values.
    """

    target: int | None = None
    seed: int | None = None
    save_every: int | None = None
    deadline_s: float | None = None
    device: str = "auto"
    folder: Path | None = None
    settings: Mapping[str, Any]


def read_settings(arguments: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Join arguments and environment, and check every value.

    Raises:
        SessionRefused: A value has the wrong type or range; the message names it.
    """

    def value(name: str, variable: str, check: Callable[[Any], Any]) -> Any:
        text = environ.get(variable, "").strip()
        place, given = (variable, text) if text else (f"session({name}=...)", arguments.get(name))
        try:
            return None if given is None else check(given)
        except (TypeError, ValueError, OverflowError) as fault:
            raise SessionRefused(f"{place} cannot be {given!r}: {fault}", remedy=f"Correct {place}.") from fault

    defaults = value("settings", "", _object) or {}
    over = value("settings", SETTINGS, _object) or {}
    return Settings(
        target=value("target", TARGET, _steps),
        seed=value("seed", SEED, _whole),
        save_every=value("save_every", SAVE_EVERY, _positive),
        deadline_s=value("deadline_s", DEADLINE_S, _seconds),
        device=value("device", DEVICE, _device) or "auto",
        folder=value("folder", FOLDER, Path),
        settings={**defaults, **over},
    )


def resolve_device(wanted: str) -> str:
    """`cpu` or `cuda`; for `auto`, whether torch is imported and sees a GPU."""
    if wanted != "auto":
        return wanted
    torch = sys.modules.get("torch")
    return "cuda" if torch is not None and torch.cuda.is_available() else "cpu"


def whole_number(name: str, given: Any, *, least: int) -> int:
    """A whole number of Python or numpy.

    Raises:
        ValueError: It is not one, or below `least`.
    """
    try:
        number = operator.index(given)
    except TypeError:
        number = least - 1
    if isinstance(given, bool) or number < least:
        raise ValueError(f"{name} must be a whole number from {least} on, not {given!r}")
    return number


def _whole(given: Any) -> int:
    if (isinstance(given, bool | float) and int(given) != given) or isinstance(given, bool):
        raise ValueError("a whole number is needed")
    return int(given)


def _steps(given: Any) -> int:
    steps = _whole(given)
    if not 0 <= steps <= MOST_STEPS:
        raise ValueError("a number of steps from 0 to 2**53 is needed")
    return steps


def _positive(given: Any) -> int:
    if _steps(given) == 0:
        raise ValueError("a number of steps above 0 is needed")
    return _steps(given)


def _seconds(given: Any) -> float:
    seconds = float(given)
    if isinstance(given, bool) or not math.isfinite(seconds) or seconds <= 0:
        raise ValueError("a number of seconds above 0 is needed")
    return seconds


def _device(given: Any) -> str:
    if given not in DEVICES:
        raise ValueError(f"one of {', '.join(DEVICES)} is needed")
    return str(given)


def _object(given: Any) -> dict[str, Any]:
    plain = read_json(given, "the value") if isinstance(given, str) else given
    if not isinstance(plain, Mapping):
        raise ValueError("a JSON object is needed")
    json.dumps(dict(plain), allow_nan=False)
    return dict(plain)
