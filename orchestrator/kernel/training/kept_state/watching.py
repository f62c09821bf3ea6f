"""Prepares environments before their first step: records what their rules need, and notes their large tables."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.kernel.reading.json_text import MAX_STATE_DEPTH, read_json
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.rules.recording import Recorder, Snapshot, recorder_of
from orchestrator.kernel.training.kept_state.rules.registry import replays, rule_of
from orchestrator.kernel.training.kept_state.rules.tables import watch_tables
from orchestrator.kernel.training.kept_state.visit import objects_in


def watch(value: Any) -> None:
    """Prepare every environment in a value; a second call changes nothing."""
    _look(value)
    for one in objects_in(value):
        rule = rule_of(one)
        if rule is not None and replays(rule):
            _record(one, rule)
        watch_tables(one)
        own = getattr(one, "__dict__", None)
        for name, inner in list(own.items()) if isinstance(own, dict) else ():
            if isinstance(own, dict) and (instead := _look(inner)) is not None:
                own[name] = instead


def _look(value: Any) -> Any:
    """Let the rule of an object prepare it; returns what takes its place."""
    prepare = getattr(rule_of(value), "watch", None)
    return prepare(value) if callable(prepare) else None


def _record(env: Any, rule: Any) -> None:
    if recorder_of(env) is None:
        before = getattr(rule, "before_reset", lambda env: None)
        Recorder(env, capture=_captured, restore=_restored, before_reset=before)


def _captured(env: Any) -> Snapshot:
    """The attributes of an environment as text and bytes; those that hide their state are only named."""
    encoder = Encoder()
    return json.dumps(encoder.attributes(env, type(env).__name__, hidden=True), allow_nan=False), encoder.buffers


def _restored(env: Any, snapshot: Snapshot) -> None:
    """Set such attributes; those that hide their state stay."""
    text, buffers = snapshot
    Decoder(buffers).attributes(env, read_json(text, depth=MAX_STATE_DEPTH, halves=True))
