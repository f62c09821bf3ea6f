"""What a checkpoint card states, and which cards are refused: each limit at its bound."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.kernel.checkpoint import card as card_room
from orchestrator.kernel.checkpoint.card import Ancestor, CheckpointCard, card_fault, name_fault, read_card
from orchestrator.kernel.checkpoint.card_shape import CARD
from orchestrator.kernel.reading.json_text import Unreadable, read_json
from orchestrator.kernel.reading.shapes import require
from orchestrator.kernel.wire import FileEntry
from tests.unit.kernel.makers import SCENARIO, make_ticket, save

STEM = f"{SCENARIO}_checkpoint_10_steps"
PARENT = Ancestor(steps=5, digest="b" * 64)


def card(**change: Any) -> CheckpointCard:
    whole = CheckpointCard(
        stem=STEM,
        scenario=SCENARIO,
        steps=10,
        files=tuple(FileEntry(path=STEM + end, size_bytes=1, sha256="a" * 64) for end in (".zip", ".state.npz")),
        identity={"algorithm": "DQN"},
        stamp=make_ticket().stamp(),
        saved_at="",
    )
    return replace(whole, **change)


ADOPTED = {"file": "mine.zip", "origin": "x", "sha256": "a" * 64, "steps": 3, "algorithm": None}
PROOF = {"grade": "exact", "cuts": 3, "steps": 10, "digest": "a" * 64}


def test_the_digest_depends_on_files_steps_lineage_parent_grades_and_origin() -> None:
    cards = [
        card(),
        card(steps=20),
        card(files=card().files[:1]),
        card(stamp={**card().stamp, "lineage_id": "other"}),
        card(ancestry=(PARENT,)),
        card(ancestry=(replace(PARENT, digest="c" * 64),)),
        card(ancestry=(replace(PARENT, continued="statistical"),)),
        card(ancestry=(replace(PARENT, continued="statistical"), PARENT)),
        card(adopted=ADOPTED),
        card(adopted={**ADOPTED, "steps": 4}),
    ]
    assert len({one.digest for one in cards}) == len(cards)
    same = [card(saved_at="later"), card(identity={}), card(proof=PROOF)]
    assert {one.digest for one in same} == {card().digest}
    earlier = Ancestor(steps=1, digest="d" * 64)
    assert card(ancestry=(earlier, PARENT)).digest == card(ancestry=(PARENT,)).digest, "the parent stands for all"


def test_a_card_knows_its_parts() -> None:
    assert card().has_state and not card(files=card().files[:1]).has_state
    statistics = FileEntry(path=f"{STEM}.vecnormalize.json", size_bytes=1, sha256="c" * 64)
    assert not card().has_normalization
    assert not card(files=(replace(statistics, path=f"other{statistics.path}"),)).has_normalization
    model, state = card().files
    swapped = card(files=(replace(state, sha256="b" * 64), model))
    assert (swapped.sha256_of(".zip"), swapped.sha256_of(".state.npz")) == ("a" * 64, "b" * 64)
    with pytest.raises(ValueError, match="does not list"):
        card().sha256_of(".npz")
    assert (card().lineage_id, card().name) == ("c" * 64, f"{STEM}.json")


def test_an_adopted_model_is_weights_only_until_the_end_of_its_lineage() -> None:
    own, trained = card(adopted=ADOPTED), card(adopted=ADOPTED, ancestry=(PARENT,))
    assert own.is_adopted_model and not trained.is_adopted_model and not card().is_adopted_model
    assert (
        own.lowest_grade == trained.lowest_grade == "weights-only" and card(ancestry=(PARENT,)).lowest_grade == "exact"
    )


@pytest.mark.parametrize("change", [{}, {"proof": PROOF}, {"adopted": ADOPTED}, {"ancestry": (PARENT,)}])
def test_a_card_is_read_as_it_was_written(change: dict[str, Any]) -> None:
    plain = card(**change).to_json()
    assert CheckpointCard.from_json(json.loads(json.dumps(plain))) == card(**change)
    assert {name for name in ("proof", "adopted") if name in plain} == change.keys() & {"proof", "adopted"}


def test_a_card_whose_stem_states_other_steps_is_refused_and_one_of_another_form_is_not() -> None:
    lying = card(steps=99)
    with pytest.raises(ValueError, match="states 99 steps"):
        CheckpointCard.from_json(lying.to_json())
    assert CheckpointCard.from_json(card(stem="best_model", steps=99).to_json()).steps == 99


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_a_card_of_another_version_is_refused(version: object) -> None:
    with pytest.raises(ValueError, match="this code reads 1"):
        CheckpointCard.from_json({**card().to_json(), "card_version": version})


@pytest.mark.parametrize(
    "change", [{"more": 1}, {"stem": ...}, {"files": [{"path": "x"}]}, {"ancestry": [{"steps": 1}]}]
)
def test_a_card_with_missing_or_unknown_keys_is_refused(change: dict[str, Any]) -> None:
    plain = {name: value for name, value in {**card().to_json(), **change}.items() if value is not ...}
    with pytest.raises(ValueError, match="checkpoint card cannot be read: "):
        CheckpointCard.from_json(plain)


def test_the_card_of_another_file_and_a_linked_card_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    saved = save(tmp_path, 10)
    assert read_card(folder / saved.name) == saved
    (folder / "other.json").write_bytes((folder / saved.name).read_bytes())
    with pytest.raises(ValueError, match="is the card of"):
        read_card(folder / "other.json")
    linked = tmp_path / saved.name
    linked.symlink_to(folder / saved.name)
    with pytest.raises(ValueError, match="symbolic link"):
        read_card(linked)


def test_files_beside_a_card_must_be_its_own_and_no_links(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    saved = save(tmp_path, 10)
    assert card_fault(saved, folder) is None
    assert "does not list its model" in str(card_fault(replace(saved, files=saved.files[1:]), folder))
    foreign = replace(saved, files=(*saved.files, FileEntry(path="other.zip", size_bytes=1, sha256="a" * 64)))
    assert "is not a file of" in str(card_fault(foreign, folder))
    state = folder / f"{saved.stem}.state.npz"
    state.rename(tmp_path / "aside")
    assert "is missing" in str(card_fault(saved, folder))
    state.symlink_to(tmp_path / "aside")
    assert "symbolic link" in str(card_fault(saved, folder))


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save(tmp_path, 10)

    def refuse(entries: object, folder: Path) -> str:
        raise PermissionError(13, "Permission denied", str(folder / "x.zip"))

    monkeypatch.setattr(card_room, "first_fault", refuse)
    assert card_fault(saved, tmp_path / "checkpoints") == "x.zip cannot be read: Permission denied"


BOUNDS: list[tuple[str, object, bool]] = [
    ("steps", 0, True),
    ("steps", -1, False),
    ("steps", 2**53, True),
    ("steps", 2**53 + 1, False),
    ("steps", True, False),
    ("steps", 1.0, False),
    ("stem", 5, False),
    ("files", {}, False),
    ("identity", [], False),
    ("digest", "a" * 64, True),
    ("digest", "a" * 63, False),
    ("digest", "a" * 65, False),
    ("digest", "A" * 64, False),
    ("digest", "g" * 64, False),
    ("digest", 5, False),
    ("proof", None, False),
    ("files", [5], False),
    ("files", [{"path": 5}], False),
    ("files", [{"size_bytes": -1}], False),
    ("files", [{"sha256": "x"}], False),
    ("files", [{"sha256": "a" * 64}, {"sha256": None}], False),
    ("ancestry", [5], False),
    ("ancestry", [{"steps": 1, "digest": "a" * 64, "continued": "exact"}], True),
    ("ancestry", [{"steps": "1"}], False),
    ("ancestry", [{"digest": "1"}], False),
    ("ancestry", [{"continued": 1}], False),
    ("stamp", {"lineage_id": "x", "session": 1_000_000}, True),
    ("stamp", {"lineage_id": "x", "session": 1_000_001}, False),
    ("stamp", {"lineage_id": "x", "session": 1, "attempt": -1}, False),
    ("stamp", {"lineage_id": "x"}, False),
    ("stamp", {"session": 1}, False),
    ("stamp", {"lineage_id": 1, "session": 1}, False),
    ("identity", {"seed": None}, True),
    ("identity", {"seed": 3}, True),
    ("identity", {"seed": -3}, True),
    ("identity", {"seed": True}, False),
    ("identity", {"seed": "3"}, False),
    ("identity", {"algorithm": None}, True),
    ("identity", {"algorithm": 1}, False),
    ("identity", {"lost_state": ["the wind"]}, True),
    ("identity", {"lost_state": [1]}, False),
    ("identity", {"lost_state": "the wind"}, False),
    ("identity", {"x": float("nan")}, False),
    ("identity", {"x": [{"y": float("inf")}]}, False),
    ("proof", PROOF, True),
    ("proof", {**PROOF, "cuts": -1}, False),
    ("proof", {"grade": "exact", "cuts": 1, "steps": 1}, False),
    ("adopted", ADOPTED, True),
    ("adopted", {**ADOPTED, "algorithm": "DQN"}, True),
    ("adopted", {**ADOPTED, "steps": None}, False),
]


@pytest.mark.parametrize(("key", "value", "fits"), BOUNDS)
def test_each_value_of_a_card_has_its_type_and_range(key: str, value: object, fits: bool) -> None:
    text = json.dumps({**card().to_json(), key: value})
    if fits:
        require(CARD, read_json(text), "the card")
    else:
        with pytest.raises(
            Unreadable, match=r"the card cannot be read: |the text cannot be read: NaN|Infinity"
        ) as fault:
            require(CARD, read_json(text), "the card")
        assert not fault.value.key or fault.value.key.startswith(key)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (STEM, None),
        (f"{STEM}.zip", None),
        (STEM + "x" * (255 - len(STEM)), None),
        (STEM + "x" * (256 - len(STEM)), "too long"),
        (STEM + "\u00e9" * ((256 - len(STEM)) // 2 + 1), "too long"),
        ("other.zip", "is not a file of"),
        ("", "is not a plain file name"),
        (".", "is not a plain file name"),
        ("..", "is not a plain file name"),
        (f"{STEM}/x", "is not a plain file name"),
        (f"{STEM}\\x", "is not a plain file name"),
        (f"{STEM}\n", "is not a plain file name"),
    ],
)
def test_a_checkpoint_file_has_a_plain_short_name_that_starts_with_the_stem(name: str, fault: str | None) -> None:
    found = name_fault(name, STEM)
    assert (found is None) if fault is None else fault in str(found)


def test_a_fault_of_a_name_shows_the_beginning_of_a_long_one() -> None:
    assert name_fault("/" * 100, STEM) == f"'{'/' * 80}' is not a plain file name"
    assert name_fault("x" * 300, STEM) == f"the file name '{'x' * 40}'... is too long"


@pytest.mark.parametrize("block", ["stamp", "identity", "proof", "adopted"])
def test_a_block_of_a_card_may_have_keys_of_a_later_version(block: str) -> None:
    plain = card(proof=PROOF, adopted=ADOPTED).to_json()
    require(CARD, {**plain, block: {**plain[block], "later": 1}}, "the card")


@pytest.mark.parametrize(("count", "fits"), [(0, False), (1, True), (2, True)])
def test_a_card_lists_at_least_one_file(count: int, fits: bool) -> None:
    plain = card().to_json()
    assert _fits({**plain, "files": plain["files"][:count]}) is fits


@pytest.mark.parametrize(("length", "fits"), [(4096, True), (4097, False)])
def test_a_word_of_a_card_has_a_longest_length(length: int, fits: bool) -> None:
    assert _fits({**card().to_json(), "saved_at": "x" * length}) is fits


def _fits(plain: dict[str, Any]) -> bool:
    try:
        require(CARD, plain, "the card")
    except Unreadable:
        return False
    return True
