"""The shape of a checkpoint card.

People can edit the folder that holds the cards. So a reader returns a card or raises `Unreadable`; it never crashes.
"""

from __future__ import annotations

from orchestrator.kernel.checkpoint.resume_grade import GRADES
from orchestrator.kernel.reading.shapes import (
    COUNT,
    DIGEST,
    FILE_ENTRY,
    TEXTS,
    fields,
    items,
    leaf,
    mapping,
    one_of,
    optional,
    text,
    whole,
)

MAX_NAME_BYTES = 255
"""The longest file name that common file systems accept."""
_SESSION = whole(most=1_000_000)
_WORD = text(4096)
_SEED = leaf("a whole number or null", lambda one: one is None or (isinstance(one, int) and not isinstance(one, bool)))

_ANCESTOR = fields({"steps": COUNT, "digest": DIGEST}, {"continued": one_of(GRADES)})
_STAMP = fields(
    {"lineage_id": _WORD, "session": _SESSION},
    {
        "attempt": _SESSION,
        **dict.fromkeys(("run_id", "nonce", "section", "spec_digest", "bundle_digest"), _WORD),
    },
    others=True,
)
_IDENTITY = fields(
    {},
    {
        **dict.fromkeys(("section", "algorithm", "code_digest", "device_class"), optional(_WORD)),
        "seed": _SEED,
        "lost_state": TEXTS,
        "versions": mapping(_WORD),
    },
    others=True,
)
_PROOF = fields({"grade": one_of(GRADES), "cuts": COUNT, "steps": COUNT, "digest": DIGEST}, others=True)
_ADOPTED = fields(
    {"file": _WORD, "origin": _WORD, "sha256": DIGEST, "steps": COUNT, "algorithm": optional(_WORD)}, others=True
)

CARD = fields(
    {
        "card_version": COUNT,
        "stem": text(MAX_NAME_BYTES),
        "scenario": text(MAX_NAME_BYTES),
        "steps": COUNT,
        "files": items(FILE_ENTRY, least=1),
        "identity": _IDENTITY,
        "stamp": _STAMP,
        "saved_at": _WORD,
        "ancestry": items(_ANCESTOR),
        "digest": DIGEST,
    },
    {"proof": _PROOF, "adopted": _ADOPTED},
)
