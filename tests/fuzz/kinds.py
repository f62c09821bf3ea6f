"""Every kind of input."""

from __future__ import annotations

from tests.fuzz import of_checkpoints, of_files, of_kaggle, of_sessions
from tests.fuzz.kind import Kind

KINDS: dict[str, Kind] = {
    one.name: one for one in (*of_sessions.KINDS, *of_checkpoints.KINDS, *of_files.KINDS, *of_kaggle.KINDS)
}
