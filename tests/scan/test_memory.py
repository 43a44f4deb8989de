"""Scans when memory runs out: fewer columns at a time."""

import importlib

import jax
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import StrangSplitting
from jrae_jax.scan.axes import Grid
from jrae_jax.scan.engine import ScanPlan, ScanPoints
from jrae_jax.scan.pieces import PieceSimulator

C = np.linspace(60, 200, 100)
PLAN = ScanPlan(StrangSplitting(), (jrae.scan.Moments(),), 1e-3, 50, 0, tile=8)


@pytest.fixture
def little_memory(monkeypatch):
    """A simulator with memory for so many columns at a time on each of two devices, in tiles of 8; what it tried."""

    def limit(most, message="RESOURCE_EXHAUSTED: Out of memory allocating 17179869184 bytes."):
        tried = []

        def limited(points, *_):
            size = points.trajectory.size
            tried.append(size)
            if size > most:
                raise jax.errors.JaxRuntimeError(message)
            return {"C": points.column.value("C"), "number": points.trajectory.astype(np.float32)}

        monkeypatch.setattr(importlib.import_module("jrae_jax.scan.pieces"), "summarise", limited)
        column = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))
        simulator = PieceSimulator(Grid(ScanPoints(column), {"C": C}), PLAN, jax.random.key(0), 100)

        def simulated(numbers):
            found = {name: np.zeros(len(numbers), np.float32) for name in ("C", "number")}
            simulator(numbers, found | {"failed": np.zeros(len(numbers), bool)})
            return found

        return simulated, tried

    return limit


NUMBERS = np.arange(100, dtype=np.uint32)


@pytest.mark.parametrize(("most", "sizes"), [(1000, [56]), (55, [56, 32]), (31, [56, 32, 16])])
def test_fewer_columns_at_a_time_when_memory_runs_out(little_memory, most, sizes):
    simulator, tried = little_memory(most)
    found = simulator(NUMBERS)
    assert list(dict.fromkeys(tried)) == sizes
    np.testing.assert_array_equal(found["C"], C.astype(np.float32))
    np.testing.assert_array_equal(found["number"], np.arange(100))


def test_less_memory_is_remembered_from_chunk_to_chunk(little_memory):
    simulator, tried = little_memory(32)
    for chunk in (NUMBERS[:50], NUMBERS[50:]):
        np.testing.assert_array_equal(simulator(chunk)["number"], chunk)
    assert tried == [56] + [32] * 4


def test_memory_that_is_too_little_for_the_least(little_memory):
    simulator, tried = little_memory(0)
    with pytest.raises(MemoryError, match="`parameter_scan`: 8 columns at a time are too many for the memory there"):
        simulator(NUMBERS)
    assert list(dict.fromkeys(tried)) == [56, 32, 16, 8]


def test_what_has_nothing_to_do_with_memory_passes_through(little_memory):
    simulator, tried = little_memory(0, "INTERNAL: something else")
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL: something else"):
        simulator(NUMBERS)
    assert set(tried) == {56}
