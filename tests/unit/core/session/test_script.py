"""The rendered script: undefined names are errors, it compiles, its size is limited, equal input gives equal text."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import Bundle
from orchestrator.core.session.script import guard_size, render_kernel, ticket_in
from orchestrator.kernel.wire import Ticket
from tests.unit.kernel.makers import make_ticket

TICKET = make_ticket(spec={"profile": "quick", "criteria": {}, "evaluation_scenarios": 4, "lineage": {"seed": 0}})

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "kernel.py.txt"
PLACEHOLDER = Bundle(
    digest="b" * 64, archive=b"placeholder bundle", archive_sha256="a" * 64, names=("validation_ch7/__init__.py",)
)


def _template(root: Path) -> str:
    return (root / "kernel_templates" / "kernel.py.j2").read_text(encoding="utf-8")


def _render(
    template: str,
    bundle: Bundle = PLACEHOLDER,
    title: str = "Section 7.6",
    inline_archive: bytes | None = None,
    ticket: Ticket | None = None,
) -> str:
    return render_kernel(
        template,
        ticket=ticket or make_ticket(),
        bundle=bundle,
        title=title,
        version="0.1.0",
        inline_archive=inline_archive,
    )


def test_the_script_equals_the_golden_file(project_root: Path) -> None:
    assert _render(_template(project_root)) == GOLDEN.read_text(encoding="utf-8")


def test_an_inline_checkpoint_set_changes_only_its_two_constants(project_root: Path) -> None:
    archive = bytes(range(256)) * 4
    plain = _render(_template(project_root)).splitlines()
    with_checkpoints = _render(_template(project_root), inline_archive=archive).splitlines()
    start = with_checkpoints.index('CHECKPOINTS_BASE64 = """') + 1
    end = with_checkpoints.index('"""', start)
    assert max(map(len, with_checkpoints[start:end])) <= 120
    assert base64.b64decode("".join(with_checkpoints[start:end])) == archive
    digest = f'CHECKPOINTS_SHA256 = "{hashlib.sha256(archive).hexdigest()}"'
    without = [
        *with_checkpoints[: start - 2],
        'CHECKPOINTS_SHA256 = ""',
        with_checkpoints[start - 1],
        "",
        *with_checkpoints[end:],
    ]
    assert (with_checkpoints[start - 2], without) == (digest, plain)


def test_an_unknown_name_in_the_template_is_an_error() -> None:
    with pytest.raises(BadInput, match="undefined"):
        _render("x = {{ misspelt }}")


@pytest.mark.parametrize("template", ["def broken(:", "x = {{ session }", "{% if %}"])
def test_a_script_that_is_not_python_is_refused(template: str) -> None:
    with pytest.raises(BadInput):
        _render(template)


def test_a_title_cannot_end_its_string(project_root: Path) -> None:
    with pytest.raises(BadInput, match="not valid Python"):
        _render(_template(project_root), title='""" + evil')


def test_a_script_over_the_size_limit_is_refused() -> None:
    guard_size("x" * 100, 100)
    with pytest.raises(BadInput, match="the script has 101 bytes, the backend accepts at most 100"):
        guard_size("x" * 101, 100)


def test_a_damaged_archive_stops_the_script_before_anything_runs(project_root: Path, tmp_path: Path) -> None:
    archive = b"not what was packed"
    bundle = Bundle(digest="b" * 64, archive=archive, archive_sha256=hashlib.sha256(b"packed").hexdigest(), names=())
    script = tmp_path / "kernel.py"
    script.write_text(_render(_template(project_root), bundle), encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "damaged" in done.stderr


def test_the_ticket_is_read_back_from_the_script(project_root: Path) -> None:
    assert ticket_in(_render(_template(project_root), ticket=TICKET)) == TICKET
    assert ticket_in(_render(_template(project_root), ticket=TICKET, inline_archive=b"checkpoints")) == TICKET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "print('somebody else')",
        'TICKET = {"run_id": 1}\n\nARCHIVE_SHA256 = "a"',
        "TICKET = {a}\n\nARCHIVE_SHA256 = 1",
    ],
)
def test_a_foreign_script_has_no_ticket(text: str) -> None:
    assert ticket_in(text) is None
