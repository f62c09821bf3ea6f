"""The logs in a checkpoint come from outside: they lead nowhere, and unpack to a bounded size."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.training.kept_state import logs as logs_room
from orchestrator.kernel.training.kept_state.logs import Logs, read_logs, write_logs
from orchestrator.kernel.wire import CHECKPOINTS, LOGS_SUFFIX
from orchestrator.sb3.logs.event_files import restore_files
from tests.unit.kernel.makers import SCENARIO, make_ticket

GOOD = "events.out.tfevents.1764.host.42.0"


@pytest.mark.parametrize("name", ["/{0}/tfevents", "../tfevents", "a/../../tfevents", "..\\tfevents", "C:tfevents", ""])
def test_only_names_of_event_files_are_restored(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "inner/tb"
    restore_files(folder, {name.format(tmp_path): b"evil", GOOD: b"points"}, others=set())
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [
        f"inner/tb/{GOOD}"
    ]


@pytest.mark.parametrize("one_bytes", [1000, 1001])
def test_logs_unpack_to_a_bounded_size(one_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_room, "_MOST_UNPACKED", 2000)
    stem = f"{SCENARIO}_checkpoint_10_steps"
    path = tmp_path / CHECKPOINTS / f"{stem}{LOGS_SUFFIX}"
    path.parent.mkdir()
    write_logs(path, Logs(files={"a": bytes(1000), "b": bytes(one_bytes)}))
    card = CheckpointCard(
        stem=stem,
        scenario=SCENARIO,
        steps=10,
        files=(file_entry(path, path.parent),),
        identity={},
        stamp=make_ticket().stamp(),
        saved_at="",
    )
    if one_bytes == 1000:
        logs = read_logs(tmp_path, card)
        assert logs is not None and logs.files == {"a": bytes(1000), "b": bytes(1000)}
    else:
        with pytest.raises(ValueError, match="unpacks to more than 2000 bytes"):
            read_logs(tmp_path, card)
