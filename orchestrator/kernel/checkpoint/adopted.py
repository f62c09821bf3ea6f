"""How the origin of an adopted model is stated: in the session's record, in status, in summaries and in reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_BEFORE, _BETWEEN = "weights-only since ", " steps (adopted from "


def adopted_line(adopted: Mapping[str, Any]) -> str:
    """One sentence on the block `adopted` of a checkpoint's card."""
    return f"{_BEFORE}{adopted['steps']}{_BETWEEN}{adopted['origin']}, sha256 {str(adopted['sha256'])[:12]})"


def adopted_line_in(reasons: Iterable[str]) -> str:
    """The sentence among the reasons of a resume, as a session reported them; empty if there is none."""
    return next((reason for reason in reasons if reason.startswith(_BEFORE) and _BETWEEN in reason), "")
