"""States where the column is unknown: an average over smoothers, and what it depends on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.decoding import Prior
from jrae_jax.decoding.posterior import Draws
from jrae_jax.decoding.states import AT_ONCE, hidden_states
from jrae_jax.estimators import KalmanSmoother
from jrae_jax.recording.recording_model import RecordingModel

DT, DRAWS = 1 / 128, 3


def draws_of(gain, white=0.05):
    """Three columns and backgrounds for each of two windows."""
    rng = np.random.default_rng(2)
    shape = (2, DRAWS)
    ranges = {"C": (120, 150), "B": (20, 24), "time_scale": (0.9, 1.1), "p": (200, 240), "sigma": (2, 4)}
    ranges |= {"background": (0.2, 0.6), "exponent": (0.5, 1.5), "white": (0.1, 0.2)}
    values = {name: jnp.asarray(rng.uniform(low, high, shape), "float32") for name, (low, high) in ranges.items()}
    background = values["background"] * 2.0
    model = RecordingModel(
        jnp.full(shape, gain), background, values["exponent"], white * jnp.ones(shape, background.dtype)
    )
    return Draws(values, jnp.full(shape, 2.0), model)


def smoothed(values, measured=None, gain=1.0, draws=None):
    measured = np.ones(values.shape, bool) if measured is None else measured
    draws = draws_of(gain) if draws is None else draws
    mean, std = jnp.full((len(values), DRAWS), 4.0), jnp.full((len(values), DRAWS), 2.5)
    values, measured = jnp.asarray(values, "float32"), jnp.asarray(measured)
    found = hidden_states(Prior(), draws, mean, std, values, measured, DT)
    return jax.tree.map(np.asarray, found)


@pytest.fixture(scope="module")
def recorded(alpha):
    """A second of two columns, less the mean, with gaps, mV."""
    eeg = (alpha[..., 1] - alpha[..., 2])[:2, :128]
    eeg = eeg - eeg.mean(axis=1, keepdims=True) + 0.3 * np.random.default_rng(0).normal(size=eeg.shape)
    measured = np.ones(eeg.shape, bool)
    measured[1, 40:90] = False
    return eeg, measured


@pytest.mark.slow
def test_windows_that_are_smoothed_in_parts_have_the_states_that_they_have_alone(recorded):
    eeg = np.tile(recorded[0], AT_ONCE // (3 * DRAWS * 128) * 2)  # six draws are too many at once, three are not
    assert DRAWS * eeg.shape[1] < AT_ONCE < 2 * DRAWS * eeg.shape[1]
    both = smoothed(eeg)
    alone = smoothed(eeg[:1], draws=jax.tree.map(lambda leaf: leaf[:1], draws_of(1.0)))
    for name, values in alone._asdict().items():
        together = getattr(both, name)[:1]
        np.testing.assert_allclose(together, values, atol=1e-4 * np.abs(values).max(), err_msg=name)


# Columns and gains of draws need not be those that were recorded.
@pytest.mark.filterwarnings("ignore:.*unlike what this estimator was made for:UserWarning")
def test_states_are_an_average_over_smoothers_by_the_law_of_total_variance(recorded):
    eeg, measured = recorded
    gain = 0.5
    found, draws, prior = smoothed(eeg, measured, gain), draws_of(gain), Prior()
    whole = jax.tree.map(lambda leaf: leaf.ravel(), (draws.values, draws.model))
    columns, backgrounds = prior.columns(whole[0]), whole[1].background(jnp.full(6, 1.25))
    noise = np.asarray(whole[1].white_noise_std(DT))
    means, stds = np.empty((2, DRAWS, 128, 6)), np.empty((2, DRAWS, 128, 6))
    for i in range(2):
        for j in range(DRAWS):
            row = i * DRAWS + j
            one = jrae.Recording.of(
                eeg=np.where(measured[i], eeg[i] / gain + 4.0, np.nan), dt=DT, noise_std=float(noise[row])
            )
            background = jax.tree.map(lambda leaf: leaf[row], backgrounds)  # noqa: B023
            estimate = KalmanSmoother(columns[row], background=background)(one)
            means[i, j], stds[i, j] = np.asarray(estimate.mean), np.asarray(estimate.std)
    scale = means.std(axis=(0, 1, 2))
    np.testing.assert_allclose(found.mean / scale, means.mean(axis=1) / scale, atol=2e-3)
    # Of n draws, the variance of one more about their mean: n + 1 over n - 1 times their own.
    variance = (stds**2).mean(axis=1) + 2 * means.var(axis=1)
    np.testing.assert_allclose(found.std / scale, np.sqrt(variance) / scale, atol=2e-3)
    own = np.sqrt(means.var(axis=2, keepdims=True) + (stds**2).mean(axis=2, keepdims=True))
    shapes = (means - means.mean(axis=2, keepdims=True)) / own
    np.testing.assert_allclose(found.shape_mean, shapes.mean(axis=1), atol=4e-3)
    variance = ((stds / own) ** 2).mean(axis=1) + 2 * shapes.var(axis=1)
    np.testing.assert_allclose(found.shape_std, np.sqrt(variance), atol=4e-3)


def test_what_is_in_a_gap_has_no_influence(recorded):
    eeg, measured = recorded
    known, gaps = smoothed(eeg), smoothed(eeg, measured)
    assert np.all(gaps.std[1] != known.std[1])
    np.testing.assert_array_equal(gaps.std[0], known.std[0])
    other = smoothed(np.where(measured, eeg, 1e3), measured)
    for a, b in zip(gaps, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("gain", [0.01, 10.0])
def test_states_do_not_depend_on_gain_and_unit_where_both_are_known(recorded, gain):
    eeg, measured = recorded
    plain, other = smoothed(eeg, measured), smoothed(gain * eeg, measured, gain)
    for a, b in zip(plain, other, strict=True):
        np.testing.assert_allclose(b, a, atol=2e-4 * np.abs(a).max())


def test_a_draw_whose_smoother_fails_counts_for_nothing(recorded):
    eeg, measured = recorded
    draws = draws_of(1.0)
    broken = draws._replace(values=draws.values | {"sigma": draws.values["sigma"].at[0, 1].set(np.nan)})
    found, plain = smoothed(eeg, measured, draws=broken), smoothed(eeg, measured)
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.std).all()
    np.testing.assert_array_equal(found.mean[1], plain.mean[1])
    assert np.any(found.mean[0] != plain.mean[0])
