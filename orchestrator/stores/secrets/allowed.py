"""Reads which findings the user has allowed: the file `configs/allowed_secrets.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from orchestrator.stores.yaml.document import read_document
from orchestrator.stores.yaml.schema_faults import checked
from orchestrator.stores.yaml.text_files import read_text

_EXAMPLE = "docs/KAGGLE.md, Secrets stay here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """One finding that is no secret.

    Attributes:
        file: Path as the refusal names it.
        finding: Id in the refusal: 12 characters.
        reason: Why it is none, for other readers.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    file: str
    finding: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("reason is empty: say why it is no secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedFindings:
    """The whole file."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    allowed: tuple[Allowed, ...]


def read_allowed(path: Path) -> Mapping[tuple[str, str], str]:
    """File and finding -> reason.

    Raises:
        BadInput: The file cannot be read, or has a wrong key or value.
    """
    read = checked(
        read_document(read_text(path), path.name), AllowedFindings, path.name, whole="file", example=_EXAMPLE
    )
    return {(one.file, one.finding): one.reason for one in read.allowed}
