"""A folder of RL Zoo (`logs/ppo/CartPole-v1_1`): which of its models is taken, and what lies beside it.

Source of the names: `rl_zoo3`'s `exp_manager.py` and `enjoy.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.core.errors import BadInput

_BEST, _STATISTICS, _ARGUMENTS = "best_model.zip", "vecnormalize.pkl", "args.yml"
_RUN_NUMBER = re.compile(r"_\d+$")
_STEPS = re.compile(r"_(\d+)_steps$")
_ALGORITHM = re.compile(r"^\s*(?:-\s+)*-\s*algo\s*\n\s*-\s*(\w+)\s*$", re.MULTILINE)
_MOST_BYTES = 1_000_000


def model_in(folder: Path) -> tuple[Path, str]:
    """The model of such a folder, and a sentence that names it.

    The final model first, as RL Zoo's `enjoy.py` takes it; then the best one, then the newest checkpoint.

    Raises:
        BadInput: It holds no model, or it cannot be read.
    """
    try:
        models = sorted(path for path in folder.iterdir() if path.suffix == ".zip" and path.is_file())
    except OSError as fault:
        raise BadInput(f"{folder} cannot be read: {fault.strerror}", remedy="Name the model's .zip file.") from fault
    final = _RUN_NUMBER.sub("", folder.resolve().name) + ".zip"
    names = {path.name: path for path in models}
    by_steps = [path for path in models if _STEPS.search(path.stem)]
    others = [path for path in models if path not in by_steps and path.name not in (_BEST, final)]
    chosen = names.get(final) or (others[0] if len(others) == 1 else None) or names.get(_BEST)
    if chosen is None and by_steps and not others:
        chosen = max(by_steps, key=_steps)
    if chosen is None:
        found = ", ".join(path.name for path in models) or "no .zip file"
        raise BadInput(f"{folder} has no model that can be chosen: {found}", remedy="Name the model's .zip file.")
    left = [path.name for path in models if path != chosen]
    other = f"; to take another one ({', '.join(left[:3])}), name its file" if left else ""
    return chosen, f"Of the folder {folder.name}, {chosen.name} is taken{other}"


def statistics_pickle(folder: Path) -> Path | None:
    """The pickled file with the statistics of a normalization, in the folder or in one of its folders."""
    return next((path for path in (folder / _STATISTICS, *_below(folder, _STATISTICS)) if path.is_file()), None)


def algorithm_in(folder: Path) -> str | None:
    """The algorithm that `args.yml` names, in upper case; the file is read as text, not as YAML."""
    for path in (folder / _ARGUMENTS, *_below(folder, _ARGUMENTS)):
        if path.is_file() and path.stat().st_size <= _MOST_BYTES:
            match = _ALGORITHM.search(path.read_text("utf-8", "replace"))
            return match[1].upper() if match else None
    return None


def _below(folder: Path, name: str) -> list[Path]:
    """Files of this name in the folders of the folder whose model it is."""
    final = _RUN_NUMBER.sub("", folder.resolve().name)
    return [folder / final / name]


def _steps(path: Path) -> int:
    match = _STEPS.search(path.stem)
    return int(match[1]) if match else 0
