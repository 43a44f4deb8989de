import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.autoencoder import Window, WindowFeatures
from jrae_jax.autoencoder.features import RecordingSamples, RecordingWindows

LEAVES = ("averages", "measured", "fraction", "log_noise")
SIZES = [(1, 0), (2, 9), (40, 0), (20, 45), (150, 70)]
"""Samples before and after the instant; the last window is wider than the recordings."""


def window_of(past, future, dt=1e-3):
    return Window(past=past * dt, future=future * dt, dt=dt)


@eqx.filter_jit
def features_of(window, channels, measured):
    """The features at every instant of every recording."""
    windows = RecordingWindows.from_recordings(window, channels, measured)
    features = windows.at(jnp.asarray(windows.rows.ravel()))
    return jax.tree.map(lambda leaf: leaf.reshape(*windows.rows.shape, *leaf.shape[1:]), features)


def recorded(recordings=3, samples=60, seed=0, dtype: type = np.float32):
    """Recordings with gaps, of single samples and of many."""
    rng = np.random.default_rng(seed)
    channels = rng.normal(size=(recordings, samples, 7)).cumsum(axis=1)
    measured = rng.random(channels.shape) < 0.8
    measured[:, samples // 3 : samples // 2, :3] = False
    measured[..., 5] = False
    measured[0, :, 6] = True
    return channels.astype(dtype), measured


def by_loop(window, channels, measured):
    """The same by loops over everything, in double precision."""
    recordings, samples, count = channels.shape
    found = {
        "averages": np.zeros((recordings, samples, window.size, count)),
        "measured": np.zeros((recordings, samples, window.size, count)),
        "fraction": np.zeros((recordings, samples, count)),
        "log_noise": np.zeros((recordings, samples, count)),
    }

    def there(recording, sample, channel):
        return 0 <= sample < samples and measured[recording, sample, channel]

    for recording, instant, channel in np.ndindex(channels.shape):
        place, signal = (recording, instant), channels[recording, :, channel].astype(float)
        first = instant - window.past
        for number, width in enumerate(window.widths):
            found_there = [i for i in range(first, first + width) if there(recording, i, channel)]
            found["measured"][(*place, number, channel)] = len(found_there) / width
            found["averages"][(*place, number, channel)] = np.mean(signal[found_there]) if found_there else 0
            first += width
        # Noise is estimated from the largest power of two of samples that fits.
        span = 2 ** int(np.log2(window.past + window.future + 1))
        near = range(instant - min(window.past, span - 1), instant - min(window.past, span - 1) + span)
        found["fraction"][(*place, channel)] = np.mean([there(recording, i, channel) for i in near])
        bends = [
            signal[i] - 2 * signal[i - 1] + signal[i - 2]
            for i in near
            if all(there(recording, j, channel) for j in (i, i - 1, i - 2))
        ]
        if bends:
            found["log_noise"][(*place, channel)] = 0.5 * np.log(np.mean(np.square(bends)) / 6 + 1e-6)
    return found


@pytest.mark.parametrize(("past", "future"), SIZES)
def test_features_agree_with_loops(x64, past, future):
    window = window_of(past, future)
    channels, measured = recorded(dtype=np.float64)
    found = features_of(window, jnp.asarray(channels), jnp.asarray(measured))
    expected = by_loop(window, channels, measured)
    for name in LEAVES:
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert np.all(np.asarray(found.averages)[np.asarray(found.measured) == 0] == 0)


def test_single_precision_is_as_good_as_it_can_be():
    window, (channels, measured) = window_of(20, 45), recorded()
    found, expected = (
        features_of(window, jnp.asarray(channels), jnp.asarray(measured)),
        by_loop(window, channels, measured),
    )
    for name in LEAVES:
        assert getattr(found, name).dtype == np.float32
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("past", "future"), [(0, 0), (20, 20)])
def test_a_recording_may_be_shorter_than_the_window(x64, samples, past, future):
    window, (channels, measured) = window_of(past, future), recorded(1, samples, dtype=np.float64)
    found = features_of(window, jnp.asarray(channels), jnp.asarray(measured))
    expected = by_loop(window, channels, measured)
    for name in LEAVES:
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("past", "future"), SIZES)
def test_features_never_reach_into_another_recording(past, future):
    window, (channels, measured) = window_of(past, future), recorded()
    together = features_of(window, jnp.asarray(channels), jnp.asarray(measured))
    louder = channels * np.array([1e3, 1, 1e3], np.float32)[:, None, None]
    elsewhere = features_of(
        window, jnp.asarray(louder), jnp.asarray(measured | np.array([[[True]], [[False]], [[True]]]))
    )
    for name in LEAVES:
        one, other = (np.asarray(getattr(features, name))[1] for features in (together, elsewhere))
        np.testing.assert_array_equal(one, other, err_msg=name)


def sensitivity(window, channels, measured, instant):
    """Whether any feature at an instant of the first recording depends on a sample, by the size of gradients."""

    def weighted(channels, weights):
        features = features_of(window, channels, measured)
        leaves = jax.tree.leaves(jax.tree.map(lambda leaf: leaf[0, instant], features))
        return sum(jnp.sum(weight * leaf) for weight, leaf in zip(weights, leaves, strict=True))

    features = features_of(window, channels, measured)
    rng = np.random.default_rng(0)
    weights = [jnp.asarray(rng.normal(size=leaf.shape[2:]), leaf.dtype) for leaf in jax.tree.leaves(features)]
    return np.asarray(jax.grad(weighted)(channels, weights))


@pytest.mark.parametrize("past", [1, 20, 31])
def test_a_causal_window_does_not_depend_on_the_future(past):
    window, instant = window_of(past, 0), 30
    channels, measured = recorded()
    later = np.arange(channels.shape[1]) > instant
    altered = np.where(later[None, :, None], -7 * channels + 3, channels).astype(np.float32)
    other_gaps = np.where(later[None, :, None], ~measured, measured)
    one = features_of(window, jnp.asarray(channels), jnp.asarray(measured))
    other = features_of(window, jnp.asarray(altered), jnp.asarray(other_gaps))
    for name in LEAVES:
        np.testing.assert_array_equal(
            np.asarray(getattr(one, name))[:, : instant + 1], np.asarray(getattr(other, name))[:, : instant + 1], name
        )
    gradient = sensitivity(window, jnp.asarray(channels), jnp.ones_like(measured), instant)
    assert np.all(gradient[0, later] == 0)
    assert np.all(gradient[1:] == 0)
    # The noise estimate at the first sample compares it with the two before it.
    assert np.all(gradient[0, : max(instant - window.past - 2, 0)] == 0)
    assert np.all(gradient[0, instant - window.past : instant + 1] != 0)


def test_a_window_reads_its_future_and_no_more():
    channels, measured = recorded()
    gradient = sensitivity(window_of(5, 9), jnp.asarray(channels), jnp.ones_like(measured), 30)
    assert np.all(gradient[0, 25:40] != 0)
    assert np.all(gradient[0, :23] == 0)
    assert np.all(gradient[0, 40:] == 0)


@pytest.mark.parametrize("held", [np.nan, -np.inf])
def test_what_was_not_measured_may_be_anything(held):
    window, (channels, measured) = window_of(20, 9), recorded()
    poisoned = np.where(measured, channels, np.float32(held))
    clean, found = (features_of(window, jnp.asarray(each), jnp.asarray(measured)) for each in (channels, poisoned))
    for name in LEAVES:
        np.testing.assert_array_equal(getattr(found, name), getattr(clean, name), err_msg=name)

    def total(channels):
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(features_of(window, channels, jnp.asarray(measured))))

    gradient = np.asarray(jax.grad(total)(jnp.asarray(poisoned)))
    assert np.all(np.isfinite(gradient))
    assert np.all(gradient[~measured] == 0)
    assert np.all(gradient[measured] != 0)


def test_where_nothing_was_measured_all_is_0():
    features = features_of(window_of(20, 9), jnp.full((2, 30, 7), jnp.nan), jnp.zeros((2, 30, 7), bool))
    assert all(np.all(np.asarray(leaf) == 0) for leaf in jax.tree.leaves(features))


@pytest.mark.parametrize("size", [0.01, 0.3])
def test_the_noise_estimate_is_the_size_of_white_noise_on_a_smooth_signal(size):
    times = np.arange(4000) * 1e-3
    rng = np.random.default_rng(0)
    channels = np.sin(2 * np.pi * 5 * times)[None, :, None] + size * rng.normal(size=(1, 4000, 7))
    features = features_of(window_of(300, 300), jnp.asarray(channels, jnp.float32), jnp.ones(channels.shape, bool))
    np.testing.assert_allclose(np.exp(np.asarray(features.log_noise)[0, 500:-500]), size, rtol=0.3)
    assert np.exp(np.asarray(features.log_noise)[0, 500:-500]).mean() == pytest.approx(size, rel=0.02)


def test_instants_may_be_had_in_any_order_and_number():
    window, (channels, measured) = window_of(20, 9), recorded()
    everything = features_of(window, jnp.asarray(channels), jnp.asarray(measured))
    windows = RecordingWindows.from_recordings(window, jnp.asarray(channels), jnp.asarray(measured))
    picked = [(2, 59), (0, 0), (1, 30), (1, 30)]
    features = windows.at(jnp.asarray([windows.rows[at] for at in picked]))
    assert isinstance(features, WindowFeatures)
    assert features.averages.shape == features.measured.shape == (4, window.size, 7)
    for index, at in enumerate(picked):
        for name in LEAVES:
            one, other = np.asarray(getattr(features, name))[index], np.asarray(getattr(everything, name))[at]
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=name)


def test_rows_count_through_recordings_with_room_on_either_side():
    def windows(window, recordings, samples):
        zeros = jnp.zeros((recordings, samples, 7))
        return RecordingWindows.from_recordings(window, zeros, zeros == 0)

    some = windows(window_of(3, 2), 3, 4)
    np.testing.assert_array_equal(some.rows, [[3, 4, 5, 6], [12, 13, 14, 15], [21, 22, 23, 24]])
    np.testing.assert_array_equal(some.followed(jnp.asarray(some.rows), 2), [[True, True, False, False]] * 3)
    assert some.rows.dtype == np.int32
    np.testing.assert_array_equal(windows(window_of(0, 0), 2, 2).rows, [[0, 1], [2, 3]])


def test_samples_are_zero_where_nothing_was_measured():
    channels, measured = recorded(2, 5)
    samples = RecordingSamples.from_recordings(jnp.where(measured, channels, jnp.nan), jnp.asarray(measured))
    np.testing.assert_array_equal(samples.rows, [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
    np.testing.assert_array_equal(samples.followed(jnp.asarray(samples.rows), 4), [[True] + [False] * 4] * 2)
    expected = np.where(measured, channels, 0)
    np.testing.assert_array_equal(samples.at(jnp.asarray([7, 0])), [expected[1, 2], expected[0, 0]])
    values, there = samples.measured_at(jnp.asarray([[3], [9]]))
    np.testing.assert_array_equal(values[:, 0], [expected[0, 3], expected[1, 4]])
    np.testing.assert_array_equal(there[:, 0], [measured[0, 3], measured[1, 4]])


def test_a_window_of_one_sample_reads_nothing_of_the_recording_before():
    window, channels = Window(past=0.0), jax.random.normal(jax.random.key(0), (2, 9, 7))
    measured = jnp.ones(channels.shape, bool)
    both = [RecordingWindows.from_recordings(window, some, measured) for some in (channels, channels.at[0].add(5.0))]
    found = [windows.at(jnp.asarray(windows.rows[1])) for windows in both]
    for one, other in zip(jax.tree.leaves(found[0]), jax.tree.leaves(found[1]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (found[0].log_noise[:2] == 0).all()
