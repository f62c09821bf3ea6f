"""Renders a session's ticket and code into one readable script, and checks it before it is sent."""

from __future__ import annotations

import ast
import base64
import hashlib
import pprint
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Environment, StrictUndefined, Template, TemplateError

from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import Bundle
from orchestrator.core.session.spec import read_ticket
from orchestrator.kernel.wire import Ticket

_LINE_CHARS = 120
_REMEDY = "Fix kernel_templates/kernel.py.j2."


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A further session in the same kernel.

    Attributes:
        inline_archive: As for `render_kernel`.
    """

    ticket: Ticket
    inline_archive: bytes | None = None


def render_kernel(
    template: str,
    *,
    ticket: Ticket,
    bundle: Bundle,
    title: str,
    version: str,
    inline_archive: bytes | None = None,
    companions: Sequence[Companion] = (),
) -> str:
    """Render the script of a session, or of several that share one kernel.

    Args:
        template: Text of `kernel.py.j2`.
        title: Shown to people who open the script.
        version: Of the orchestrator.
        inline_archive: Zip of the checkpoints (`zip_archive.pack`), paths as in the ticket's inputs, to embed in the
            script; None if they are mounted or there are none.
        companions: Further sessions with the same code, which run beside this one.

    Returns:
        A complete Python program, checked with `compile()`.

    Raises:
        BadInput: The template uses an unknown name, or the result is not valid Python.
        ValueError: A companion has other code.
    """
    if any(one.ticket.bundle_digest != ticket.bundle_digest for one in companions):
        raise ValueError("the sessions of one kernel must have the same code")
    try:
        script = _compiled(template).render(
            title=title,
            version=version,
            session=ticket.session,
            run_id=ticket.run_id,
            ticket=_Pretty(ticket),
            archive_sha256=bundle.archive_sha256,
            archive_base64=_encoded(bundle.archive),
            **_carried(inline_archive),
            companions=[{"ticket": _Pretty(one.ticket), **_carried(one.inline_archive)} for one in companions],
        )
    except TemplateError as fault:
        raise BadInput(f"kernel.py.j2 cannot be rendered: {fault}", remedy=_REMEDY) from fault
    try:
        compile(script, "kernel.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as fault:
        raise BadInput(f"the rendered script is not valid Python: {fault}", remedy=_REMEDY) from fault
    return script


def _carried(inline_archive: bytes | None) -> dict[str, str]:
    """The template's values for the checkpoints that a script contains."""
    if inline_archive is None:
        return {"checkpoints_sha256": "", "checkpoints_base64": ""}
    sha256 = hashlib.sha256(inline_archive).hexdigest()
    return {"checkpoints_sha256": sha256, "checkpoints_base64": _encoded(inline_archive) if inline_archive else ""}


def most_bytes(template: str, *, ticket: Ticket, bundle: Bundle, title: str) -> int:
    """Upper bound of the size of a script without checkpoints, before it is rendered.

    The template's tags make room for their values, so that the sum of all parts is never too small.
    """
    parts = (template, title, ticket.run_id, str(_Pretty(ticket)), _encoded(bundle.archive))
    return sum(len(part.encode("utf-8")) for part in parts) + _SMALL_VALUES_BYTES


_SMALL_VALUES_BYTES = 512
"""Version, session number, digests: less than this together."""


def without_inline(script: str, inline_archive: bytes | None) -> str:
    """A script without the checkpoints in it."""
    return script.replace(_encoded(inline_archive), "") if inline_archive else script


class _Pretty:
    """A ticket as readable Python, formatted only if the template uses it."""

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def __str__(self) -> str:
        return pprint.pformat(self._ticket.to_json(), indent=1, width=_LINE_CHARS, sort_dicts=False)


@lru_cache(maxsize=4)
def _compiled(template: str) -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    return environment.from_string(template)


_TICKET = re.compile(r"^TICKET = (\{.*?\})\n\nARCHIVE_SHA256 = ", re.DOTALL | re.MULTILINE)
_COMPANION = re.compile(r"^    \(\n(\{.*?\}),\n        \"", re.DOTALL | re.MULTILINE)


def ticket_in(script: str) -> Ticket | None:
    """Read the ticket back from a rendered script; None if the text is not one of our scripts."""
    return next(iter(tickets_in(script)), None)


def tickets_in(script: str) -> tuple[Ticket, ...]:
    """Read all tickets back from a rendered script, in the order of its sessions; empty for any other text."""
    first = _TICKET.search(script)
    if first is None:
        return ()
    _, _, rest = script[first.end() :].partition("\nCOMPANIONS = [\n")
    texts = (first[1], *(found[1] for found in _COMPANION.finditer(rest)))
    try:
        return tuple(read_ticket(ast.literal_eval(text)) for text in texts)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return ()  # `literal_eval` has these errors for a text that no script of ours holds


@lru_cache(maxsize=4)  # all sessions of a campaign have the same code
def _encoded(archive: bytes) -> str:
    encoded = base64.b64encode(archive).decode("ascii")
    return "\n".join(encoded[start : start + _LINE_CHARS] for start in range(0, len(encoded), _LINE_CHARS))


def guard_size(script: str, max_script_bytes: int) -> None:
    """Refuse a script that is too large for the backend, with a clearer message than the backend's.

    Raises:
        BadInput: The script is too large.
    """
    size_bytes = len(script.encode("utf-8"))
    if size_bytes > max_script_bytes:
        raise BadInput(
            f"the script has {size_bytes} bytes, the backend accepts at most {max_script_bytes}",
            remedy="`render SECTION --files` lists the files with their sizes: move large ones out of the packages.",
        )
