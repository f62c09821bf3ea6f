"""Strategies for models directories with the user's own files of any name, with and without checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hypothesis import strategies as st

from orchestrator.core.checkpoint.inventory import FetchedCheckpoints
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.digests import file_entry
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from tests.unit.kernel.makers import SCENARIO, save

USUAL = (
    "checkpoints/model.zip",
    "checkpoints/replay_buffer.pkl",
    "checkpoints/rl_model_50000_steps.zip",
    "checkpoints/rl_model_replay_buffer_50000_steps.pkl",
    "checkpoints/rl_model_vecnormalize_50000_steps.pkl",
    f"checkpoints/{SCENARIO}_checkpoint_50000_steps.zip",
    f"checkpoints/{SCENARIO}_checkpoint_5_steps.zip",
    f"checkpoints/{SCENARIO}_checkpoint_20_steps.zip",
    f"checkpoints/{SCENARIO}_checkpoint_20_steps.state.npz",
    f"checkpoints/{SCENARIO}_checkpoint_20_steps.json",
    f"checkpoints/{SCENARIO}_checkpoint_20_steps.txt",
    f"checkpoints/{SCENARIO}_checkpoint_30_steps.json",
    f"checkpoints/{SCENARIO}_checkpoint_10_steps.vecnormalize.pkl",
    f"checkpoints/{SCENARIO}_checkpoint_30_steps.zip/inner.zip",
    "checkpoints/mine/deep/er/model.zip",
    "best_model/best_model.zip",
    "best_model/best_model.json",
    "best_model/notes.txt",
    "best_model/evaluations.npz",
    "training_metadata.json",
    f"{SCENARIO}_final.zip",
    "model.zip",
    "replay_buffer.pkl",
    "backup/checkpoints/model.zip",
    ".hidden",
    ".incoming-mine/x",
    ".archive/x",
    "checkpoints/.hidden/.x",
    "checkpoints/ name with spaces .zip",
    "checkpoints/line\nbreak.zip",
    "checkpoints/\x1b[31mred.zip",
    "données/modèle été.zip",
    os.fsdecode(b"checkpoints/not-utf8-\xff.zip"),
)

names = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 100
)
paths = st.sampled_from(USUAL) | st.builds(
    lambda folder, parts: "/".join([*folder, *parts]),
    st.sampled_from([[], ["checkpoints"], ["best_model"]]),
    st.lists(names, min_size=1, max_size=3),
)
own_trees = st.dictionaries(paths, st.binary(min_size=1, max_size=40), min_size=1, max_size=6)


def write_tree(root: Path, tree: dict[str, bytes]) -> list[bytes]:
    """Write the files that fit; return the contents written, each unique by its path."""
    written: dict[Path, bytes] = {}
    for name, content in tree.items():
        path, unique = root / name, content + b" of the user at " + os.fsencode(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(unique)
        except OSError:
            continue  # a file where this one needs a folder, or the reverse
        written[path] = unique
    return list(written.values())


def contents_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder with its bytes, linked folders entered."""
    for base, _, files in os.walk(folder, followlinks=True):
        for name in files:
            path = Path(base, name)
            if path.is_file():
                yield path, path.read_bytes()


def bring(root: Path, *steps: int, best: bool = False) -> FetchedCheckpoints:
    """The fetched results of a session: checkpoints, metadata of the newest one, a final model."""
    for one in steps:
        save(root, one)
    verified = survey_checkpoints(root, SCENARIO).verified
    (root / "training_metadata.json").write_text(f'{{"latest_checkpoint_digest": "{verified[0].digest}"}}', "utf-8")
    (root / f"{SCENARIO}_final.zip").write_bytes(f"final {steps}".encode())
    if best:
        (root / "best_model").mkdir(exist_ok=True)
        (root / "best_model/best_model.zip").write_bytes(f"best of {steps}".encode())
    entries = tuple(file_entry(path, root) for path in sorted(root.rglob("*")) if path.is_file())
    return FetchedCheckpoints(root=root, verified=verified, entries=entries)


def named_by(models: ModelsDirectory) -> set[Path]:
    """Every path that the view names as the user's own or as permanently archived."""
    view = models.view()
    return {view.root / name for name in view.own} | {Path(path) for path in view.archived}
