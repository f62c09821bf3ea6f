"""What a word names: never a guess between two trainings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.autopsy.naming import again, name_of
from orchestrator.core.autopsy.subject import Candidate, find_subject, recorded, slug_in
from orchestrator.core.errors import BadInput
from tests.unit.core.autopsy.makers import record, run

FIRST, SECOND = "0123abcd" + "0" * 56, "0123ffff" + "0" * 56


def candidate(lineage_id: str = FIRST, number: int = 1, **fields: str) -> Candidate:
    slug = f"arz-validation-toy-{lineage_id[:8]}-s{number:02d}"
    whole = {
        "section": "toy",
        "lineage_id": lineage_id,
        "run_id": f"toy-{lineage_id[:8]}-2026",
        "slug": slug,
        "folder": f"me_{slug}",
        "at": f"2026-11-0{number}",
    }
    return Candidate(**(whole | fields))  # type: ignore[arg-type]  # keyword arguments of several types


def test_the_newest_run_is_the_default_and_of_a_section_the_newest() -> None:
    both = [candidate(number=2), candidate(SECOND, number=1)]
    assert find_subject(None, both).candidate == both[0]
    found = find_subject("toy", both)
    assert (found.candidate, found.whole) == (both[0], True)


@pytest.mark.parametrize("word", ["0123", "toy-0123"])
def test_a_prefix_of_two_trainings_is_refused_with_their_names(word: str) -> None:
    with pytest.raises(BadInput, match="names 2 of several trainings") as refused:
        find_subject(word, [candidate(), candidate(SECOND)])
    assert "toy-0123abcd-2026, toy-0123ffff-2026" in refused.value.remedy


@pytest.mark.parametrize("word", ["0123a", "toy-0123abcd", "toy-0123abcd-2026"])
def test_a_prefix_of_one_training_takes_its_newest_session(word: str) -> None:
    sessions = [candidate(number=1), candidate(number=2), candidate(SECOND, number=3)]
    assert find_subject(word, sessions).candidate == sessions[1]


@pytest.mark.parametrize(
    "folder", ["C:\\p\\results\\me_arz-validation-toy-0123abcd-s01", "results/me_arz-validation-toy-0123abcd-s01/"]
)
def test_a_folder_of_any_system_names_its_session(folder: str) -> None:
    found = find_subject(folder, [candidate(), candidate(number=2)])
    assert (found.candidate.slug, found.whole) == ("arz-validation-toy-0123abcd-s01", False)


@pytest.mark.parametrize("word", ["", "0", "abc", "toy-9", "nothing", "kaggle://me/x"])
def test_a_word_that_names_nothing_is_refused(word: str) -> None:
    with pytest.raises(BadInput, match="nothing here is named") as refused:
        find_subject(word, [candidate()])
    assert "toy-0123abcd-2026" in refused.value.remedy


def test_a_trial_is_found_by_its_label_also_before_it_ran() -> None:
    trials = [candidate(SECOND, label="main seed 1", slug="", folder="")]
    assert find_subject("main seed 1", [candidate()], lambda: trials).candidate == trials[0]
    assert find_subject("0123ff", [], lambda: trials).candidate == trials[0]
    with pytest.raises(BadInput, match="no run and no session"):
        find_subject("main seed 9", [], lambda: trials)


def test_a_session_of_the_ledger_is_found_by_its_key_and_its_handle() -> None:
    candidates = list(recorded([run()], [record(results_dir="/p/results/me_arz-validation-toy-0123abcd-s01")]))
    for word in (record().key, str(record().handle), "me_arz-validation-toy-0123abcd-s01"):
        # Not None here.
        assert find_subject(word, candidates).candidate.session == record(results_dir=candidates[0].session.results_dir)  # type: ignore[union-attr]


def test_the_kernel_of_a_pack_names_its_sessions() -> None:
    kernel = "arz-validation-toy-0123abcd-s01-p"
    names = [f"arz-validation-toy-{lineage_id[:8]}-s01" for lineage_id in (FIRST, SECOND)]
    candidates = [
        replace(candidate(lineage_id), folder="", session=record(kernel=kernel, slug=slug, handle=None))
        for lineage_id, slug in zip((FIRST, SECOND), names, strict=True)
    ]
    with pytest.raises(BadInput, match="names 2 of several trainings") as refused:
        find_subject(f"kaggle.com/code/me/{kernel}", candidates)
    assert ", ".join(names) in refused.value.remedy


def test_the_command_that_continues_names_the_backend_and_the_campaign() -> None:
    (one,) = recorded([run(backend="kaggle")], [record("kaggle")])
    assert again(one, None, "") == "python -m orchestrator run toy --quick --backend kaggle"
    assert again(one, None, "pair.yaml") == "python -m orchestrator campaign tick pair.yaml"
    assert (name_of(one, whole=True), name_of(one, whole=False)) == ("0123abcd", one.slug)


def test_only_a_results_folder_holds_the_name_of_a_session() -> None:
    assert slug_in("me_arz-validation-toy-0123abcd-s01-a2") == "arz-validation-toy-0123abcd-s01-a2"
    assert slug_in(".fetching-me_x") == slug_in("notes") == ""
