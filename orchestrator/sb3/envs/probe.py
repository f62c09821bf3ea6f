"""Asks gymnasium whether an environment exists here: `python -m orchestrator.sb3.envs.probe ID MODULE...`.

The last line of the output is a JSON object:

* `found`: `yes`; `no` if gymnasium has no such id; `broken` if it has the id and cannot build it.
* `why`: gymnasium's message, for `no` and `broken`.
* `near`: ids that may be meant, for `no`.
* `actions`: `discrete`, `continuous` or `other`, for `yes`.
"""

from __future__ import annotations

import difflib
import importlib
import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium
from gymnasium.error import DeprecatedEnv, NameNotFound, NamespaceNotFound, UnregisteredEnv, VersionNotFound

_ABSENT = (DeprecatedEnv, NamespaceNotFound, NameNotFound, UnregisteredEnv, VersionNotFound)
_ACTIONS = {gymnasium.spaces.Discrete: "discrete", gymnasium.spaces.Box: "continuous"}


def examine(env_id: str, modules: Sequence[str] = ()) -> dict[str, Any]:
    """Build an environment once.

    Args:
        env_id: Its id.
        modules: Modules whose import registers environments; those that are not installed are passed over.
    """
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as fault:
            if fault.name != name.partition(".")[0]:
                return {"found": "broken", "why": f"{type(fault).__name__}: {fault}"}
    try:
        gymnasium.spec(env_id)
    except _ABSENT as fault:
        return {"found": "no", "why": _one_line(fault), "near": near_ids(env_id, list(gymnasium.registry))}
    try:
        made = gymnasium.make(env_id)
    except Exception as fault:  # of the package that registered it
        return {"found": "broken", "why": f"{type(fault).__name__}: {_one_line(fault)}"}
    actions = next((word for kind, word in _ACTIONS.items() if isinstance(made.action_space, kind)), "other")
    made.close()
    return {"found": "yes", "actions": actions}


def near_ids(wanted: str, known: Sequence[str]) -> list[str]:
    """Ids that may be meant: other versions of the same name, the newest first, else similar ones."""
    name, _, _ = wanted.rpartition("-v")
    versions = [one for one in known if one.rpartition("-v")[0].lower() == (name or wanted).lower()]
    numbered = sorted(versions, key=lambda one: int(digits) if (digits := one.rpartition("-v")[2]).isdigit() else -1)
    return numbered[::-1][:3] or difflib.get_close_matches(wanted, known, n=3, cutoff=0.7)


def _one_line(fault: Exception) -> str:
    return " ".join(str(fault).split())


def main() -> None:
    """Print the answer for the id and the modules on the command line."""
    warnings.simplefilter("ignore")  # about versions that are out of date
    env_id, *modules = sys.argv[1:]
    print(f"\n{json.dumps(examine(env_id, modules))}")


if __name__ == "__main__":
    main()
