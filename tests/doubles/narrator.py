"""Remembers what was told."""

from __future__ import annotations

from typing import Any


class Listener:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.reports: list[dict[str, Any]] = []

    def say(self, *lines: str) -> None:
        self.lines += lines

    def progress(self, report: dict[str, Any]) -> None:
        self.reports.append(report)

    def quiet(self) -> None:
        self.reports.append({"kind": "quiet"})

    @property
    def text(self) -> str:
        return "\n".join(self.lines)
