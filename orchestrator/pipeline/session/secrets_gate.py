"""Search every push for secrets before anything is sent: one place for all backends and carriers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.core.session.backend_types import Carrier, Push
from orchestrator.pipeline.context import RunContext

_CARRIED = frozenset({Carrier.INLINE, Carrier.DATASET})
"""Carriers that send the checkpoint files; with the others the files are on the backend already."""


def require_no_secrets(context: RunContext, push: Push, script: str, title: str) -> None:
    """Refuse a push that holds a secret. The code in it was searched when it was packed.

    Args:
        push: The complete request.
        script: Its script without checkpoints, which are searched as files.
        title: Of the card.

    Raises:
        BadInput: Something in it holds a secret; it is named, the secret is not shown.
    """
    if context.gate is None:
        return
    fields = {"title": title, **dict(_fields(push.ticket.to_json()["spec"], "spec"))}
    context.gate.check_fields({f"the card or --set, {name}": text for name, text in fields.items()})
    rest = {**push.settings, "slug": push.slug, "owner": push.owner}
    context.gate.check_texts({f"the push, {name}": text for name, text in _fields(rest, "settings")})
    context.gate.check_texts({"the rendered script": script})
    if push.carrier in _CARRIED:
        context.gate.check_files(push.checkpoints.root, push.checkpoints.entries)
    context.info("secret_allowed", *context.gate.take_allowed())


def _fields(plain: Any, above: str) -> Iterator[tuple[str, str]]:
    """Dotted name of each value below, and the text `name: value`: some secrets are known by their names."""
    if isinstance(plain, Mapping):
        for name, value in plain.items():
            yield from _fields(value, f"{above}.{name}")
    elif isinstance(plain, Sequence) and not isinstance(plain, str):
        for place, value in enumerate(plain):
            yield from _fields(value, f"{above}[{place}]")
    elif plain is not None:
        yield above, f"{above.rpartition('.')[2]}: {plain}"
