"""`serve`: a real process shows a session while it runs, writes nothing, and ends at once with open streams."""

from __future__ import annotations

import hashlib
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.acceptance.test_cancel import slow_after_first_save
from tests.acceptance.test_interrupted_and_changed import ENTRY, QUICK
from tests.doubles.commands import orchestrate
from tests.doubles.served_page import served
from tests.doubles.toy_section import make_toy_project, set_behaviour

LEDGER = ".orchestrator/ledger.sqlite"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def contents(root: Path) -> dict[str, str]:
    """Digest of each file, except those that SQLite keeps beside an open ledger."""
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.endswith(("-wal", "-shm"))
    }


def test_a_running_session_arrives_in_the_stream_and_sigterm_ends_it(toy: Path) -> None:
    slow_after_first_save(toy)
    entry, waits = toy / ENTRY, "while not context.must_leave:"
    text = entry.read_text(encoding="utf-8")
    assert waits in text
    entry.write_text(text.replace(waits, f"while not Path({str(toy / 'gate')!r}).exists():"), encoding="utf-8")
    assert orchestrate(toy, *QUICK, "--detach").code == 0
    with served(toy, "section_7_6") as page:
        stream = page.pages()
        assert any(_steps(one) == (10, True) for one in stream)
        (toy / "gate").touch()
        assert any(_steps(one) == (40, True) for one in stream)
        assert orchestrate(toy, *QUICK).code == 0  # no lock: the command collects the session meanwhile
        last = next(one for one in stream if _steps(one) == (40, False))
        assert last["trainings"][0]["state"] == "done" and last["live"] is True
        began = time.monotonic()
        assert page.end(signal.SIGTERM) == (0, [])
        assert list(stream) == []
        assert time.monotonic() - began < 5


def _steps(page: dict[str, object]) -> tuple[int, bool]:
    (session,) = page["sessions"]
    return session["steps_done"], session["in_flight"]


def test_it_shows_no_secret_and_no_path_and_writes_nothing(toy: Path) -> None:
    secret = "ghp_" + "aB3" * 12
    entry = toy / ENTRY
    plain = entry.read_text(encoding="utf-8")
    joined = '"the toy failed with the token gh" + "p_" + "aB3" * 12'  # so that the push is not refused
    entry.write_text(plain.replace('"the toy failed on purpose"', joined), encoding="utf-8")
    set_behaviour(toy, '{"*": {"do": "raise"}}')
    assert orchestrate(toy, *QUICK).code == 1
    before = contents(toy)
    with served(toy) as page:
        texts = [page.get(path)[1] for path in ("/", "/page.json", f"/{secret}", "/../../etc/passwd", "/health")]
        texts += [page.get("/", method=method)[1] for method in ("POST", "DELETE")]
        texts.append(page.get("/", Host=f"{secret}.example")[1])
        assert "with the token" in texts[0] and "with the token" in texts[1]
        assert not [text for text in texts if secret in text]
        assert not [text for text in texts[2:] if str(toy) in text]
        assert contents(toy) == before
        (events,) = (toy / "validation_output/results").rglob("events.jsonl")
        events.write_bytes(b'{"torn": [[[[' + b"\xff" * 100)
        assert [one["state"] for one in page.page()["trainings"]] == ["failed"]
        assert page.end(signal.SIGINT) == (0, [])


def test_a_wrong_target_and_a_port_in_use_are_refused(toy: Path) -> None:
    answer = orchestrate(toy, "serve", "section_9_9", "--json")
    assert answer.code == 2 and "section_9_9" in answer.json["error"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = orchestrate(toy, "serve", "--port", str(port), "--json")
    assert answer.code == 2
    assert answer.json["error"] == f"port {port} is in use by another program"
    assert answer.json["remedy"].startswith("Use a free one: --port ")


@pytest.mark.prove
def test_it_survives_what_happens_to_the_project(toy: Path) -> None:
    assert orchestrate(toy, *QUICK).code == 0
    before = contents(toy)
    with served(toy) as page, served(toy) as second:
        assert page.port != second.port
        stream = page.pages()
        first = next(stream)
        assert [one["steps"] for one in first["trainings"]] == [40] and first["notes"] == []
        assert second.page()["trainings"] == first["trainings"]

        kept = toy.with_name("kept.sqlite")
        shutil.move(toy / LEDGER, kept)
        gone = next(stream)
        assert "ledger" in gone["notes"][0] and "deleted" in gone["notes"][0]
        assert gone["trainings"] == first["trainings"]
        (toy / LEDGER).write_bytes(b"no ledger" * 400)
        assert "is not a readable ledger" in next(stream)["notes"][0]
        shutil.move(kept, toy / LEDGER)
        assert next(stream)["notes"] == []

        toy.rename(toy.with_name("elsewhere"))
        moved = next(stream)
        assert "moved or deleted" in moved["notes"][0] and moved["trainings"] == first["trainings"]
        assert not toy.exists()
        toy.with_name("elsewhere").rename(toy)
        assert next(stream)["notes"] == []
        assert contents(toy) == before
        assert page.end() == (0, [])
