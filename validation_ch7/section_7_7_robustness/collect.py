"""Collects the trained policies of section 7.6 for this section.

    python -m validation_ch7.section_7_7_robustness.collect [FOLDER ...]

Copies the policy of each best model below the folders (default: section 7.6 with all its trials) into `policies/`,
which then holds exactly these. What travels to a session is the folder `policies/`: models directories never do.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.kernel.checkpoint.card import CheckpointCard, card_fault, read_card
from orchestrator.kernel.files.atomic import write_bytes, write_json
from orchestrator.kernel.reading.archive import MOST_UNPACKED, open_archive
from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.wire import BEST_MODEL_CARD, MODEL_SUFFIX, NORMALIZATION_SUFFIX

SECTION_7_6 = Path(__file__).parents[1] / "section_7_6_rl_performance"
POLICIES = Path(__file__).parent / "policies"
WEIGHTS_NAME, ABOUT_NAME, STATISTICS_NAME = "policy.zip", "policy.json", "policy.vecnormalize.json"
_WEIGHTS = "policy.pth"
_DIGITS = 12
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def collect(sources: Sequence[Path], target: Path = POLICIES) -> list[str]:
    """Replace the collected policies by those found below these folders.

    Returns:
        One line about each policy, in the order of their digests.

    Raises:
        ValueError: There is no best model, or one is damaged; `target` is unchanged.
        OSError: A file cannot be read or written.
    """
    found = {str(card.identity["policy_digest"]): (card, folder) for card, folder in _best_models(sources)}
    if not found:
        raise ValueError(
            f"there is no trained policy below {', '.join(map(str, sources))}\n"
            "Train one: `python -m orchestrator run section_7_6`"
        )
    files = {digest: _files_of(card, folder) for digest, (card, folder) in found.items()}
    for old in target.iterdir() if target.is_dir() else ():
        if (old / ABOUT_NAME).is_file():
            shutil.rmtree(old)
    lines = []
    for digest, (card, _) in sorted(found.items()):
        folder = target / digest[:_DIGITS]
        folder.mkdir(parents=True)
        for name, content in files[digest].items():
            write_bytes(folder / name, content)
        about = {"policy_digest": digest, "steps": card.steps, "identity": dict(card.identity)}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files[digest].items()}
        write_json(folder / ABOUT_NAME, {**about, "sha256": digests})
        lines.append(
            f"{digest[:_DIGITS]}  {card.identity['algorithm']} seed {card.identity['seed']}, {card.steps} steps"
        )
    return lines


def _best_models(sources: Sequence[Path]) -> Iterator[tuple[CheckpointCard, Path]]:
    """The card and the folder of each best model, verified."""
    for source in sources:
        for path in sorted(source.rglob(BEST_MODEL_CARD.as_posix())):
            card = read_card(path)
            if fault := card_fault(card, path.parent):
                raise ValueError(f"{path.parent} is damaged: {fault}")
            yield card, path.parent


def _files_of(card: CheckpointCard, folder: Path) -> dict[str, bytes]:
    """The weights of a policy without its optimizer, and its statistics if it has some; equal policies, equal bytes."""
    try:
        with open_archive(folder / (card.stem + MODEL_SUFFIX), card.stem, MOST_UNPACKED) as archive:
            weights = archive.read(_WEIGHTS)
    except (Unreadable, KeyError) as fault:
        raise ValueError(f"{folder} holds no policy: {fault}") from fault
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as small:
        small.writestr(zipfile.ZipInfo(_WEIGHTS, date_time=_FIXED_TIME), weights, zipfile.ZIP_DEFLATED)
    statistics = folder / (card.stem + NORMALIZATION_SUFFIX)
    return {WEIGHTS_NAME: packed.getvalue()} | (
        {STATISTICS_NAME: statistics.read_bytes()} if statistics.is_file() else {}
    )


def main(arguments: Sequence[str]) -> int:
    """The command; 2 if there is nothing to collect."""
    try:
        lines = collect([Path(one) for one in arguments] or [SECTION_7_6])
    except (ValueError, OSError) as fault:
        print(f"Nothing was collected: {fault}", file=sys.stderr)
        return 2
    print(f"{len(lines)} trained {'policy' if len(lines) == 1 else 'policies'} in {POLICIES}:")
    print("\n".join(f"  {line}" for line in lines))
    print("Evaluate them: `python -m orchestrator run section_7_7`")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
