"""A narrator that keeps messages and progress reports."""

from __future__ import annotations

from typing import Any

from orchestrator.core.messages import Level, Message


class Listener:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.messages: list[Message] = []
        self.reports: list[dict[str, Any]] = []

    def report(self, message: Message) -> None:
        self.lines += message.lines
        self.messages.append(message)

    def progress(self, report: dict[str, Any]) -> None:
        self.reports.append(report)

    def quiet(self) -> None:
        self.reports.append({"kind": "quiet"})

    def codes(self, least: Level = Level.DETAIL) -> list[str]:
        """Codes of the messages from a level on, in order."""
        return [message.code for message in self.messages if message.level >= least]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)
