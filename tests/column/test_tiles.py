"""Large batches: tile by tile on all cores, to the numbers of one column after the other."""

import os

import diffrax
import jax
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import FixedStepHeun, StrangSplitting

COLUMNS = 515  # three tiles of 172, of which the last two have a column in common
C, P = np.linspace(68.0, 270.0, COLUMNS), np.linspace(120.0, 320.0, COLUMNS)
Y0 = np.stack([np.linspace(0.0, 0.1, COLUMNS), *[np.linspace(0.0, 20.0, COLUMNS)] * 5], axis=-1)
KEY = jax.random.key(5)
SETTINGS = {"t1": 0.05, "dt": 1e-3, "key": KEY, "solver": StrangSplitting()}


def columns(input=None):
    column = jrae.Column.preset("jansen_rit_1995", input or jrae.WhiteNoiseInput(220.0, 6.0))
    return column.replace(C=C)


def close(found, wanted, tolerance):
    scale = np.abs(wanted).max(axis=(0, 1))
    return np.max(np.abs(found - wanted) / scale) < tolerance


@pytest.mark.parametrize(
    "input",
    [
        lambda: jrae.WhiteNoiseInput(220.0, 6.0),
        lambda: jrae.OrnsteinUhlenbeckInput(P, np.full(COLUMNS, 50.0), np.full(COLUMNS, 0.01), hold=2e-3),
    ],
    ids=["white", "OU"],
)
def test_a_large_batch_is_what_diffrax_makes_of_it(x64, input):
    own = {**SETTINGS, "y0": Y0, "t0": 0.01, "burn_in": 4e-3, "saveat": diffrax.SaveAt(steps=2)}
    found = jrae.simulate(columns(input()), **own)
    wanted = jrae.simulate(columns(input()), adjoint=diffrax.ForwardMode(), **own)
    assert found.ys.dtype == np.float64
    assert found.ys.shape == wanted.ys.shape == (COLUMNS, 18, 6)
    assert close(np.asarray(found.ys), np.asarray(wanted.ys), 1e-9)
    np.testing.assert_array_equal(found.ts, wanted.ts)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not say which cores a process has")
def test_its_bits_do_not_depend_on_how_many_cores_there_are():
    all_cores = np.asarray(jrae.simulate(columns(), **SETTINGS).ys)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        one_core = np.asarray(jrae.simulate(columns(), **SETTINGS).ys)
    finally:
        os.sched_setaffinity(0, before)
    np.testing.assert_array_equal(all_cores, one_core)


@pytest.mark.parametrize("failing", [0, 343, 514])
def test_a_column_that_fails_does_so_alone_and_under_its_number(failing):
    start = np.zeros((COLUMNS, 6))
    start[failing, 4] = np.float32(3e38)
    own = {**SETTINGS, "solver": FixedStepHeun(), "y0": start}
    found = jrae.simulate(columns(), throw=False, **own)
    failed = np.asarray(found.result != diffrax.RESULTS.successful)
    np.testing.assert_array_equal(np.flatnonzero(failed), [failing])
    assert np.all(np.isfinite(np.delete(np.asarray(found.ys), failing, axis=0)))
    with pytest.raises(RuntimeError, match=f"1 of {COLUMNS} trajectories failed, the first is {failing} "):
        jrae.simulate(columns(), **own)


def test_it_can_be_used_in_another_program_as_any_other_result():
    found = jrae.simulate(columns(), **SETTINGS)
    doubled = jax.jit(lambda trajectories: 2 * trajectories.ys)(found)
    np.testing.assert_array_equal(doubled, 2 * np.asarray(found.ys))
    assert found[3].ys.shape == (50, 6)
