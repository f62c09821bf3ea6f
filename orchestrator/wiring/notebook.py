"""`orchestrator.report`: the page inside a notebook, or as a file where there is none."""

from __future__ import annotations

import html as markup
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from orchestrator.core.errors import BadInput
from orchestrator.core.page.page import Page
from orchestrator.kernel.files.atomic import make_folder, write_bytes
from orchestrator.kernel.training.base_run import BaseRun
from orchestrator.stores.secrets.rules import masking
from orchestrator.stores.system_clock import SystemClock
from orchestrator.wiring.page.report import PAGE_NAME

_HEIGHT_PX = 900


class NotebookPage:
    """The page of a training: a notebook shows it when it is made, and again as a value of a later cell.

    Attributes:
        page: Its data.
        text: The HTML file; empty without the libraries of the page.
        path: Where it was written, None in a notebook.
        missing: Why there is no page; empty if there is one.
    """

    def __init__(self, page: Page, text: str, path: Path | None = None, missing: str = "") -> None:
        self.page = page
        self.text = text
        self.path = path
        self.missing = missing
        self._shown_in: object = None

    def show(self) -> None:
        """Show the page below the cell that runs, wherever in it the call stands."""
        self._publish()
        self._shown_in = _cell()

    def _ipython_display_(self) -> None:
        """Called by a notebook for the last value of a cell; does nothing if this cell has shown the page already."""
        shown, self._shown_in = self._shown_in, None
        if shown is None or shown != _cell():
            self._publish()

    def _publish(self) -> None:
        import_module("IPython.display").display({"text/html": self._repr_html_(), "text/plain": repr(self)}, raw=True)

    def save(self, path: str | Path) -> Path:
        """Write the page into a file.

        Raises:
            BadInput: A library of the page is not installed.
            OSError: The file cannot be written.
        """
        if self.missing:
            raise BadInput(self.missing)
        make_folder(Path(path).parent)
        write_bytes(Path(path), self.text.encode("utf-8", "backslashreplace"))
        self.path = Path(path)
        return self.path

    def __repr__(self) -> str:
        return self.missing or f"{self.page.title}: {self.page.headline.text}" + (f" {self.path}" if self.path else "")

    def _repr_html_(self) -> str:
        """A frame of fixed height; the page's scripts run in it, without access to the notebook."""
        if self.missing:
            return f"<pre>{markup.escape(self.page.headline.text)}\n{markup.escape(masking()(self.missing))}</pre>"
        inside = markup.escape(self.text, quote=True)
        allowed = "allow-scripts allow-popups allow-downloads"
        style = f"width:100%;height:{_HEIGHT_PX}px;border:0"
        title = markup.escape(self.page.title, quote=True)
        return f'<iframe title="{title}" sandbox="{allowed}" style="{style}" srcdoc="{inside}"></iframe>'


def report(run_or_target: Any = None) -> NotebookPage | None:
    """The page of a run that a script opened, or of what a word names in this project.

    In a notebook the page is shown below the cell; elsewhere it is written, and its path is printed.

    Args:
        run_or_target: What `with orchestrator.session() as run` gives, or a word as for the command `report`; None for
            the whole project.

    Returns:
        None if the page of a run cannot be made, for any reason: a line says why, and the training goes on.

    Raises:
        BadInput: The word names nothing.
    """
    if not isinstance(run_or_target, BaseRun):
        return _shown(*_of_word(run_or_target))
    try:
        return _shown(*_of_run(run_or_target))
    except Exception as fault:  # a report must never end a training
        print(f"The page was not made: {type(fault).__name__}: {fault}", flush=True)
        return None


def _shown(page: Page, folder: Path) -> NotebookPage:
    """The page, shown in a notebook, and elsewhere written."""
    try:
        from orchestrator.page.document import TEMPLATES, html

        found = NotebookPage(page, html(page, TEMPLATES))
    except BadInput as fault:
        found = NotebookPage(page, "", missing=f"{fault}. {fault.remedy}")
    except ModuleNotFoundError as fault:
        install = f"python -m pip install {fault.name}"
        found = NotebookPage(page, "", missing=f"the page needs {fault.name}, which is not installed: {install}")
    if in_notebook():
        found.show()
    else:
        if not found.missing:
            found.save(folder / PAGE_NAME)
        print(_printable(found.missing or f"Wrote {found.path}"), flush=True)
    return found


def _printable(text: str) -> str:
    """A text without secrets, with escapes for what standard output cannot show."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return masking()(text).encode(encoding, "backslashreplace").decode(encoding)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    return getattr(_shell(), "kernel", None) is not None


def _shell() -> Any:
    """The shell of IPython that runs in this process, None without one."""
    library = sys.modules.get("IPython")
    return None if library is None else library.get_ipython()


def _cell() -> object:
    """The number of the cell that runs."""
    return getattr(_shell(), "execution_count", None)


def _command(argument: str) -> str:
    """The call that makes the page again."""
    return f"orchestrator.report({argument})"


def _of_run(run: BaseRun) -> tuple[Page, Path]:
    from orchestrator.wiring.alone_page import alone_page

    folder = run.models_dir
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    script = None if main is None else Path(main)
    if script is not None and script.is_relative_to(Path.cwd()):
        script = script.relative_to(Path.cwd())
    steps_now = run.step if run.is_open else None
    page = alone_page(folder, script=script, command=_command("run"), now=SystemClock().now(), steps_now=steps_now)
    return page, folder


def _of_word(word: Any) -> tuple[Page, Path]:
    from orchestrator.stores.project import find_project
    from orchestrator.wiring.alone_page import alone_folder, alone_page
    from orchestrator.wiring.pages import folder_of, found_target, page_of

    name, now = None if word is None else str(word), SystemClock().now()
    command = _command("" if name is None else repr(name))
    alone = None if name is None else alone_folder(name, Path.cwd())
    if alone is not None:
        return alone_page(alone, script=None, command=command, now=now), alone
    project = find_project()
    target = found_target(project, name)
    return page_of(project, name, command=command, now=now), folder_of(project, target)
