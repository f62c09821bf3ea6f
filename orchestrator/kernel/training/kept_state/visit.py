"""Visits the objects of what is kept without copying a byte: a replay buffer may fill half of the memory."""

from __future__ import annotations

from typing import Any

from orchestrator.kernel.training.kept_state.encoder import Encoder


class Visit(Encoder):
    """Encodes nothing of arrays, nor of objects that a rule or methods of their own save."""

    def instance(self, owner: Any, place: str) -> dict[str, Any]:
        """Visit the attributes of an object."""
        return {"of": self.attributes(owner, place)}

    def _object(self, value: Any, by: str, place: str) -> Any:
        self._number(value)
        return {"is": "seen"}

    def _array(self, value: Any, place: str) -> Any:
        return {"is": "seen"}


def objects_in(value: Any) -> list[Any]:
    """The lists, dicts and objects in a value, the value itself included, each once."""
    visit = Visit()
    visit.part([value], "visited")
    return visit.objects
