"""All outputs of a session in one request: the same files as one by one, and these wherever the zip does not help."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.backends.kaggle.session import output_zip
from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.emulator.loopback import loopback_kaggle
from tests.marks import first_cases

ZIP = "DownloadKernelOutputZip"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle, Listener(), ShortSleepClock())


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def require_whole(project: KaggleProject) -> Counter[str]:
    """Run one session; its outputs here are those of the kernel. Returns the requests by method."""
    project.kaggle.journal.clear()
    summary = project.run()
    assert (summary.end_reason, summary.problems) == ("finished", ())
    (kernel,) = project.kaggle.kernels.all.values()
    fetched = digests(project.root / str(summary.results_dir))
    log = fetched.pop("kernel.log")
    assert log and fetched == digests(kernel.outputs)
    return project.kaggle.journal.counts


def rezipped(change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Callable[[bytes], bytes]:
    """The same zip with other members."""

    def damage(content: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name, body in change(members).items():
                archive.writestr(name, body)
        return made.getvalue()

    return damage


def test_requests_per_session_before_and_after(project: KaggleProject) -> None:
    after = require_whole(project)
    assert (after[ZIP], after["download"]) == (1, 1)  # the zip, and before it the manifest
    project.kaggle.settings.offers_zip = False
    before = Counter[str]()
    project.kaggle.journal.clear()
    summary = project.run(target_steps=80)
    assert summary.end_reason == "finished" and summary.sessions == 1
    before = project.kaggle.journal.counts
    print(f"requests for one session: {sum(before.values())} before, {sum(after.values())} with one zip")
    print(f"before: {dict(before)}\nafter: {dict(after)}")
    assert before["download"] >= 10
    assert sum(after.values()) <= sum(before.values()) - before["download"] + 2


def test_a_redirect_to_a_signed_address_is_followed(project: KaggleProject) -> None:
    project.kaggle.settings.zip_redirects = True
    counts = require_whole(project)
    assert (counts[ZIP], counts["download"]) == (1, 2)  # the manifest and the redirected zip


@pytest.mark.parametrize(
    "fault", first_cases(2, [{"status": 404}, {"truncate": True}, {"status": 403}, {"status": 500}, {"drop": "before"}])
)
def test_a_zip_that_cannot_be_had_is_replaced_by_single_files(project: KaggleProject, fault: dict[str, object]) -> None:
    project.kaggle.faults.add(ZIP, **fault)
    counts = require_whole(project)
    assert counts[ZIP] == 1 and counts["download"] >= 10


def test_a_session_whose_number_is_not_known_is_fetched_file_by_file(project: KaggleProject) -> None:
    project.kaggle.settings.container_name = None
    counts = require_whole(project)
    assert counts[ZIP] == 0 and counts["download"] >= 10


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"<html>Please log in</html>",
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"PK\x01\x02", b"PK\x01\x03"),
        lambda content: content[:200] + bytes(len(content) - 400) + content[-200:],
    ],
    ids=["html", "empty", "half", "no directory", "zeros inside"],
)
def test_a_damaged_zip_is_replaced_by_single_files(project: KaggleProject, damage: Callable[[bytes], bytes]) -> None:
    project.kaggle.faults.add(ZIP, damage=damage)
    assert require_whole(project)["download"] >= 2


def test_one_wrong_and_one_absent_member_are_fetched_by_themselves(project: KaggleProject) -> None:
    def change(members: dict[str, bytes]) -> dict[str, bytes]:
        wrong, absent = (name for name in sorted(members) if name.endswith(("_30_steps.zip", "_40_steps.zip")))
        return {name: body + b"!" * (name == wrong) for name, body in members.items() if name != absent}

    project.kaggle.faults.add(ZIP, damage=rezipped(change))
    assert require_whole(project)["download"] == 3  # these two and the manifest


@pytest.mark.parametrize(
    "name", ["../../evil.txt", "/tmp/evil-of-the-zip.txt", "..\\evil.txt", "C:evil.txt", "not/listed.txt", "a\x00b"]
)
def test_a_member_outside_of_the_listing_is_never_written(project: KaggleProject, name: str, tmp_path: Path) -> None:
    project.kaggle.faults.add(ZIP, damage=rezipped(lambda members: {**members, name: b"evil"}))
    before = {path for path in tmp_path.rglob("*evil*")}
    require_whole(project)
    assert {path for path in tmp_path.rglob("*evil*")} == before
    assert not Path("/tmp/evil-of-the-zip.txt").exists()


def test_a_listed_path_that_leads_out_is_never_written_from_the_zip(project: KaggleProject, tmp_path: Path) -> None:
    out = "../../evil.txt"

    def change(answer: dict[str, object]) -> dict[str, object]:
        files = answer.get("files") or []
        assert isinstance(files, list)
        return {**answer, "files": [*files, {"fileName": out, "url": "http://localhost:7777/signed/x"}]}

    project.kaggle.faults.add("ListKernelSessionOutput", lasting=True, change=change)
    project.kaggle.faults.add(ZIP, damage=rezipped(lambda members: {**members, out: b"evil"}))
    project.run()
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize("most", ["MOST_BYTES", "MANIFEST_BYTES"])
def test_a_zip_that_is_too_large_is_not_used(
    project: KaggleProject, monkeypatch: pytest.MonkeyPatch, most: str
) -> None:
    monkeypatch.setattr(output_zip, most, 100)
    is_manifest = lambda path: str(path).endswith("session_manifest.json")  # noqa: E731  # one line is clearer here
    project.kaggle.faults.add("download", status=404, when=is_manifest)
    assert require_whole(project)["download"] >= {"MOST_BYTES": 10, "MANIFEST_BYTES": 2}[most]


def test_a_zip_far_above_the_promised_size_is_cut_off(project: KaggleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_zip, "MANIFEST_BYTES", 1 << 20)
    project.kaggle.faults.add(ZIP, endless=b"x" * (1 << 16))
    assert require_whole(project)["download"] >= 10
    assert 0 < project.kaggle.flooded_bytes < 64 << 20


def test_a_member_of_another_size_than_promised_is_not_unpacked(project: KaggleProject) -> None:
    name = "section_7_6_rl_performance/data/models/training_metadata.json"
    bomb = rezipped(lambda members: {**members, name: bytes(1 << 20)})
    project.kaggle.faults.add(ZIP, damage=bomb)
    assert require_whole(project)["download"] == 2


def test_another_sessions_zip_is_not_taken_for_this_ones(project: KaggleProject) -> None:
    """The files of the zip are checked like every other: what does not agree is fetched again."""
    set_behaviour(project.root, '{"1": {"do": "pause"}}')
    foreign: list[bytes] = []

    def swapped(content: bytes) -> bytes:
        foreign.append(content)
        return foreign[0]

    project.kaggle.faults.add(ZIP, damage=swapped, lasting=True)
    summary = project.run()
    assert (summary.end_reason, summary.sessions, summary.problems) == ("finished", 2, ())
    second = list(project.kaggle.kernels.all.values())[1]
    fetched = digests(project.root / str(summary.results_dir))
    fetched.pop("kernel.log")
    assert fetched == digests(second.outputs)


def test_a_killed_session_without_a_manifest_is_restored_from_its_zip(project: KaggleProject) -> None:
    set_behaviour(project.root, '{"1": {"do": "die_after_save"}}')
    summary = project.run()
    assert summary.end_reason == "finished"
    assert project.kaggle.journal.counts[ZIP] >= 1


def test_a_section_that_prints_a_number_of_its_own_is_not_believed() -> None:
    own, printed = '[ORC] {"kind":"opened","session_id":7}', '[ORC] {"kind":"opened","session_id":8}'
    assert output_zip.session_id_in(["a warning", own, printed]) == 7
    assert output_zip.session_id_in(['[ORC] {"kind":"started"}', printed]) is None
    assert output_zip.session_id_in([]) is None
