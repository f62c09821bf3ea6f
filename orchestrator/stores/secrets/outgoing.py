"""The secrets gate: refuses to send anything that holds a secret."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.core.secret_search import Finding, SecretSearch, SecretValue
from orchestrator.kernel.reading.archive import MOST_UNPACKED, is_archive, open_archive
from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.wire import FileEntry
from orchestrator.stores.secrets.in_use import secrets_in_use
from orchestrator.stores.secrets.rules import rule_findings

_NAMED_AT_ONCE = 3
_NESTED = 4
_COMPRESSED: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}
_REMEDY = (
    "Take it out and run the same command again; if it was ever pushed or published, revoke it. "
    "A session gets its secrets from the service (Kaggle: Add-ons, Secrets)."
)


class Gate:
    """Refuses what holds a secret in use, or what looks like a secret.

    Args:
        in_use: Finds the secrets in use.
    """

    def __init__(self, in_use: Callable[[], Sequence[SecretValue]] = secrets_in_use) -> None:
        self._in_use = in_use
        self._passed: set[tuple[object, str]] = set()

    def check_code(self, members: Mapping[str, bytes], digest: str) -> None:
        """Check the code; the same code is searched only once for the same secrets.

        Args:
            members: Path -> content.
            digest: Digest of all members.

        Raises:
            BadInput: A file holds a secret; the message names file and line, but does not show the secret.
        """
        values = tuple(self._in_use())
        if (values, digest) not in self._passed:
            search = SecretSearch(values, rule_findings)
            _refuse(found for place, content in members.items() for found in search.in_text(place, content))
            self._passed.add((values, digest))

    def check_files(self, root: Path, entries: Sequence[FileEntry]) -> None:
        """Check files that are sent as they are; archives are searched member by member.

        Only secrets in use are searched for: rules would match by chance in millions of numbers.

        Raises:
            BadInput: A file holds a secret in use.
            OSError: A file cannot be read.
        """
        values = tuple(self._in_use())
        search = SecretSearch(values)
        for entry in entries if values else ():
            if (values, entry.sha256) not in self._passed:
                content = (root / entry.path).read_bytes()
                _refuse(
                    found for place, plain in _unpacked(entry.path, content) for found in search.of_values(place, plain)
                )
                self._passed.add((values, entry.sha256))

    def check_texts(self, texts: Mapping[str, str]) -> None:
        """Check the other texts of a push, such as its script and settings, for secrets in use.

        Args:
            texts: Name for messages -> text.

        Raises:
            BadInput: One holds a secret in use.
        """
        search = SecretSearch(tuple(self._in_use()))
        _refuse(found for place, text in texts.items() for found in search.of_values(place, text.encode("utf-8")))

    def check_fields(self, texts: Mapping[str, str]) -> None:
        """Check short texts for secrets in use and for what looks like a secret.

        Raises:
            BadInput: One holds either.
        """
        search = SecretSearch(tuple(self._in_use()), rule_findings)
        _refuse(found for place, text in texts.items() for found in search.in_text(place, text.encode("utf-8")))


def _refuse(findings: Iterator[Finding]) -> None:
    found = [str(one) for one in islice(findings, _NAMED_AT_ONCE + 1)]
    if found:
        more = "; and more" if len(found) > _NAMED_AT_ONCE else ""
        raise BadInput(
            f"a credential would leave this computer: {'; '.join(found[:_NAMED_AT_ONCE])}{more}", remedy=_REMEDY
        )


def _unpacked(place: str, content: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """The content itself and every member of an archive."""
    yield place, content
    if depth >= _NESTED:
        return
    for magic, decompress in _COMPRESSED.items():
        if content.startswith(magic):
            plain = b""
            # On an error it is not such an archive, and its bytes were already searched.
            with suppress(OSError, EOFError, lzma.LZMAError, zlib.error):
                plain = decompress(content)
            yield from _unpacked(f"{place} (unpacked)", plain, depth + 1)
    if is_archive(content):
        yield from _members(place, content, depth)


def _members(place: str, content: bytes, depth: int) -> Iterator[tuple[str, bytes]]:
    try:
        with open_archive(content, place, MOST_UNPACKED) as archive:
            for name in archive:
                yield f"{place}: {name}", name.encode("utf-8", "replace")
                yield from _unpacked(f"{place}: {name}", archive.read(name), depth + 1)
    except Unreadable as fault:
        # Encrypted or damaged; a verified checkpoint is never such an archive.
        raise BadInput(
            f"{place} is an archive that cannot be searched for secrets: {fault.why}",
            remedy="Remove the file from the inputs of the session.",
        ) from fault
