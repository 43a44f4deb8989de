"""4D-Var: the most likely path, the input it implies, and where it is better than the Kalman smoother."""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from jrae_jax.column import STATES, ConstantInput, Transition, WhiteNoiseInput, eeg
from jrae_jax.estimators import FourDVar, KalmanSmoother, four_d_var as four_d_var_module
from jrae_jax.estimators.state_space import StateSpace
from jrae_jax.recording import FULL, InconsistentRecordingWarning

DT = 1e-3
UNLIKE = pytest.mark.filterwarnings("ignore::jrae_jax.recording.InconsistentRecordingWarning")
"""Of recordings of other columns or sensors than an estimator was told."""
SUCCESSFUL = diffrax.RESULTS.successful


@pytest.fixture(scope="module")
def found(column, recorded):
    """From the EEG, 5 % sensor noise."""
    return FourDVar(column)(recorded.recording("eeg"))


@pytest.fixture(scope="module")
def inputs(column, recorded, held_values):
    """The true p(t), from each sample to the next; the first sample is one step after the burn-in."""
    rows, samples = recorded.states.shape[:2]
    key = jax.random.key(2)
    return np.stack([held_values(column.input, 2001 + samples, key, row)[2001:] for row in range(rows)])


@pytest.fixture(scope="module")
def short(recorded):
    """Three recordings of 200 samples; with `columns`, they share a compiled program."""

    def recording(observed="eeg", noise=1.0):
        whole = recorded.recording(observed, noise)[:3]
        values, measured = whole.values[:, :200], whole.measured[:, :200]
        return eqx.tree_at(lambda each: (each.values, each.measured), whole, (values, measured))

    return recording


@pytest.fixture(scope="module")
def columns(column):
    """A batch of three columns."""

    def with_C(*values):
        return column.replace(C=jnp.array(values or (135.0, 135.0, 135.0)))

    return with_C


def converged(estimate):
    return np.asarray(estimate.result == SUCCESSFUL)


def without_samples(recording, row):
    return eqx.tree_at(lambda each: each.measured, recording, recording.measured.at[row].set(False))


def test_exact_sensors_of_all_states_give_the_states_and_the_input(column, recorded, inputs):
    exact = FourDVar(column)(recorded.recording(FULL, 0.0))
    assert converged(exact).all()
    spread = recorded.states.std(axis=(0, 1))
    np.testing.assert_allclose((np.asarray(exact.mean) - recorded.states) / spread, 0, atol=2e-3)
    np.testing.assert_allclose(np.asarray(exact.input)[:, :-1], inputs[:, :-1], atol=0.1)
    np.testing.assert_array_equal(np.asarray(exact.input)[:, -1], 220.0)
    assert exact.std is None


def slow_part(values):
    """Averages over 50 ms."""
    return values[:, 500:2000].reshape(len(values), -1, 50).mean(axis=-1).ravel()


def test_the_slow_part_of_the_input_is_found_from_the_eeg(found, inputs):
    assert np.corrcoef(slow_part(np.asarray(found.input)), slow_part(inputs))[0, 1] > 0.9


@pytest.mark.parametrize("white", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_from_the_eeg_it_is_what_the_kalman_smoother_finds(column, recorded, white):
    column = column.replace(input=WhiteNoiseInput(220.0, 3.0)) if white else column
    recording = recorded.recording("eeg")
    gappy = eqx.tree_at(lambda each: each.measured, recording, recording.measured.at[:, 1200:1230].set(False))
    smoothed, found = KalmanSmoother(column)(gappy), FourDVar(column)(gappy)
    assert converged(found).all()
    difference = (np.asarray(found.mean - smoothed.mean) / np.asarray(smoothed.std))[:, 500:]
    assert np.sqrt(np.mean(difference**2, axis=(0, 1))).max() < 0.1
    assert np.abs(difference).max() < 1.0


def test_the_states_obey_the_equations_under_the_input(found, numpy_right_hand_side):
    y, p = np.asarray(found.mean, float).transpose(2, 0, 1), np.asarray(found.input, float)
    before, p = y[..., :-1], p[..., :-1]
    k1 = numpy_right_hand_side(before, p)
    k2 = numpy_right_hand_side(before + DT / 2 * k1, p)
    k3 = numpy_right_hand_side(before + DT / 2 * k2, p)
    k4 = numpy_right_hand_side(before + DT * k3, p)
    after = before + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    largest = np.abs(y).max(axis=(1, 2))[:, None, None]
    np.testing.assert_allclose((after - y[..., 1:]) / largest, 0, atol=2e-6)


def test_the_cost_is_that_of_the_controls_and_has_no_slope_where_the_search_stops(column, columns, recorded, short):
    recording = short()
    found = FourDVar(columns())(recording)
    assert converged(found).all()
    model = Transition(column, DT)
    mean, factor = StateSpace(model, jnp.ones(7), None).prior(jnp.ones(()))
    samples, noise_std = recording.values[0, :, -1], float(recorded.noise_std[-1])

    def step(y, deviation):
        y = model.step(y, deviation[None])
        return y, y

    @jax.jit
    @functools.partial(jax.value_and_grad, argnums=(0, 1))
    def cost(start, deviations):
        first = (mean + factor @ start) * model.scale
        _, later = jax.lax.scan(step, first, deviations)
        misfits = (eeg(jnp.concatenate([first[None], later])) - samples) / noise_std
        return (jnp.sum(misfits**2) + jnp.sum(start**2) + jnp.sum(deviations**2)) / 2

    start = scipy.linalg.solve_triangular(factor, found.mean[0, 0] / model.scale - mean, lower=True)
    deviations = (jnp.asarray(found.input)[0, :-1] - 220.0) / (200 / 12**0.5)
    value, slopes = cost(jnp.asarray(start), deviations)
    np.testing.assert_allclose(found.stats["cost"][0], value, rtol=1e-4)
    _, at_first = cost(jnp.zeros(len(STATES)), jnp.zeros(199))
    for here, there in zip(slopes, at_first, strict=True):
        assert np.linalg.norm(here) < 1e-3 * np.linalg.norm(there)


def test_at_the_most_likely_path_the_cost_is_half_the_number_of_samples(recorded, found):
    np.testing.assert_array_equal(found.stats["measured"], recorded.states.shape[1])
    np.testing.assert_allclose(2 * found.stats["cost"] / found.stats["measured"], 1, atol=0.1)


def test_where_only_y1_is_observed_no_phase_is_lost(column, recorded):
    r = recorded.each_r(FourDVar(column)(recorded.recording("y1")).mean)
    assert np.all(r > [0.98, 0.99, 0.98, 0.98, 0.9, 0.98]), r


@pytest.mark.slow
@pytest.mark.parametrize(("observed", "noise"), [("y1", 1.0), ("y4", 1.0), ("y4", 0.0)])
def test_long_recordings_are_followed_where_the_smoother_loses_the_phase(column, long_recorded, observed, noise):
    recording = long_recorded.recording(observed, noise)
    found, smoothed = FourDVar(column)(recording), KalmanSmoother(column)(recording)
    assert converged(found).all()
    not_excitatory = np.array([0, 2, 3, 5])
    worst = [long_recorded.each_r(estimate.mean).min(axis=0)[not_excitatory] for estimate in (found, smoothed)]
    assert np.all(worst[0] > 0.95), worst
    assert np.all(worst[1] < 0.95), worst


@UNLIKE
def test_columns_of_a_batch_are_estimated_as_one_by_one(columns, short):
    values, recording = (135.0, 120.0, 150.0), short()
    together = FourDVar(columns(*values))(recording)
    assert converged(together).all()
    for row, C in enumerate(values):
        of_one = FourDVar(columns(C, C, C))(recording[row])  # a batch of columns, one recording
        np.testing.assert_allclose(together.mean[row], of_one.mean[2], rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(np.asarray(together.input)[row], np.asarray(of_one.input)[2], atol=0.1)
        np.testing.assert_allclose(together.stats["cost"][row], of_one.stats["cost"][2], rtol=1e-4)
    other = FourDVar(columns())(recording)
    assert np.all(np.abs(together.mean - other.mean)[1:, -1].max(axis=-1) > 0.1)


@pytest.mark.slow
def test_a_single_recording_has_an_estimate_without_a_batch_axis(column, columns, short):
    alone, together = FourDVar(column)(short()[1]), FourDVar(columns())(short())
    assert alone.mean.shape == (200, len(STATES))
    assert np.asarray(alone.input).shape == (200,)
    np.testing.assert_allclose(alone.mean, together.mean[1], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(alone.stats["cost"], together.stats["cost"][1], rtol=1e-4)
    assert alone.result == SUCCESSFUL


def test_values_that_were_not_measured_do_not_matter(columns, short):
    recording = short()
    values = np.where(recording.measured, recording.values, np.random.default_rng(0).normal(size=(7,)))
    changed = eqx.tree_at(lambda each: each.values, recording, jnp.asarray(values, jnp.float32))
    first, second = (FourDVar(columns())(each).mean for each in (recording, changed))
    np.testing.assert_array_equal(first, second)


def test_a_recording_with_another_gain_is_noticed(columns, short):
    fine = FourDVar(columns())(short()).consistency
    assert fine is not None
    assert np.all(fine.within)
    doubled = eqx.tree_at(lambda each: each.values, short(), 2 * short().values)
    with pytest.warns(InconsistentRecordingWarning, match="is unlike what this estimator was made for"):
        found = FourDVar(columns())(doubled).consistency
    assert found is not None
    assert not np.any(found.within)


@UNLIKE
def test_with_nothing_measured_the_input_is_its_mean(columns, short):
    nothing = FourDVar(columns())(without_samples(short(), slice(None)))
    assert converged(nothing).all()
    np.testing.assert_array_equal(nothing.stats["measured"], 0)
    np.testing.assert_allclose(np.asarray(nothing.input), 220.0)
    np.testing.assert_allclose(nothing.stats["cost"], 0, atol=1e-6)


@pytest.mark.slow
def test_a_constant_input_is_given_back(columns, short):
    found = FourDVar(columns().replace(input=ConstantInput(220.0)))(short())
    np.testing.assert_array_equal(found.input, 220.0)
    assert np.all(np.isfinite(found.mean))


@UNLIKE
def test_each_recording_reports_whether_its_search_converged(columns, short):
    recording = without_samples(short("y1"), 1)
    stopped = FourDVar(columns(), max_steps=1)(recording)
    np.testing.assert_array_equal(converged(stopped), [False, True, False])
    assert stopped[0].result == diffrax.RESULTS.max_steps_reached
    assert np.isfinite(stopped.mean).all()
    assert converged(FourDVar(columns())(recording)).all()


@UNLIKE
def test_noise_below_the_floor_counts_as_the_floor(columns, short):
    """3e-5 of the largest value of the channel, which for y0 is 2 e0 A / a."""
    floor = 3e-5 * 2 * 2.5 * 3.25 / 100
    exact = short("y0", 0.0)
    at_floor, above = (
        eqx.tree_at(lambda each: each.noise_std, exact, jnp.full((3, 7), noise_std, jnp.float32))
        for noise_std in (floor, 3 * floor)
    )
    cost, same, lower = (FourDVar(columns())(each).stats["cost"] for each in (exact, at_floor, above))
    np.testing.assert_allclose(cost, same, rtol=1e-4)
    assert np.all(lower < 0.9 * cost)


@UNLIKE
def test_another_mask_noise_column_or_step_limit_does_not_recompile(columns, short, monkeypatch):
    FourDVar(columns())(short())

    def traced(*args):
        raise AssertionError("traced again")

    monkeypatch.setattr(four_d_var_module, "StateSpace", traced)
    FourDVar(columns(130.0, 120.0, 135.0), max_steps=7)(short(("y0", "y4"), 2.0))
    with pytest.raises(AssertionError, match="traced again"):
        FourDVar(columns(130.0, 120.0))(short()[:2])
