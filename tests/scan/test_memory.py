"""Scans when memory runs out: fewer columns at a time."""

import jax
import numpy as np
import pytest

import jrae_jax.scan.engine as columns_module
import jrae_jax.scan.parameter_scan as scans
import jrae_jax.scan.store as stores
from jrae_jax import JansenRitParameters, Moments, WhiteNoiseInput, parameter_scan


def scan(C):
    """A twentieth of a second of each column."""
    settings = {"t1": 0.05, "dt": 1e-3, "summaries": (Moments(),), "key": jax.random.key(0)}
    return parameter_scan(JansenRitParameters(), WhiteNoiseInput(220.0, 6.0), {"C": C}, **settings)


@pytest.fixture
def little_memory(monkeypatch):
    """Room for so many columns at a time, on two devices with tiles of 8; which sizes were tried."""
    monkeypatch.setattr(columns_module, "_CPU_TILE", 8)

    def limit(most, message="RESOURCE_EXHAUSTED: Out of memory allocating 17179869184 bytes."):
        tried = []

        def limited(columns, *_):
            size = columns.trajectory.size
            tried.append(size)
            if size > most:
                raise jax.errors.JaxRuntimeError(message)
            told = dict.fromkeys(("eeg_mean", "eeg_sd", "eeg_min", "eeg_max"), columns.parameters.C)
            return {"failed": np.zeros(size, bool), "failure_time": columns.trajectory.astype(np.float32), **told}

        monkeypatch.setattr(scans, "summarise", limited)
        return tried

    return limit


@pytest.mark.parametrize(("room", "sizes"), [(1000, [112]), (64, [112, 64, 64]), (33, [112, 64, 32, 32, 32, 32])])
def test_fewer_columns_at_a_time_when_memory_runs_out(little_memory, room, sizes):
    tried = little_memory(room)
    found = scan(np.linspace(60, 200, 100))
    assert tried == sizes
    np.testing.assert_array_equal(found.eeg_mean, np.linspace(60, 200, 100).astype(np.float32))
    np.testing.assert_array_equal(found.failure_time, np.arange(100))


def test_less_memory_is_remembered_from_chunk_to_chunk(little_memory, monkeypatch):
    monkeypatch.setattr(stores, "_CHUNK_WORK", 1.0)
    monkeypatch.setattr(stores, "_SMALLEST_CHUNK", 50)
    tried = little_memory(32)
    np.testing.assert_array_equal(scan(np.linspace(60, 200, 100)).failure_time, np.arange(100))
    assert tried == [64, 32, 32, 32, 32]


def test_memory_that_is_too_little_for_the_least(little_memory):
    tried = little_memory(0)
    with pytest.raises(MemoryError, match="`parameter_scan`: 16 columns at a time are too many for the memory there"):
        scan(np.linspace(60, 200, 100))
    assert tried == [112, 64, 32, 16]


def test_what_has_nothing_to_do_with_memory_passes_through(little_memory):
    tried = little_memory(0, "INTERNAL: something else")
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL: something else"):
        scan(np.array([60.0, 110.0, 135.0, 200.0]))
    assert len(tried) == 1
