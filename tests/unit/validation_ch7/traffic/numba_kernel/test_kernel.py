"""The compiled kernel equals the plain formulas bit for bit, for all blocks, threads and cuts."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_crossing import PlainCrossing

from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.batching import WIDEST, Blocks
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios
from validation_ch7.traffic.numba_kernel import advance as advancing
from validation_ch7.traffic.numba_kernel import boundaries, cells, signals
from validation_ch7.traffic.numba_kernel import measures as measuring
from validation_ch7.traffic.parameters import TrafficParameters

SETTINGS = EnvironmentSettings(episode_s=1200.0)


@pytest.mark.parametrize(("batch", "n_cells"), [(1, 30), (64, 30), (70, 30), *((3, cells) for cells in range(1, 9))])
def test_the_kernel_equals_the_plain_scheme_bit_for_bit(batch: int, n_cells: int) -> None:
    parameters = TrafficParameters(link_length_m=10.0 * n_cells)
    compiled, plain = Intersection(parameters, batch, widest_block=16), PlainCrossing(parameters, batch)
    generator = np.random.default_rng(batch)
    for _ in range(30):
        gate = generator.integers(0, 2, 4 * batch).astype(np.float64)
        inflow = generator.uniform(0.0, 0.5, 4 * batch)
        w_in = parameters.vf_m_s * generator.uniform(0.8, 1.0, 4 * batch)
        for _ in range(20):
            compiled.advance(gate, inflow, w_in)
            plain.advance(gate, inflow, w_in)
    assert plain.queue_veh.max() > 1.0 and plain.served_sum.min() > 0.0
    for name, values in compiled.get_state().items():
        assert np.array_equal(np.asarray(values), getattr(plain, name)), name


def final_state(indices: range, *, widest: int, threads: int, cuts: list[int]) -> dict[str, bytes]:
    """State of a simulation after 240 steps under varying requests, advanced in pieces that end at the cuts."""
    addresses = [ScenarioAddress(split=Split.TRAINING, index=index) for index in indices]
    scenarios = draw_scenarios(addresses, episode_s=SETTINGS.episode_s, vf_m_s=SETTINGS.traffic.vf_m_s)
    with ThreadPoolExecutor(threads) as pool:
        crossing = CrossingSimulation(SETTINGS, scenarios, widest_block=widest, pool=pool if threads > 1 else None)
        for decision in range(12):
            crossing.request(np.array([(index + decision // (1 + index % 3)) % 2 for index in indices]))
            ends = sorted({cut for cut in cuts if 0 < cut < 20} | {0, 20})
            for begin, end in itertools.pairwise(ends):
                crossing.advance(end - begin)
    state = {**crossing.traffic.get_state(), **crossing.signal.get_state()}
    return {name: np.asarray(values).tobytes() for name, values in state.items()}


@settings(max_examples=25, deadline=None)
@given(widest=st.integers(1, 16), threads=st.integers(1, 3), cuts=st.lists(st.integers(1, 19), max_size=3))
def test_blocks_threads_and_cuts_do_not_change_the_state(widest: int, threads: int, cuts: list[int]) -> None:
    straight = final_state(range(11), widest=WIDEST, threads=1, cuts=[])
    assert final_state(range(11), widest=widest, threads=threads, cuts=cuts) == straight


@given(batch=st.integers(1, 40), widest=st.integers(1, 17), links=st.integers(1, 8), cells=st.integers(1, 5))
def test_values_scattered_into_blocks_are_gathered_unchanged(batch: int, widest: int, links: int, cells: int) -> None:
    blocks = Blocks(batch, widest)
    values = np.arange(float(links * batch * cells)).reshape(links * batch, cells)
    assert blocks.width <= widest and 0 <= blocks.number * blocks.width - batch < blocks.number
    assert (blocks.gather(blocks.scatter(values)) == values).all()
    assert (blocks.gather(blocks.scatter(values[:, 0])) == values[:, 0]).all()
    assert blocks.scatter(values).shape == blocks.zeros(links, cells).shape


def test_no_reassociation_is_allowed() -> None:
    functions = {
        name: function
        for module in (advancing, boundaries, cells, measuring, signals)
        for name, function in vars(module).items()
        if hasattr(function, "targetoptions")
    }
    assert len(functions) >= 14
    for name, function in functions.items():
        options = function.targetoptions
        assert not options.get("fastmath") and options["error_model"] == "numpy", name


def test_views_of_the_state_cannot_be_written_to() -> None:
    crossing = Intersection(TrafficParameters(), 2)
    with pytest.raises(ValueError, match="read-only"):
        crossing.rho[0, 0] = 1.0
