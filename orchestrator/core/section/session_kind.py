"""The two kinds of Kaggle sessions: with a GPU, and without one."""

from __future__ import annotations

from enum import StrEnum


class SessionKind(StrEnum):
    """Kind of a session. Only GPU sessions spend the weekly quota."""

    GPU = "gpu"
    CPU = "cpu"
