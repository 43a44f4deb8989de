import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.autoencoder import Whitener, Window
from jrae_jax.autoencoder.features import RecordingWindows, last_window
from jrae_jax.column import Column, UniformNoiseInput, simulate, to_channels

WINDOW = Window(past=0.06, future=0.03)


@pytest.fixture(scope="module")
def standardized():
    column = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=1e-3))
    found = simulate(column, t1=6.0, dt=1e-3, burn_in=2.0, batch=4, key=jax.random.key(0))
    channels = np.asarray(to_channels(found.ys))
    return (channels - channels.mean(axis=(0, 1))) / channels.std(axis=(0, 1))


@pytest.fixture(scope="module")
def whitener(standardized):
    return Whitener.fit(WINDOW, standardized)


@eqx.filter_jit
def averages_within(whitener, channels):
    windows = RecordingWindows.from_recordings(WINDOW, channels, jnp.ones(channels.shape, bool), whitener)
    return windows.at(jnp.asarray(windows.rows[:, WINDOW.past : -WINDOW.future or None].ravel())).averages


def components(whitener, channels):
    """Of all instants whose windows lie within the recordings."""
    return np.asarray(averages_within(whitener, channels))


@eqx.filter_jit
def at_the_last_instant(window, recording, measured, whitener):
    """Features of the whole recording there, and of the samples that they need alone."""
    windows = RecordingWindows.from_recordings(window, recording[None], measured[None], whitener)
    needed = window.past + 3
    found = last_window(window, recording[-needed:], measured[-needed:], whitener)
    return windows.at(jnp.asarray(windows.rows[0, -1:])), found


@pytest.mark.parametrize(
    ("channel", "level"),
    [
        (0, 0.003),
        pytest.param(0, 0.1, marks=pytest.mark.slow),
        (0, 0.5),
        pytest.param(1, 0.2, marks=pytest.mark.slow),
        (6, 0.2),
    ],
)
def test_components_are_wiener_estimates_in_standard_deviations(standardized, whitener, channel, level):
    noise = level * np.random.default_rng(1).normal(size=standardized.shape).astype(np.float32)
    found = components(whitener, standardized + noise)[..., channel]
    variance = np.asarray(whitener.variance)[channel]
    scale = np.sqrt(variance / (variance + level**2))
    # The largest waves are cut by the limit, and all vary from one second to the next.
    covariance = found.T @ found / len(found) / np.maximum(scale * scale[:, None], 1e-3)
    known = scale > 0.1
    np.testing.assert_allclose(np.diag(covariance)[known], 1, atol=0.35)
    correlations = (covariance - np.diag(np.diag(covariance)))[np.ix_(known, known)]
    assert np.sqrt(np.mean(correlations**2)) < 0.1


def test_a_small_signal_above_the_noise_counts_as_much_as_the_rest(standardized, whitener):
    """A thousandth of the signal: without whitening it is lost beside it."""
    rng = np.random.default_rng(2)
    small = 0.01 * np.sin(0.5 * np.pi * np.arange(standardized.shape[1]) + rng.uniform(0, 6, (4, 1)))
    small = small.astype(np.float32)[..., None] * np.eye(7, dtype=np.float32)[0]
    noise = 1e-3 * rng.normal(size=standardized.shape).astype(np.float32)
    plain, more = (components(whitener, standardized + noise + extra)[..., 0] for extra in (0 * small, small))
    assert np.max(np.std(more - plain, axis=0)) > 0.5


def test_it_is_a_fixed_rotation_scaled_by_signal_and_noise(whitener):
    values = jax.random.normal(jax.random.key(0), (5, WINDOW.size, 7)) * 0.01
    log_noise = jnp.linspace(-5.0, 1.0, 35).reshape(5, 7)
    own, variance = np.asarray(whitener.signal_noise) ** 2, np.asarray(whitener.variance).T[None]
    noise = np.maximum(np.exp(2 * np.asarray(log_noise)) - own, 0.1 * own)[:, None]
    scaled = np.einsum("itc,cts->isc", values, whitener.basis) * np.sqrt(variance) / (variance + noise)
    expected = scaled / np.sqrt(1 + (scaled / 8) ** 2)
    np.testing.assert_allclose(whitener(values, log_noise), expected, rtol=1e-4, atol=1e-5)
    weights = np.sqrt(np.array(WINDOW.widths))
    for basis in np.asarray(whitener.basis):
        np.testing.assert_allclose(
            (basis / weights[:, None]).T @ (basis / weights[:, None]), np.eye(len(basis)), atol=1e-5
        )


def test_edges_of_gaps_stay_within_bounds(standardized, whitener):
    @jax.jit
    def averages(measured):
        windows = RecordingWindows.from_recordings(WINDOW, jnp.asarray(standardized), measured, whitener)
        return windows.at(jnp.asarray(windows.rows[:, ::50].ravel())).averages

    values = np.asarray(averages(np.random.default_rng(0).random(standardized.shape) < 0.9))
    assert np.max(np.abs(values)) <= 8.0
    assert np.all(np.isfinite(values))


@pytest.mark.parametrize("past", [0.0, pytest.param(0.002, marks=pytest.mark.slow), 0.06])
def test_the_last_window_is_that_of_the_whole_recording(standardized, past):
    window = Window(past=past)
    rng = np.random.default_rng(0)
    recording, measured = jnp.asarray(standardized[0, :400]), jnp.asarray(rng.random((400, 7)) < 0.9)
    for whitened in (None, Whitener.fit(window, standardized)):
        whole, found = at_the_last_instant(window, recording, measured, whitened)
        jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other[0], rtol=1e-4, atol=2e-5), found, whole)


def test_trajectories_that_failed_are_left_out(standardized):
    broken = standardized.copy()
    broken[1, 100, 3] = np.nan
    found, expected = (Whitener.fit(WINDOW, values) for values in (broken, standardized[[0, 2, 3]]))
    np.testing.assert_array_equal(found.variance, expected.variance)
    nothing = Whitener.fit(WINDOW, np.full_like(standardized, np.nan))
    assert np.all(np.isfinite(nothing.basis))
    assert np.all(np.asarray(nothing.variance) == 0)


def test_known_noise_is_taken_off(standardized, whitener):
    level = np.array([0.3, 0.1, 0.1, 0.3, 0.3, 0.1, 0.3], np.float32)
    noisy = standardized + level * np.random.default_rng(3).normal(size=standardized.shape).astype(np.float32)
    corrected, uncorrected = Whitener.fit(WINDOW, noisy, level), Whitener.fit(WINDOW, noisy)
    largest, power = np.s_[:, -4:], level[:, None] ** 2
    np.testing.assert_allclose(corrected.variance[largest], whitener.variance[largest], rtol=0.1)
    median, expected = (np.median(found.variance, axis=1) for found in (corrected, whitener))
    assert np.all(np.abs(median - expected) < 0.1 * level**2 + 0.1 * expected)
    assert np.all(np.asarray(uncorrected.variance) > 0.5 * power)
    assert np.all(np.asarray(corrected.signal_noise) ** 2 < np.asarray(whitener.signal_noise) ** 2 + 0.1 * level**2)
    assert np.all(np.asarray(uncorrected.signal_noise) > 0.9 * level)


def test_recordings_shorter_than_the_window_are_refused(standardized):
    length = WINDOW.past + 1 + WINDOW.future
    Whitener.fit(WINDOW, standardized[:, :length])
    message = rf"`autoencoder` must have a window that fits into the {length - 1} samples .*, got one of {length}"
    with pytest.raises(ValueError, match=message):
        Whitener.fit(WINDOW, standardized[:, : length - 1])
