import dataclasses
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import jrae_jax
from jrae_jax import JansenRitParameters, kalman_smoother, weak_constraint_4dvar
from jrae_jax.column.transition import Transition
from jrae_jax.estimators import four_d_var as variational
from jrae_jax.estimators.problem import known_problem, prior, sensors_of

DT = 1e-3
INPUT = jrae_jax.UniformNoiseInput(120.0, 320.0, hold=DT)
STANDARD = JansenRitParameters()
ALL_SIX = tuple(f"y{i}" for i in range(6))


def known(**changes) -> dict[str, Any]:
    return dict(mask="eeg", noise_std=1.0, parameters=STANDARD, input=INPUT, dt=DT) | changes


def columns(*values):
    return dataclasses.replace(STANDARD, C=jnp.array(values))


def of_short(recordings, **changes):
    """From three recordings of 200 samples, which share a compiled program."""
    return weak_constraint_4dvar(recordings, **known(parameters=columns(135.0, 135.0, 135.0)) | changes)


@pytest.fixture(scope="module")
def found(recorded):
    """From the EEG, 5 % sensor noise."""
    return weak_constraint_4dvar(recorded.recordings, **known(noise_std=recorded.noise_std))


@pytest.fixture(scope="module")
def inputs(recorded, held_values):
    """The true p(t), from each sample to the next; the first sample is one step after the burn-in."""
    rows, samples = recorded.states.shape[:2]
    return np.stack([held_values(INPUT, 2001 + samples, jax.random.key(2), row)[2001:] for row in range(rows)])


@pytest.fixture
def short(recorded):
    return recorded.recordings[:3, :200]


def test_exact_sensors_of_all_states_tell_the_states_and_the_input(recorded, inputs):
    exact = weak_constraint_4dvar(recorded.with_noise(0.0), **known(mask=ALL_SIX, noise_std=0.0))
    assert exact.converged.all()
    spread = recorded.states.std(axis=(0, 1))
    np.testing.assert_allclose((np.asarray(exact.states) - recorded.states) / spread, 0, atol=2e-3)
    np.testing.assert_allclose(exact.input[:, :-1], inputs[:, :-1], atol=0.1)
    np.testing.assert_array_equal(exact.input[:, -1], 220.0)
    np.testing.assert_array_equal(exact.initial_state, exact.states[:, 0])


def slow_part(values):
    """Averages over 50 ms."""
    return values[:, 500:2000].reshape(len(values), -1, 50).mean(axis=-1).ravel()


def test_the_slow_part_of_the_input_is_found_from_the_eeg(found, inputs):
    assert np.corrcoef(slow_part(np.asarray(found.input)), slow_part(inputs))[0, 1] > 0.9


@pytest.mark.parametrize("input", [INPUT, jrae_jax.WhiteNoiseInput(220.0, 3.0)])
def test_from_the_eeg_it_is_what_the_kalman_smoother_finds(recorded, input):
    pytest.importorskip("cuthbert")
    gappy = recorded.recordings
    gappy[:, 1200:1230] = np.nan
    arguments = known(noise_std=recorded.noise_std, input=input)
    smoothed, found = kalman_smoother(gappy, **arguments), weak_constraint_4dvar(gappy, **arguments)
    assert found.converged.all()
    difference = np.asarray((found.states - smoothed.mean) / smoothed.std)[:, 500:]
    assert np.sqrt(np.mean(difference**2, axis=(0, 1))).max() < 0.1
    assert np.abs(difference).max() < 1.0


def test_the_states_obey_the_equations_under_the_input(found, numpy_right_hand_side):
    y, p = np.asarray(found.states, float).transpose(2, 0, 1), np.asarray(found.input, float)
    before, p = y[..., :-1], p[..., :-1]
    k1 = numpy_right_hand_side(before, p)
    k2 = numpy_right_hand_side(before + DT / 2 * k1, p)
    k3 = numpy_right_hand_side(before + DT / 2 * k2, p)
    k4 = numpy_right_hand_side(before + DT * k3, p)
    after = before + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    largest = np.abs(y).max(axis=(1, 2))[:, None, None]
    np.testing.assert_allclose((after - y[..., 1:]) / largest, 0, atol=2e-6)


def test_the_cost_is_that_of_the_controls_and_has_no_slope_where_the_search_ends(recorded, short):
    found = of_short(short, noise_std=recorded.noise_std)
    assert found.converged.all()
    model = Transition(known_problem(short, **known()).column, DT, ())
    mean, factor = prior(model, jnp.ones(()))
    eeg, noise_std = jnp.asarray(short[0, :, 6], jnp.float32), float(recorded.noise_std[6])

    def step(y, deviation):
        y = model.step(y, deviation)
        return y, y

    @jax.jit
    def cost(start, deviations):
        first = (mean + factor @ start) * model.scale
        _, later = jax.lax.scan(step, first, deviations)
        y = jnp.concatenate([first[None], later])
        off = (y[:, 1] - y[:, 2] - eeg) / noise_std
        return (jnp.sum(off**2) + jnp.sum(start**2) + jnp.sum(deviations**2)) / 2

    start = scipy.linalg.solve_triangular(factor, found.initial_state[0] / model.scale - mean, lower=True)
    deviations = (found.input[0, :-1] - 220.0) / (200 / 12**0.5)
    value, slopes = jax.value_and_grad(cost, argnums=(0, 1))(jnp.asarray(start), deviations)
    np.testing.assert_allclose(found.cost[0], value, rtol=1e-4)
    at_first = jax.grad(cost, argnums=(0, 1))(jnp.zeros(6), jnp.zeros(199))
    for here, there in zip(slopes, at_first, strict=True):
        assert np.linalg.norm(here) < 1e-3 * np.linalg.norm(there)


def test_at_the_most_likely_path_the_cost_is_half_the_number_of_samples(recorded, found):
    np.testing.assert_array_equal(found.measured, recorded.states.shape[1])
    np.testing.assert_allclose(2 * found.cost / found.measured, 1, atol=0.1)


def test_where_only_y1_is_seen_no_phase_is_lost(recorded):
    found = weak_constraint_4dvar(recorded.recordings, **known(mask="y1", noise_std=recorded.noise_std))
    for row in range(len(recorded.states)):
        alone = dataclasses.replace(recorded, states=recorded.states[[row]])
        assert np.all(alone.r(found.states[row][None]) > [0.98, 0.99, 0.98, 0.98, 0.9, 0.98]), row


@pytest.mark.slow
@pytest.mark.parametrize(("mask", "factor"), [("y1", 1.0), ("y4", 1.0), ("y4", 0.0)])
def test_long_recordings_are_followed_where_the_smoother_loses_the_phase(long_recorded, mask, factor):
    pytest.importorskip("cuthbert")
    arguments = known(mask=mask, noise_std=factor * long_recorded.noise_std)
    recordings = long_recorded.with_noise(factor)
    found, smoothed = weak_constraint_4dvar(recordings, **arguments), kalman_smoother(recordings, **arguments)
    assert found.converged.all()
    worst = []
    for states in (found.states, smoothed.mean):
        rows = (
            dataclasses.replace(long_recorded, states=long_recorded.states[[i]]).r(states[i][None]) for i in range(16)
        )
        worst.append(np.min(list(rows), axis=0))
    assert np.all(worst[0][[0, 2, 3, 5]] > 0.95), worst
    assert np.all(worst[1][[0, 2, 3, 5]] < 0.95), worst


def test_a_row_does_not_depend_on_its_neighbours_and_may_have_its_own_parameters(recorded, short):
    values = (135.0, 120.0, 150.0)
    together = of_short(short, noise_std=recorded.noise_std, parameters=columns(*values))
    assert together.converged.all()
    for row, C in enumerate(values):
        alone = of_short(np.repeat(short[[row]], 3, axis=0), noise_std=recorded.noise_std, parameters=columns(C, C, C))
        np.testing.assert_allclose(together.states[row], alone.states[2], rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(together.input[row], alone.input[2], atol=0.1)
        np.testing.assert_allclose(together.cost[row], alone.cost[2], rtol=1e-4)
    other = of_short(short, noise_std=recorded.noise_std)
    assert np.all(np.abs(together.states - other.states)[1:, -1].max(axis=-1) > 0.1)


def test_hidden_channels_do_not_matter(recorded, short):
    changed = np.where(np.arange(7) == 6, short, np.random.default_rng(0).normal(size=short.shape))
    first, second = (of_short(rows, noise_std=recorded.noise_std).states for rows in (short, changed))
    np.testing.assert_array_equal(first, second)


def test_with_nothing_measured_the_input_is_its_mean(recorded, short):
    nothing = of_short(np.full_like(short, np.nan), noise_std=recorded.noise_std)
    assert nothing.converged.all()
    np.testing.assert_array_equal(nothing.measured, 0)
    np.testing.assert_allclose(nothing.input, 220.0)
    np.testing.assert_allclose(nothing.cost, 0, atol=1e-6)


def test_an_input_that_never_deviates_is_told_as_it_is(short):
    np.testing.assert_array_equal(of_short(short, input=jrae_jax.ConstantInput(220.0)).input, 220.0)


def test_what_did_not_converge_is_flagged_row_by_row(recorded, short):
    short[1] = np.nan
    arguments = dict(mask="y1", noise_std=recorded.noise_std)
    ended = of_short(short, **arguments, max_steps=1)
    np.testing.assert_array_equal(ended.converged, [False, True, False])
    assert np.isfinite(ended.states).all()
    assert of_short(short, **arguments).converged.all()


def test_less_noise_than_single_precision_can_use_counts_as_that(recorded):
    model = Transition(known_problem(np.zeros((1, 1, 7)), **known()).column, DT, ())
    rows = recorded.with_noise(0.0)[:3, :200]
    least = 3e-5 * np.asarray(sensors_of(model, jnp.zeros(7)).scale)
    none, little = (of_short(rows, noise_std=noise).cost for noise in (0.0, least))
    np.testing.assert_allclose(none, little, rtol=1e-4)


def test_another_mask_noise_or_parameter_does_not_recompile(recorded, short, monkeypatch):
    traces = []
    original = variational._estimate_one
    monkeypatch.setattr(variational, "_estimate_one", lambda *args: traces.append(1) or original(*args))
    of_short(short)
    before = len(traces)
    changes = dict(mask=("y0", "y4"), noise_std=recorded.noise_std, parameters=columns(130.0, 120.0, 135.0))
    of_short(short, **changes, max_steps=7)
    assert len(traces) == before


def test_it_needs_no_optional_package(short, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuthbert", None)
    assert of_short(short).states.shape == (3, 200, 6)


RECORDING = np.zeros((2, 5, 7))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(recordings=RECORDING[0]), r"`recordings` must have shape \(trajectory, time, 7\), got \(5, 7\)"),
        (dict(recordings=RECORDING + np.inf), "`recordings` must be finite, or NaN .* got inf in eeg of trajectory 0"),
        (dict(recordings=RECORDING[:, :0]), r"`recordings.shape\[1\]` must be .*1.*, got 0"),
        (dict(mask="y7"), "`observed` must be one of"),
        (dict(noise_std=-1.0), "`noise_std` must be finite and not negative, got -1.0"),
        (dict(noise_std=[1.0, 2.0]), r"`noise_std` must be one number or 7, .* got shape \(2,\)"),
        (dict(parameters=JansenRitParameters(C=jnp.ones(3))), "must be of one column or of 2, got 3"),
        (dict(input=dataclasses.replace(INPUT, hold=2e-3)), "`input` must be held for `dt` = 0.001 s, got hold=0.002"),
        (dict(input=jrae_jax.EvokedPulseInput(0.1, INPUT)), "`input` must be a ConstantInput, .* got a EvokedPulse"),
        (dict(dt=0.0), "`dt` must be positive"),
        (dict(max_steps=0), "`max_steps` must be .*1.*, got 0"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        weak_constraint_4dvar(**(dict(recordings=RECORDING) | known() | changes))
