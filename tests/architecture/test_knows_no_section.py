"""`orchestrator/` serves any section: it holds no fact of the traffic that section 7.6 simulates."""

from __future__ import annotations

import re

from tests.conftest import PROJECT_ROOT

_WORDS = (
    "traffic crossing crossings crossroads junction vehicle vehicles veh lane lanes road roads car cars "
    "signalised green_s yellow_s all_red_s min_green_s max_green_s yellow_used_s start_up_lost_s decision_s episode_s "
    "dx_m dt_s free_speed free_speed_m_s arrival_bin_s link_length_m min_delay_reduction_pct "
    "webster actuated max_pressure longest_queue fixed_time constant_ns constant_ew delay_s_per_veh"
)
_TRAFFIC = re.compile(rf"(?<![A-Za-z0-9_])({'|'.join(_WORDS.split())})(?![A-Za-z0-9_])", re.IGNORECASE)
_CLASSES = re.compile(r"\b(Crossing|Criteria|Criterion)\b")


def test_no_file_of_the_orchestrator_names_traffic() -> None:
    found = {
        f"{path.relative_to(PROJECT_ROOT)}:{number}: {hit[0]}"
        for path in sorted((PROJECT_ROOT / "orchestrator").rglob("*"))
        if path.suffix in (".py", ".md", ".j2", ".yaml", ".toml")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        for hit in [*_TRAFFIC.finditer(line), *_CLASSES.finditer(line)]
    }
    assert not found
