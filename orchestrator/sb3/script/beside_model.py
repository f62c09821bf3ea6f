"""What `learn` of a script uses beside the model: callbacks, schedules with a memory, and what callbacks change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from orchestrator.kernel.training.kept_state.comparison import node_digest
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.sb3.script.callback_state import capture_callbacks, restore_callbacks, with_nested
from orchestrator.sb3.script.changed_arguments import capture_changed, restore_changed
from orchestrator.sb3.script.schedules import capture_schedules, reads_progress, restore_schedules


class BesideModel:
    """Captures and restores it.

    Args:
        model: The model.
        own: `run.callback`.
        arguments: Those of the untrained model, as `arguments_of` describes them.
        target_steps: Steps of the whole training.

    Attributes:
        callbacks: The callbacks of the user, from the last call of `learn`.
        saved: The checkpoint's tree of `capture`, empty for a fresh training.
    """

    def __init__(
        self, model: BaseAlgorithm, own: BaseCallback, *, arguments: Mapping[str, Any], target_steps: int
    ) -> None:
        self._model, self._own, self._arguments, self._target_steps = model, own, arguments, target_steps
        self.callbacks: list[BaseCallback] = []
        self.saved: Mapping[str, Any] = {}

    def capture(self) -> tuple[dict[str, Any], list[str]]:
        """The state as a tree, and what cannot be captured."""
        callbacks, lost = capture_callbacks(self.callbacks, self._model, self._own)
        schedules, more = capture_schedules(self._model)
        changed, replaced = capture_changed(self._model, self._arguments)
        tree: dict[str, Any] = {"callbacks": callbacks}
        if schedules:
            tree["schedules"] = schedules
        if changed:
            tree["arguments"] = changed
        if reads_progress(with_nested(self.callbacks)) is not None:
            tree["horizon_steps"] = self._target_steps
        return tree, [*lost, *more, *replaced]

    def digests(self) -> dict[str, str]:
        """Digest of each part of the tree."""
        tree, _ = self.capture()
        encoder = Encoder()
        return {name: node_digest(encoder.encode(part, name), encoder.buffers) for name, part in tree.items() if part}

    def restore(self) -> Iterator[str | None]:
        """Restore the saved state; yields why something was not restored, or is not as before."""
        yield restore_callbacks(self.callbacks, self.saved.get("callbacks", []), self._model, self._own)
        yield restore_schedules(self._model, self.saved.get("schedules", {}))
        restore_changed(self._model, self._arguments, self.saved.get("arguments", {}))
        before, now = self.saved.get("horizon_steps"), self._target_steps
        if before not in (None, now):
            name = reads_progress(with_nested(self.callbacks))
            yield f"{name} reads the steps of the whole training: checkpoint={before}, current={now}"
