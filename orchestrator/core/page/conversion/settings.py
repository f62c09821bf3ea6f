"""What a training's card says, flattened, so that two trainings can be compared line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.core.page.training import Training

_LEFT_OUT = frozenset({"section_dir", "entry_point", "script", "scenario", "one_thread", "proof"})
"""Keys of a spec that say how the code is called, and nothing about the training."""


def flat_settings(spec: Mapping[str, Any]) -> dict[str, str]:
    """A session's spec as texts, nested keys joined with dots; the keys of the lineage stand without a prefix."""
    others = {key: value for key, value in spec.items() if key not in _LEFT_OUT and key != "lineage"}
    lineage = spec.get("lineage")
    return dict(_leaves({**(lineage if isinstance(lineage, Mapping) else {}), **others}))


def _leaves(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, below in value.items():
        if isinstance(below, Mapping) and below:
            yield from _leaves(below, f"{above}{key}.")
        else:
            yield f"{above}{key}", below if isinstance(below, str) else json.dumps(below, ensure_ascii=False)


def without_shared(trainings: Sequence[Training]) -> tuple[tuple[Training, ...], dict[str, str]]:
    """The trainings with the settings in which they differ, and the settings that all of them share."""
    if not trainings:
        return (), {}
    first = trainings[0].settings
    shared = {
        key: value for key, value in first.items() if all(one.settings.get(key, None) == value for one in trainings)
    }
    return tuple(
        replace(one, settings={key: value for key, value in one.settings.items() if key not in shared})
        for one in trainings
    ), shared
