import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import JansenRitParameters, UniformNoiseInput, Window, simulate, to_channels
from jrae_jax.autoencoder.features import last_view, rows_of, surroundings
from jrae_jax.autoencoder.whitening import Whitener

WINDOW = Window(past=0.06, future=0.03)


@pytest.fixture(scope="module")
def standardized():
    found = simulate(
        JansenRitParameters.preset("jansen_rit_1995"),
        UniformNoiseInput(120.0, 320.0, hold=1e-3),
        t1=6.0,
        dt=1e-3,
        burn_in=2.0,
        batch=4,
        key=jax.random.key(0),
    )
    channels = np.asarray(to_channels(found.ys))
    return (channels - channels.mean(axis=(0, 1))) / channels.std(axis=(0, 1))


@pytest.fixture(scope="module")
def whitener(standardized):
    return Whitener.fitted_to(WINDOW, standardized)


def components(whitener, channels, window=WINDOW):
    """Of all instants whose windows lie within the recordings."""
    rows = rows_of(window, *channels.shape[:2])[:, window.past : -window.future or None].ravel()
    around = surroundings(window, jnp.asarray(channels), jnp.ones(channels.shape, bool), whitener)
    return np.asarray(around.at(jnp.asarray(rows)).values)


@pytest.mark.parametrize(("channel", "level"), [(0, 0.003), (0, 0.1), (0, 0.5), (1, 0.2), (6, 0.2)])
def test_components_are_what_a_wiener_filter_leaves_of_them(standardized, whitener, channel, level):
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


def test_what_stands_out_of_the_noise_by_little_is_seen_as_large_as_the_rest(standardized, whitener):
    """A thousandth of the signal: without whitening it is lost beside it."""
    rng = np.random.default_rng(2)
    small = 0.01 * np.sin(0.5 * np.pi * np.arange(standardized.shape[1]) + rng.uniform(0, 6, (4, 1)))
    small = small.astype(np.float32)[..., None] * np.eye(7, dtype=np.float32)[0]
    noise = 1e-3 * rng.normal(size=standardized.shape).astype(np.float32)
    plain, more = (components(whitener, standardized + noise + extra)[..., 0] for extra in (0 * small, small))
    assert np.max(np.std(more - plain, axis=0)) > 0.5


def test_it_is_a_fixed_rotation_scaled_by_signal_and_noise(whitener):
    values = jax.random.normal(jax.random.key(0), (5, WINDOW.taps, 7)) * 0.01
    roughness = jnp.linspace(-5.0, 1.0, 35).reshape(5, 7)
    own, variance = np.asarray(whitener.roughness) ** 2, np.asarray(whitener.variance).T[None]
    noise = np.maximum(np.exp(2 * np.asarray(roughness)) - own, 0.1 * own)[:, None]
    scaled = np.einsum("itc,cts->isc", values, whitener.basis) * np.sqrt(variance) / (variance + noise)
    expected = scaled / np.sqrt(1 + (scaled / 8) ** 2)
    np.testing.assert_allclose(whitener(values, roughness), expected, rtol=1e-4, atol=1e-5)
    weights = np.sqrt(np.array(WINDOW.widths))
    for basis in np.asarray(whitener.basis):
        np.testing.assert_allclose(
            (basis / weights[:, None]).T @ (basis / weights[:, None]), np.eye(len(basis)), atol=1e-5
        )


def test_edges_of_gaps_stay_within_bounds(standardized, whitener):
    seen = jnp.asarray(np.random.default_rng(0).random(standardized.shape) < 0.9)
    around = surroundings(WINDOW, jnp.asarray(standardized), seen, whitener)
    values = around.at(jnp.asarray(rows_of(WINDOW, *standardized.shape[:2])[:, ::50].ravel())).values
    assert float(jnp.max(jnp.abs(values))) <= 8.0
    assert bool(jnp.all(jnp.isfinite(values)))


@pytest.mark.parametrize("past", [0.0, 0.002, 0.06])
def test_the_last_view_is_that_of_the_whole_recording(standardized, past):
    window = Window(past=past)
    rng = np.random.default_rng(0)
    recording, seen = jnp.asarray(standardized[0, :400]), jnp.asarray(rng.random((400, 7)) < 0.9)
    for whitened in (None, Whitener.fitted_to(window, standardized)):
        around = surroundings(window, recording[None], seen[None], whitened)
        whole = around.at(jnp.asarray(rows_of(window, 1, 400)[0, -1:]))
        needed = window.past + 3
        found = last_view(window, recording[-needed:], seen[-needed:], whitened)
        jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other[0], rtol=1e-4, atol=2e-5), found, whole)


def test_trajectories_that_failed_are_left_out(standardized):
    broken = standardized.copy()
    broken[1, 100, 3] = np.nan
    found, expected = (Whitener.fitted_to(WINDOW, values) for values in (broken, standardized[[0, 2, 3]]))
    np.testing.assert_array_equal(found.variance, expected.variance)
    nothing = Whitener.fitted_to(WINDOW, np.full_like(standardized, np.nan))
    assert np.all(np.isfinite(nothing.basis))
    assert np.all(np.asarray(nothing.variance) == 0)


def test_known_noise_is_taken_off(standardized, whitener):
    level = np.array([0.3, 0.1, 0.1, 0.3, 0.3, 0.1, 0.3], np.float32)
    noisy = standardized + level * np.random.default_rng(3).normal(size=standardized.shape).astype(np.float32)
    told, untold = Whitener.fitted_to(WINDOW, noisy, level), Whitener.fitted_to(WINDOW, noisy)
    largest, power = np.s_[:, -4:], level[:, None] ** 2
    np.testing.assert_allclose(told.variance[largest], whitener.variance[largest], rtol=0.1)
    of_most, expected = (np.median(found.variance, axis=1) for found in (told, whitener))
    assert np.all(np.abs(of_most - expected) < 0.1 * level**2 + 0.1 * expected)
    assert np.all(np.asarray(untold.variance) > 0.5 * power)
    assert np.all(np.asarray(told.roughness) ** 2 < np.asarray(whitener.roughness) ** 2 + 0.1 * level**2)
    assert np.all(np.asarray(untold.roughness) > 0.9 * level)


def test_recordings_shorter_than_the_window_are_refused(standardized):
    length = WINDOW.past + 1 + WINDOW.future
    Whitener.fitted_to(WINDOW, standardized[:, :length])
    message = (
        rf"`network` must have a window that fits into the recordings of {length - 1} samples, got one of {length}"
    )
    with pytest.raises(ValueError, match=message):
        Whitener.fitted_to(WINDOW, standardized[:, : length - 1])
