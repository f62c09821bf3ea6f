"""What people write or keep: section cards, campaigns, files of RL Zoo, credentials, proofs, and the ledger."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from orchestrator.backends.kaggle.client.credentials import candidates
from orchestrator.core.campaign.expansion import expand
from orchestrator.core.errors import BadInput, OrchestratorError
from orchestrator.kernel.reading.shapes import objects_in
from orchestrator.kernel.training.proof import RECORD, proof_of_script
from orchestrator.stores.campaign.campaign_yaml import card_reader, parse_campaign
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.secrets.in_use import secrets_in_use
from orchestrator.stores.section.card_yaml import parse_card
from orchestrator.stores.yaml.text_files import read_text
from orchestrator.stores.zoo.hyperparameter_file import choose_entry, read_zoo_file
from tests.conftest import PROJECT_ROOT
from tests.fuzz.kind import Kind, require_plain, write
from tests.fuzz.of_checkpoints import SHA
from tests.fuzz.of_sessions import TICKET

_CARDS = PROJECT_ROOT / "configs/sections"


def _read_card(content: bytes, scratch: Path) -> bool:
    path = write(scratch, "section_7_6.yaml", content)
    try:
        card = parse_card(read_text(path), path.name)
        require_plain(card.lineage.to_json())
    except BadInput as fault:
        require_plain(str(fault))
        return False
    return True


def _read_campaign(content: bytes, scratch: Path) -> bool:
    path = write(scratch, "smoke.yaml", content)
    try:
        campaign = parse_campaign(read_text(path), path.name)
        for trial in expand(campaign, card_reader(_CARDS)):
            require_plain(trial.label)
    except BadInput as fault:
        require_plain(str(fault))
        return False
    return True


def _read_zoo(content: bytes, scratch: Path) -> bool:
    try:
        choose_entry(read_zoo_file(write(scratch, "ppo.yml", content), None), "CartPole-v1", exists=True)
    except BadInput as fault:
        require_plain(str(fault))
        return False
    return True


def _read_credentials(content: bytes, scratch: Path) -> bool:
    for name in ("kaggle.json", "credentials.json", "access_token"):
        write(scratch / ".kaggle", name, content)
    require_plain([str(one) for one in secrets_in_use({}, scratch)])
    try:
        return bool(candidates({}, scratch))
    except OrchestratorError as fault:
        require_plain(str(fault))
        return False


_RUN = {
    **{"run_id": "run", "section": "section_7_6", "lineage_id": "c" * 64, "profile": "quick", "backend": "local"},
    **{
        "steps_start": 0,
        "steps_done": 20,
        "started_at": "2026-01-01T00:00:00+00:00",
        "target_steps": 40,
        "sessions": 1,
    },
    **{"end_reason": "paused", "walks": [[20, "run/s01a1"]], "wall_s": 5.0, "fresh": False},
}
_SESSION = {
    **{"key": "run/s01a1", "run_id": "run", "lineage_id": "c" * 64, "session": 1, "attempt": 1, "slug": "slug"},
    **{"backend": "local", "nonce": "n", "stage": "closed", "planned_at": "2026-01-01T00:00:00+00:00", "exit_code": 0},
    **{
        "end_reason": "finished",
        "verdict": "supported",
        "problems": ["a"],
        "curve": [[10, 1.5]],
        "numbers": {"a": 1.0},
    },
    **{"doubts": {"files": {"since": "2026-01-01T00:00:00+00:00", "waits": 1}}, "machine": {"accelerator": None}},
}
_EVENT = {"ticket": TICKET.to_json(), "slug": "slug"}
_ROWS = (
    ("runs", "INSERT INTO runs VALUES ('run', '2026', ?)", _RUN),
    ("sessions", f"INSERT INTO sessions VALUES ('run/s01a1', '{'c' * 64}', '2026', 'closed', ?, 1)", _SESSION),
    ("events", "INSERT INTO events VALUES (1, '2026', 'session_planned', 'run', 'run/s01a1', ?)", _EVENT),
)


def _read_ledger(content: bytes, scratch: Path) -> bool:
    text = content.decode("utf-8", "replace")
    return any([_uses_row(odd, text, scratch / f"{odd}.sqlite") for odd, _, _ in _ROWS])


def _uses_row(odd: str, text: str, path: Path) -> bool:
    SqliteLedger(path).close()
    with sqlite3.connect(path) as connection:
        for table, statement, plain in _ROWS:
            try:
                connection.execute(statement, (text if table == odd else json.dumps(plain),))
            except sqlite3.OperationalError:  # the index reads JSON: malformed JSON cannot even be stored
                return False
    connection.close()
    try:
        ledger = SqliteLedger(path)
    except OrchestratorError as fault:
        require_plain(str(fault))
        return False
    try:
        for record in (*ledger.runs(), *ledger.sessions(), *ledger.open_sessions()):
            require_plain(repr(record))
        for session in ledger.sessions():
            require_plain([session.began_at, session.input_steps, session.target_steps, session.kind])
        ledger.events()
    except OrchestratorError as fault:
        require_plain(str(fault))
        return False
    finally:
        ledger.close()
    return True


_PROOF = {
    **{"format": 1, "name": "train", "script": "/x/train.py", "grade": "exact", "steps": 40, "cuts": [10, 20]},
    **{"killed": True, "proved_at": "2026-01-01T00:00:00+00:00", "digest": SHA, "files": {"train.py": SHA}},
    "conditions": {"settings": {}, "versions": {"torch": "2.6"}, "device": "cpu", "arguments": []},
}


def _read_proof(content: bytes, scratch: Path) -> bool:
    write(scratch, "train-abc.json", content)
    said: list[str] = []
    proof_of_script(scratch, scratch / "train.py", said.append, {"device": "cpu"})
    found = list(objects_in(scratch, "train-*.json", RECORD))
    require_plain([found, said])
    return bool(found)


def _yaml(path: str) -> bytes:
    return (PROJECT_ROOT / path).read_bytes()


_ZOO = b"CartPole-v1:\n  n_envs: 8\n  n_timesteps: !!float 1e5\n  policy: 'MlpPolicy'\n  learning_rate: lin_0.001\n"

KINDS = (
    Kind(name="section card", seeds=(_yaml("configs/sections/section_7_6.yaml"),), read=_read_card),
    Kind(
        name="campaign",
        seeds=(_yaml("configs/campaigns/smoke.yaml"), _yaml("configs/campaigns/search_7_6.yaml")),
        read=_read_campaign,
    ),
    Kind(name="RL Zoo file", seeds=(_ZOO,), read=_read_zoo),
    Kind(
        name="credentials",
        seeds=(b'{"username": "ana", "key": "0123456789abcdef0123456789abcdef", "refresh_token": "abcdefgh"}',),
        read=_read_credentials,
    ),
    Kind(name="ledger", seeds=tuple(json.dumps(plain).encode() for _, _, plain in _ROWS), read=_read_ledger),
    Kind(name="proof record", seeds=(json.dumps(_PROOF).encode(),), read=_read_proof),
)
