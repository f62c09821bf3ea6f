"""`serve`: the page of a training, a section, a campaign or the project, live in a browser of this computer."""

from __future__ import annotations

import sys
import threading
import time
import traceback
import webbrowser
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.commands.report import script_folder
from orchestrator.cli.error_boundary import expected_failure, print_json
from orchestrator.cli.options import AsJson
from orchestrator.cli.output.page_file import page_command, read_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.cli.output.console import Console
    from orchestrator.core.page.page import Page
    from orchestrator.stores.project import Project
    from orchestrator.wiring.page.answers import Answers

_Target = Annotated[
    str | None,
    typer.Argument(
        metavar="[TARGET]",
        help="Section, campaign (name or file), run, session, lineage id or its beginning, label of a trial, "
        "script without a project (train.py); default: everything in this project.",
    ),
]
_Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1, 0 for any free one; default: from 8750 on."),
]
_Open = Annotated[bool, typer.Option("--open", help="Open the page in your browser.")]
_Ask = Annotated[
    bool, typer.Option("--ask", help="Also look at sessions on Kaggle, once a minute while the page is open.")
]

_LIBRARIES = {"plotly": "plotly>=6", "starlette": "starlette>=0.41", "uvicorn": "uvicorn>=0.32"}
"""The extra `report` of pyproject.toml: module -> words for pip."""
_MOST_PRINTED = 20
"""Tracebacks of different bugs that a command prints at most: it may run for days."""


def serve(
    target: _Target = None, port: _Port = None, open_page: _Open = False, ask: _Ask = False, as_json: AsJson = False
) -> int:
    """Show the page of `report` in a browser, and keep it up to date while sessions run; Ctrl-C ends it.

    Only this computer can open it. It reads the ledger and the logs while a page is open, takes no lock, and changes
    nothing.
    """
    _require_libraries()
    from orchestrator.cli.output.console import Console
    from orchestrator.cli.output.standard_output import PULSE
    from orchestrator.page.document import TEMPLATES, html, policy
    from orchestrator.page.server.address import DEFAULT_PORT, HOST, listening_socket
    from orchestrator.page.server.application import Document
    from orchestrator.page.server.serving import First
    from orchestrator.page.server.serving import serve as serve_page
    from orchestrator.stores.project import find_project
    from orchestrator.wiring.asked_page import AskedPage
    from orchestrator.wiring.live_page import LivePage
    from orchestrator.wiring.page.answers import Answers

    stream = sys.stderr if as_json else sys.stdout
    Console(stream).begins(f"Reading the trainings of {target or 'this project'}")
    project, explain, began_s = find_project(), _Explained(), time.monotonic()
    folder = script_folder(project, target)
    answers = Answers()
    read = _reader(project, target, folder, answers)
    page = read()  # an unknown target is refused here
    first = First(page=page, took_s=time.monotonic() - began_s)
    if ask and folder is None:
        read = asked = AskedPage(read, partial(read_page, project, target, answers, ask=True), explain)
        asked.ask_if_due()
    PULSE.end()  # what follows may be the only lines of some days
    console = Console(stream, pulse=None)
    listening = listening_socket(port)
    number = listening.getsockname()[1]
    address = f"http://{HOST}:{number}/"
    taken = f"port {DEFAULT_PORT} is in use; " if port is None and number != DEFAULT_PORT else ""
    console.say(f"{page.title}: {address} ({taken}only on this computer; Ctrl-C ends it)")
    if as_json:
        print_json({"address": address, "port": number, "target": target})
    if open_page:
        _open(address, console)
    document = Document(html=partial(html, templates=TEMPLATES), policy=policy(TEMPLATES, live=True))
    live = LivePage(project if folder is None else None, page, read, explain)
    serve_page(listening, live, document, explain.report, first)
    return 0


def _reader(project: Project, target: str | None, folder: Path | None, answers: Answers) -> Callable[[], Page]:
    """Reads the page of a target.

    Args:
        folder: Of the training of a script without a project; None for any other target.
        answers: Of other backends, for the page of a project.
    """
    from orchestrator.wiring.live_page import script_page

    if folder is None or target is None:
        return partial(read_page, project, target, answers)
    return partial(script_page, folder, Path(target) if Path(target).is_file() else None, page_command())


def _require_libraries() -> None:
    """Check that the extra `report` is installed.

    Raises:
        BadInput: It is not.
    """
    from orchestrator.core.errors import BadInput

    if absent := [name for name in _LIBRARIES if find_spec(name) is None]:
        wanted = " ".join(f'"{_LIBRARIES[name]}"' for name in absent)
        raise BadInput(
            f"`serve` needs {', '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not installed",
            remedy=f"Install it: python -m pip install {wanted}",
        )


def _open(address: str, console: Console) -> None:
    """Open the page in the user's browser, without waiting for it."""

    def act() -> None:
        if not webbrowser.open(address):
            console.say("No browser was found: open the address above yourself.")

    threading.Thread(target=act, daemon=True).start()


class _Explained:
    """Turns exceptions into sentences for the page; prints the traceback of a bug to standard error, once."""

    def __init__(self) -> None:
        self._printed: set[str] = set()

    def __call__(self, fault: Exception) -> str:
        """A sentence about an exception."""
        failure = expected_failure(fault)
        if failure is None:
            self.report(fault)
            return f"Internal error {type(fault).__name__}: the terminal of `serve` shows it."
        return f"{failure.cause[:1].upper()}{failure.cause[1:]}. {failure.remedy}".strip()

    def report(self, fault: Exception) -> None:
        """Print a traceback without secrets."""
        from orchestrator.cli.output.console import Console

        kind = f"{type(fault).__name__}: {fault}"
        if kind in self._printed or len(self._printed) >= _MOST_PRINTED:
            return
        self._printed.add(kind)
        Console(sys.stderr, pulse=None).say(*"".join(traceback.format_exception(fault)).splitlines())
