"""The secrets gate: refuses to send anything that holds a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.core.secret_finding import Finding
from orchestrator.core.secret_search import SecretSearch, SecretValue
from orchestrator.kernel.wire import FileEntry
from orchestrator.stores.secrets.content import MAYBE_PACKED, Reading, readings
from orchestrator.stores.secrets.in_use import secrets_in_use
from orchestrator.stores.secrets.rules import masking, rule_findings

ALLOWED = "allowed_secrets.yaml"
"""Name of the file in `configs` with the findings that the user has allowed."""
_NAMED_AT_ONCE = 3
_STRINGS = re.compile(rb"[\x20-\x7e](?:[\x20-\x7e]{15,}|(?:\0[\x20-\x7e]){15,}|(?:\0\0\0[\x20-\x7e]){15,})")
"""Texts in binary content that are long enough for a token: of one, two or four bytes for each character."""
_REMEDY = (
    "Take it out and run the same command again; if it was ever pushed or published, revoke it. "
    "A session gets its secrets from the service (Kaggle: Add-ons, Secrets)."
)
_NO_SECRET = " If a finding is no secret, allow it: docs/KAGGLE.md, Secrets stay here."


class Gate:
    """Refuses what holds a secret in use, or what looks like a secret.

    Args:
        in_use: Finds the secrets in use.
        allowed: File with the findings that the user has allowed; it need not exist.
    """

    def __init__(
        self, in_use: Callable[[], Sequence[SecretValue]] = secrets_in_use, allowed: Path | None = None
    ) -> None:
        self._in_use = in_use
        self._allowed = allowed
        self._passed: set[tuple[object, str]] = set()
        self._notes: list[str] = []

    def check_code(self, members: Mapping[str, bytes], digest: str) -> None:
        """Check the code; the same code is searched only once for the same secrets.

        Args:
            members: Path -> content.
            digest: Digest of all members.

        Raises:
            BadInput: A file, or its name, holds a secret; the message names file and line, but does not show the
                secret. Or a file cannot be searched.
        """
        values = tuple(self._in_use())
        if (values, digest) not in self._passed:
            search = SecretSearch(values, rule_findings)
            self._refuse(
                found
                for place, content in members.items()
                for found in (*_of_name(search, place), *_of_file(search, place, content))
            )
            self._passed.add((values, digest))

    def check_files(self, root: Path, entries: Sequence[FileEntry]) -> None:
        """Check files that are sent as they are, in the same way.

        Raises:
            BadInput: See `check_code`.
            OSError: A file cannot be read.
        """
        values = tuple(self._in_use())
        search = SecretSearch(values, rule_findings)
        for entry in entries:
            self._refuse(_of_name(search, entry.path))
            if (values, entry.sha256) not in self._passed:
                self._refuse(_of_file(search, entry.path, (root / entry.path).read_bytes()))
                self._passed.add((values, entry.sha256))

    def check_texts(self, texts: Mapping[str, str]) -> None:
        """Check the other texts of a push, such as its script and settings, for secrets in use.

        Args:
            texts: Name for messages -> text.

        Raises:
            BadInput: One holds a secret in use.
        """
        search = SecretSearch(tuple(self._in_use()))
        self._refuse(found for place, text in texts.items() for found in search.of_values(place, _bytes(text)))

    def check_fields(self, texts: Mapping[str, str]) -> None:
        """Check short texts for secrets in use and for what looks like a secret.

        Raises:
            BadInput: One holds either.
        """
        search = SecretSearch(tuple(self._in_use()), rule_findings)
        self._refuse(found for place, text in texts.items() for found in search.in_text(place, _bytes(text)))

    def take_allowed(self) -> tuple[str, ...]:
        """A sentence for each finding that the user's file allowed, each once."""
        notes = tuple(dict.fromkeys(self._notes))
        self._notes.clear()
        return notes

    def _refuse(self, findings: Iterable[Finding]) -> None:
        """Refuse unless the user has allowed every finding; a secret in use cannot be allowed.

        Raises:
            BadInput: There is one that is not allowed.
        """
        kept: list[Finding] = []
        allowed: Mapping[tuple[str, str], str] | None = None
        for finding in findings:
            if finding.match and allowed is None:
                allowed = self._read_allowed()
            reason = (allowed or {}).get((finding.file, finding.id)) if finding.match else None
            if reason is not None:
                self._notes.append(f"Allowed in {self._allowed}: {finding}; {reason}")
                continue
            kept.append(finding)
            if len(kept) > _NAMED_AT_ONCE:
                break
        if kept:
            raise self._refusal(kept)

    def _read_allowed(self) -> Mapping[tuple[str, str], str]:
        if self._allowed is None or not self._allowed.is_file():
            return {}
        from orchestrator.stores.secrets.allowed import read_allowed  # imported late: few projects have the file

        return read_allowed(self._allowed)

    def _refusal(self, found: list[Finding]) -> BadInput:
        mask = masking(self._in_use())  # a name of a file may be, or hold, the secret
        named = "; ".join(mask(str(one)) for one in found[:_NAMED_AT_ONCE])
        more = "; and more" if len(found) > _NAMED_AT_ONCE else ""
        remedy = _REMEDY + (_NO_SECRET if all(one.match for one in found) else "")
        return BadInput(f"a credential would leave this computer: {named}{more}", remedy=remedy)


def _of_name(search: SecretSearch, path: str) -> Iterator[Finding]:
    return search.in_text(f"the name of {path}", _bytes(path))


def _of_file(search: SecretSearch, path: str, content: bytes) -> Iterator[Finding]:
    """What is in a file, each secret at its first place: base64 text is read as it is and decoded."""
    if MAYBE_PACKED.search(content) is None:
        yield from search.in_text(path, content)
        return
    seen = set[str]()
    for reading in readings(path, content):
        for finding in _of_reading(search, path, reading):
            if finding.match or finding.what not in seen:
                yield finding
            seen.add(finding.what)


def _of_reading(search: SecretSearch, path: str, reading: Reading) -> Iterator[Finding]:
    if reading.trouble:
        # It cannot be allowed either: a secret in use could be in it.
        yield Finding(place=reading.place, line=None, what=reading.trouble)
    elif b"\0" in reading.content:
        yield from search.of_values(reading.place, reading.content)
        found = [one.replace(b"\0", b"") for one in _STRINGS.findall(reading.content)]
        # Serialized objects have the length of a text before it, as one byte, which may be a letter.
        strings = b"\n".join(text for one in found for text in (one, one[1:]))
        yield from search.of_rules(reading.place, strings, path, numbered=False)
    else:
        yield from search.in_text(reading.place, reading.content, path)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
