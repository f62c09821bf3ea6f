"""Ticket and bundle to one readable script, proven before it can cost anything."""

from __future__ import annotations

import base64
import hashlib
import pprint

from jinja2 import Environment, StrictUndefined, TemplateError

from kernel_templates.kernel_runtime.wire import Ticket
from orchestrator.core.errors import BadInput
from orchestrator.core.exchange import Bundle

_LINE_CHARS = 120


def render_kernel(
    template: str,
    *,
    ticket: Ticket,
    bundle: Bundle,
    title: str,
    version: str,
    inline_archive: bytes | None = None,
) -> str:
    """Render the script of a session.

    Args:
        template: Text of `kernel.py.j2`.
        title: For people who open the script.
        version: Of the orchestrator.
        inline_archive: Zip of the checkpoint set (`packing.pack`), paths as in the ticket's inputs, when it
            travels inside the script; None when a mount carries it or there is none.

    Returns:
        A complete Python program that `compile()` accepts.

    Raises:
        BadInput: The template uses a name that nobody gives, or the result is not Python.
    """
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    try:
        script = environment.from_string(template).render(
            title=title,
            version=version,
            session=ticket.session,
            run_id=ticket.run_id,
            ticket=pprint.pformat(ticket.to_json(), indent=1, width=_LINE_CHARS, sort_dicts=False),
            archive_sha256=bundle.archive_sha256,
            archive_base64=_encoded(bundle.archive),
            checkpoints_sha256="" if inline_archive is None else hashlib.sha256(inline_archive).hexdigest(),
            checkpoints_base64=_encoded(inline_archive or b""),
        )
    except TemplateError as fault:
        raise BadInput(
            f"kernel.py.j2 cannot be rendered: {fault}", remedy="Mend kernel_templates/kernel.py.j2."
        ) from fault
    try:
        compile(script, "kernel.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as fault:
        raise BadInput(
            f"the rendered script is not Python: {fault}", remedy="Mend kernel_templates/kernel.py.j2."
        ) from fault
    return script


def _encoded(archive: bytes) -> str:
    encoded = base64.b64encode(archive).decode("ascii")
    return "\n".join(encoded[start : start + _LINE_CHARS] for start in range(0, len(encoded), _LINE_CHARS))


def guard_size(script: str, max_script_bytes: int) -> None:
    """Refuse a script that the backend would refuse with less clear words.

    Raises:
        BadInput: It is too large.
    """
    size_bytes = len(script.encode("utf-8"))
    if size_bytes > max_script_bytes:
        raise BadInput(
            f"the script has {size_bytes} bytes, the backend takes {max_script_bytes}",
            remedy="Move large files out of validation_ch7's code folders.",
        )
