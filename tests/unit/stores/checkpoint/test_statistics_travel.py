"""The normalization statistics of a model and its zip are restored, carried and kept together or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from orchestrator.core.checkpoint.inventory import FetchedCheckpoints
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.normalization_file import RunningStatistics, SavedNormalization
from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.wire import NORMALIZATION_SUFFIX, models_path
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from orchestrator.stores.session.results import ResultsTree
from tests.unit.kernel.makers import NOW, SCENARIO, make_ticket, save

BEST = "best_model/best_model"
FINAL = f"{SCENARIO}_final"
TICKET = make_ticket()


def statistics_of(model: bytes) -> bytes:
    numbers = RunningStatistics(mean=[0.5], var=[2.0], count=9.0)
    return SavedNormalization(
        model_sha256=hashlib.sha256(model).hexdigest(),
        norm_obs=True,
        norm_reward=False,
        clip_obs=10.0,
        clip_reward=10.0,
        gamma=0.9,
        epsilon=1e-8,
        obs_rms=numbers,
        ret_rms=None,
    ).to_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def save_normalized(models: Path, steps: int) -> CheckpointCard:
    """Save what a normalizing training leaves at its target: a checkpoint, the best and the final model."""
    model = b"model" + str(steps).encode()
    card = save_checkpoint(
        models,
        scenario=SCENARIO,
        steps=steps,
        writers={
            ".zip": lambda path: write(path, model),
            NORMALIZATION_SUFFIX: lambda path: write(path, statistics_of(model)),
            ".state.npz": lambda path: write(path, b"state"),
        },
        identity={"algorithm": "A2C"},
        stamp=TICKET.stamp(),
        parent=None,
        now=NOW,
    )
    (models / "best_model").mkdir(exist_ok=True)
    for name in (BEST, FINAL):
        (models / f"{name}.zip").write_bytes(model)
        (models / f"{name}{NORMALIZATION_SUFFIX}").write_bytes(statistics_of(model))
    return card


def results_of_a_session(tmp_path: Path) -> tuple[Path, FetchedCheckpoints]:
    folder = tmp_path / "results" / "local_arz-x-s01"
    models = models_path(folder, TICKET.section_dir)
    save_normalized(models, 40)
    paths = [models / f"{BEST}.zip", models / f"{BEST}{NORMALIZATION_SUFFIX}"]
    card = CheckpointCard(
        stem="best_model",
        scenario=SCENARIO,
        steps=40,
        files=tuple(file_entry(path, path.parent) for path in paths),
        identity={},
        stamp=TICKET.stamp(),
        saved_at="",
    )
    write_json(models / f"{BEST}.json", card.to_json())
    return models, ResultsTree(tmp_path / "results").incoming(folder, TICKET)


def names(incoming: FetchedCheckpoints) -> set[str]:
    return {entry.path for entry in incoming.entries}


def pair(stem: str) -> set[str]:
    return {f"{stem}.zip", f"{stem}{NORMALIZATION_SUFFIX}"}


def test_every_zip_of_a_session_is_restored_with_its_statistics(tmp_path: Path) -> None:
    _, incoming = results_of_a_session(tmp_path)
    assert pair(BEST) | pair(FINAL) | pair(f"checkpoints/{SCENARIO}_checkpoint_40_steps") <= names(incoming)


@pytest.mark.parametrize("content", [None, b"{", statistics_of(b"another model")])
def test_a_final_model_is_restored_with_valid_statistics_or_not_at_all(tmp_path: Path, content: bytes | None) -> None:
    models, _ = results_of_a_session(tmp_path)
    path = models / f"{FINAL}{NORMALIZATION_SUFFIX}"
    path.unlink() if content is None else path.write_bytes(content)
    incoming = ResultsTree(tmp_path / "results").incoming(tmp_path / "results" / "local_arz-x-s01", TICKET)
    assert not pair(FINAL) & names(incoming)
    assert pair(f"checkpoints/{SCENARIO}_checkpoint_40_steps") <= names(incoming)


def test_a_best_model_whose_card_contradicts_its_statistics_is_not_restored(tmp_path: Path) -> None:
    models, _ = results_of_a_session(tmp_path)
    (models / f"{BEST}{NORMALIZATION_SUFFIX}").write_bytes(b"{}")
    incoming = ResultsTree(tmp_path / "results").incoming(tmp_path / "results" / "local_arz-x-s01", TICKET)
    assert not pair(BEST) & names(incoming)


def test_a_final_model_without_a_normalization_is_restored_alone(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "local_arz-x-s01"
    models = models_path(folder, TICKET.section_dir)
    save(models, 40, ticket=TICKET)
    (models / f"{FINAL}.zip").write_bytes(b"final")
    incoming = ResultsTree(tmp_path / "results").incoming(folder, TICKET)
    assert f"{FINAL}.zip" in names(incoming) and not any(NORMALIZATION_SUFFIX in name for name in names(incoming))


def test_the_next_session_gets_every_zip_with_its_statistics(tmp_path: Path) -> None:
    _, incoming = results_of_a_session(tmp_path)
    models = ModelsDirectory(tmp_path / "data" / "models", SCENARIO)
    models.replace_with(incoming, "first")
    given = {entry.path for entry in models.view().entries}
    assert pair(BEST) | pair(f"checkpoints/{SCENARIO}_checkpoint_40_steps") <= given
    packed = models.packed(models.view().entries)
    assert NORMALIZATION_SUFFIX.encode() in packed


def test_a_best_model_that_is_not_replaced_keeps_its_statistics(tmp_path: Path) -> None:
    _, incoming = results_of_a_session(tmp_path)
    models = ModelsDirectory(tmp_path / "data" / "models", SCENARIO)
    models.replace_with(incoming, "first")
    root = tmp_path / "later"
    card = save(root, 50)
    later = ModelsDirectory(root, SCENARIO).view()
    models.replace_with(FetchedCheckpoints(root=root, verified=(card,), entries=later.entries), "second")
    for name in (*pair(BEST), f"{BEST}.json"):
        assert (tmp_path / "data/models" / name).is_file(), name
    assert models.view().steps == 50
