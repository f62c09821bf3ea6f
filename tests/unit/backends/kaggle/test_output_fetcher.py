"""Fetching all outputs of a session: what cannot be had is named, and the rest comes whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session import listing as listing_module
from orchestrator.backends.kaggle.session.listing import list_outputs
from orchestrator.backends.kaggle.session.output_zip import PackZips
from orchestrator.backends.kaggle.session.outputs import OutputFetcher
from orchestrator.core.session.backend_types import Handle, Retrieval
from orchestrator.core.session.missing_outputs import Lack
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.kernel.wire import MANIFEST_NAME, member_folder, report_line
from tests.doubles.clock import FakeClock
from tests.doubles.memory_outputs import MemoryOutputs
from tests.unit.kernel.makers import NOW, make_ticket, save

FOLDER = "section_7_6_rl_performance/data/models/checkpoints/traffic_light_control_checkpoint_"


def outputs_of(folder: Path, *, manifest: bool = True) -> dict[str, bytes]:
    """The outputs of a session with two checkpoints."""
    models = folder / "section_7_6_rl_performance/data/models"
    save(models, 40, save(models, 30))
    (folder / "events.jsonl").write_text('{"kind": "started"}\n', "utf-8")
    if manifest:
        write_manifest(
            folder,
            ticket=make_ticket(),
            outcome=SectionOutcome(ending=KernelEnding.FINISHED, steps_start=0, steps_done=40),
            error=None,
            started_at=NOW.isoformat(),
            ended_at=NOW.isoformat(),
            timings_s={},
            preflight={},
        )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class Bench:
    api: MemoryOutputs
    into: Path
    clock: FakeClock

    def fetch(self, member: int | None = None) -> Retrieval:
        retry = Retry(self.clock, lambda low, high: high)
        handle = Handle(backend="kaggle", owner="ana", slug="x", member=member)
        api = cast(KaggleApi, self.api)
        return OutputFetcher(api, retry, handle, into=self.into, zips=PackZips(api)).fetch()

    def here(self) -> dict[str, bytes]:
        files = (path for path in self.into.rglob("*") if path.is_file())
        return {path.relative_to(self.into).as_posix(): path.read_bytes() for path in files}

    def assert_whole_but(self, *missing: str) -> None:
        here = self.here()
        here.pop("kernel.log")
        assert here == {path: content for path, content in self.api.files.items() if path not in missing}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    files = outputs_of(tmp_path / "session")
    return Bench(MemoryOutputs(files, log="a line\n"), tmp_path / "results" / "x", FakeClock())


def test_everything_comes_whole(bench: Bench) -> None:
    assert bench.fetch().missing == ()
    bench.assert_whole_but()


@pytest.mark.parametrize("good_is_last", [True, False])
@pytest.mark.parametrize("path", [MANIFEST_NAME, f"{FOLDER}40_steps.zip", f"{FOLDER}40_steps.json"])
def test_of_a_name_that_is_listed_twice_the_right_file_is_taken(bench: Bench, path: str, good_is_last: bool) -> None:
    bench.api.names = lambda names: sorted([*names, path])

    def damage(url: str, number: int) -> bytes | None:
        name, place = json.loads(url)
        bad = sorted(bench.api.files).index(path) + (not good_is_last)
        return b"<html>" if name == path and place == bad else None

    bench.api.damage = damage
    assert bench.fetch().missing == ()
    bench.assert_whole_but()


def test_a_listing_that_shrinks_between_its_pages_lacks_a_file_until_the_next_fetch(bench: Bench) -> None:
    bench.api.page_size = 3
    asked: list[int] = []

    def shrinking(names: list[str]) -> list[str]:
        asked.append(1)
        return names[1:] if len(asked) == 2 else names

    bench.api.names = shrinking
    first = bench.fetch()
    assert [one.lack for one in first.files] == [Lack.UNLISTED]
    assert first.missing[0].endswith(" is not listed")
    bench.api.names = list
    assert bench.fetch().missing == ()
    bench.assert_whole_but()


@pytest.mark.parametrize(
    "tokens",
    [lambda token: str(int(token or 0) + 1), lambda token: {"": "a", "a": "b", "b": "a"}[token]],
    ids=["ever new", "in a circle"],
)
@pytest.mark.parametrize("new_names", [True, False])
def test_pages_without_an_end_end(
    bench: Bench, tokens: Callable[[str], str], new_names: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing_module, "_MOST_PAGES", 50)
    first, pages = bench.api.output_page("ana", "x"), []

    def output_page(owner: str, slug: str, token: str = "") -> object:
        pages.append(token)
        files = [type(one)(path=f"{token}/{one.path}", url=one.url) if new_names else one for one in first.files]
        return type(first)(files=tuple(files), log="", next_token=tokens(token))

    bench.api.output_page = output_page  # type: ignore[method-assign, assignment]  # replaced for this test
    listing = list_outputs(cast(KaggleApi, bench.api), "ana", "x")
    assert len(pages) <= 50 and len(listing.files) >= len(first.files)


@pytest.mark.parametrize("alias", [f"./{MANIFEST_NAME}", f"{MANIFEST_NAME}/", f".//{MANIFEST_NAME}"])
def test_another_spelling_of_a_path_is_the_same_file(bench: Bench, alias: str) -> None:
    bench.api.files[alias] = b"<html>"
    assert bench.fetch().missing == ()
    del bench.api.files[alias]
    bench.assert_whole_but()


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:\\evil", "..", "nul\0", "a:b.png"])
def test_a_name_that_leads_out_is_named_and_not_written(bench: Bench, name: str, tmp_path: Path) -> None:
    bench.api.files[name] = b"evil"
    (missing,) = bench.fetch().files
    assert missing.lack is Lack.UNWRITABLE
    assert str(missing).endswith(" is not a valid file name on this computer: refused")
    bench.assert_whole_but(name)
    assert not list(tmp_path.rglob("*evil*"))


def test_names_that_differ_only_in_case_keep_the_first_where_the_disk_ignores_case(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.api.files[MANIFEST_NAME.upper()] = b"<html>"
    assert bench.fetch().missing == ()  # this disk may tell them apart
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: exists(path) or exists(path.with_name(path.name.lower())))
    monkeypatch.setattr(Path, "samefile", lambda path, other: str(path).lower() == str(other).lower())
    (missing,) = bench.fetch().files
    assert missing.lack is Lack.UNWRITABLE
    assert "are one file on this computer" in str(missing)


def test_a_name_that_this_computers_encoding_lacks_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.api.files["表.csv"] = b"1"
    replace = os.replace

    def replace_ascii(source: Path, target: Path) -> None:
        str(target).encode("ascii")
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_ascii)
    (missing,) = bench.fetch().files
    assert (missing.path, missing.lack) == ("表.csv", Lack.UNWRITABLE)
    bench.assert_whole_but("表.csv")


@pytest.mark.parametrize("status", [0, 500, 503, 409, 418, 451, 403, 404])
def test_one_file_that_cannot_be_had_blocks_no_other(bench: Bench, status: int) -> None:
    for path in list(bench.api.files):
        if path != MANIFEST_NAME:
            bench.api.refused = {path: status}
            (missing,) = bench.fetch().missing
            assert missing.startswith(f"{path} could not be fetched: Kaggle, ")
            bench.assert_whole_but(path)
            shutil.rmtree(bench.into.parent)


@pytest.mark.parametrize("status", [0, 500, 451])
def test_manifest_and_newest_cards_that_cannot_be_had_block_no_other_file(bench: Bench, status: int) -> None:
    first = [MANIFEST_NAME, f"{FOLDER}40_steps.json", "events.jsonl", "a.csv", "b.csv"]
    bench.api.files |= {"a.csv": b"1", "b.csv": b"2"}
    bench.api.refused = dict.fromkeys(first, status)
    assert {one.path for one in bench.fetch().files} == set(first)
    bench.assert_whole_but(*first)


def test_a_service_that_answers_no_download_for_long_is_unreachable(bench: Bench) -> None:
    bench.api.refused = dict.fromkeys(bench.api.files, 0)
    with pytest.raises(ServiceFault):
        bench.fetch()


def test_a_second_listing_that_fails_loses_nothing_of_the_first(bench: Bench) -> None:
    bench.api.listing_status = dict.fromkeys(range(2, 20), 503)
    bench.api.refused = {"events.jsonl": 403}
    assert [one.path for one in bench.fetch().files] == ["events.jsonl"]
    bench.assert_whole_but("events.jsonl")


@pytest.mark.parametrize("log", ["", "<html>Please log in</html>", '[{"data": "cut', "[]", "\0\udc80"])
def test_an_odd_log_stops_nothing(bench: Bench, log: str) -> None:
    bench.api.log = log
    assert bench.fetch().missing == ()
    bench.assert_whole_but()


@pytest.mark.parametrize("status", [None, 500, 451])
def test_a_log_that_cannot_be_had_is_named(bench: Bench, status: int | None) -> None:
    bench.api.log, bench.api.log_fault = "", ServiceFault("log", status=status, message="")
    (missing,) = bench.fetch().files
    assert str(missing).startswith("kernel.log could not be fetched: Kaggle, log: ")


@pytest.mark.parametrize("suffix", [".zip", ".state.npz", ".json"])
def test_without_a_manifest_the_cards_describe_the_checkpoints(tmp_path: Path, suffix: str) -> None:
    api = MemoryOutputs(outputs_of(tmp_path / "session", manifest=False), log="a line\n")
    bench = Bench(api, tmp_path / "x", FakeClock())
    api.damage = lambda url, number: b"{" if f"_steps{suffix}" in url and number == 1 else None
    assert [one.path for one in bench.fetch().files] == [MANIFEST_NAME]
    bench.assert_whole_but()


def test_a_damaged_manifest_of_one_session_of_a_pack_concerns_no_other(bench: Bench) -> None:
    alone = dict(bench.api.files)
    bench.api.files = {f"{member_folder(number)}/{path}": body for number in (1, 2) for path, body in alone.items()}
    damaged = f"{member_folder(1)}/{MANIFEST_NAME}"
    bench.api.damage = lambda url, number: b"<html>" if damaged in url else None
    for member, missing in ((1, [MANIFEST_NAME]), (2, [])):
        bench.into = bench.into.with_name(f"member-{member}")
        assert [one.path for one in bench.fetch(member).files] == missing
        here = bench.here()
        here.pop("kernel.log")
        if missing:
            assert here.pop(MANIFEST_NAME) == b"<html>"
        assert here == {path: body for path, body in alone.items() if path not in missing}


def test_what_the_log_says_about_checkpoints_is_reported(bench: Bench) -> None:
    saved = [report_line("saved", steps=steps, checkpoint="x") for steps in (30, 50, 40)]
    bench.api.log = "\n".join([*saved, report_line("saved", steps="many"), report_line("progress", steps=99)])
    assert (bench.fetch().steps_saved, bench.fetch().silent) == (50, False)
    bench.api.log = ""
    assert (bench.fetch().steps_saved, bench.fetch().silent) == (0, True)


def test_a_linked_results_folder_is_replaced_and_its_target_stays(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/mine.txt").write_text("mine", "utf-8")
    bench.into.parent.mkdir(exist_ok=True)
    bench.into.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert bench.fetch().missing == ()
    bench.assert_whole_but()
    assert not bench.into.is_symlink() and (tmp_path / "elsewhere/mine.txt").read_text("utf-8") == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
@pytest.mark.parametrize("pipe", [False, True])
def test_a_file_in_place_of_the_results_folder_is_kept_and_named(bench: Bench, pipe: bool) -> None:
    bench.into.parent.mkdir(exist_ok=True)
    os.mkfifo(bench.into) if pipe else bench.into.write_text("mine", "utf-8")
    with pytest.raises(NotADirectoryError, match="Not a directory"):
        bench.fetch()
    assert bench.into.exists() and not bench.into.is_dir()
