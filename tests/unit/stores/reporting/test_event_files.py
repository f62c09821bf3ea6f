"""TensorBoard reads the event files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from orchestrator.kernel.reporting.trial_report import CurvePoint, StitchedCurve
from orchestrator.stores.reporting.event_files import _record, write_events
from tests.unit.core.reporting.test_training_report import training


def test_tensorboard_reads_scores_measures_and_sessions(tmp_path: Path) -> None:
    points = (
        CurvePoint(steps=100, score=-1.5, measures={"länge": 3.0}, session="a"),
        CurvePoint(steps=2**40, score=1e39, measures={}, session="b"),
    )
    curve = StitchedCurve(points=points, seams=(100,), wasted_steps=0, measured_twice=0, measured_otherwise=0)
    one = training(0, {})
    path = write_events(replace(one, curve=curve), tmp_path)
    events = list(EventFileLoader(str(path)).Load())
    found = [(event.step, value.tag, value.tensor.float_val[0]) for event in events for value in event.summary.value]
    assert found == [
        (100, "score", -1.5),
        (100, "länge", 3.0),
        (100, "session", 1.0),
        (2**40, "score", float("inf")),
        (2**40, "session", 2.0),
    ]


def test_a_record_has_the_checksum_of_the_format() -> None:
    # CRC-32C of "123456789" is e3069283 (RFC 3720); masked as TFRecord does it.
    masked = ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert _record(b"123456789")[-4:] == masked.to_bytes(4, "little")
