import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import View, Window
from jrae_jax.autoencoder.features import rows_of, surroundings

LEAVES = ("values", "seen", "share", "roughness")
SIZES = [(1, 0), (2, 9), (40, 0), (20, 45), (150, 70)]
"""Samples before and after the instant; the last window is wider than the recordings."""


def window_of(past, future, dt=1e-3):
    return Window.of_samples(past=past, future=future, dt=dt)


@eqx.filter_jit
def looked_at(window, channels, seen):
    """What is seen from every instant of every trajectory."""
    rows = rows_of(window, *channels.shape[:2])
    view = surroundings(window, channels, seen).at(jnp.asarray(rows.ravel()))
    return jax.tree.map(lambda leaf: leaf.reshape(*rows.shape, *leaf.shape[1:]), view)


def recorded(trajectories=3, samples=60, seed=0, dtype: type = np.float32):
    """Recordings with gaps, of single samples and of many."""
    rng = np.random.default_rng(seed)
    channels = rng.normal(size=(trajectories, samples, 7)).cumsum(axis=1)
    seen = rng.random(channels.shape) < 0.8
    seen[:, samples // 3 : samples // 2, :3] = False
    seen[..., 5] = False
    seen[0, :, 6] = True
    return channels.astype(dtype), seen


def by_loop(window, channels, seen):
    """The same by loops over everything, in double precision."""
    trajectories, samples, count = channels.shape
    found = {
        "values": np.zeros((trajectories, samples, window.taps, count)),
        "seen": np.zeros((trajectories, samples, window.taps, count)),
        "share": np.zeros((trajectories, samples, count)),
        "roughness": np.zeros((trajectories, samples, count)),
    }

    def measured(trajectory, sample, channel):
        return 0 <= sample < samples and seen[trajectory, sample, channel]

    for trajectory, instant, channel in np.ndindex(channels.shape):
        place, signal = (trajectory, instant), channels[trajectory, :, channel].astype(float)
        first = instant - window.past
        for tap, width in enumerate(window.widths):
            there = [i for i in range(first, first + width) if measured(trajectory, i, channel)]
            found["seen"][(*place, tap, channel)] = len(there) / width
            found["values"][(*place, tap, channel)] = np.mean(signal[there]) if there else 0
            first += width
        # Noise is judged over the largest power of two of samples that fits, none of them in a causal one's future.
        span = 2 ** int(np.log2(window.past + window.future + 1))
        judged = range(instant - min(window.past, span - 1), instant - min(window.past, span - 1) + span)
        found["share"][(*place, channel)] = np.mean([measured(trajectory, i, channel) for i in judged])
        bends = [
            signal[i] - 2 * signal[i - 1] + signal[i - 2]
            for i in judged
            if all(measured(trajectory, j, channel) for j in (i, i - 1, i - 2))
        ]
        if bends:
            found["roughness"][(*place, channel)] = 0.5 * np.log(np.mean(np.square(bends)) / 6 + 1e-6)
    return found


@pytest.mark.parametrize(("past", "future"), SIZES)
def test_a_view_is_what_loops_find(x64, past, future):
    window = window_of(past, future)
    channels, seen = recorded(dtype=np.float64)
    found = looked_at(window, jnp.asarray(channels), jnp.asarray(seen))
    expected = by_loop(window, channels, seen)
    for name in LEAVES:
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert np.all(np.asarray(found.values)[np.asarray(found.seen) == 0] == 0)


def test_single_precision_is_as_good_as_it_can_be():
    window, (channels, seen) = window_of(20, 45), recorded()
    found, expected = looked_at(window, jnp.asarray(channels), jnp.asarray(seen)), by_loop(window, channels, seen)
    for name in LEAVES:
        assert getattr(found, name).dtype == np.float32
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("past", "future"), [(0, 0), (20, 20)])
def test_a_recording_may_be_shorter_than_the_window(x64, samples, past, future):
    window, (channels, seen) = window_of(past, future), recorded(1, samples, dtype=np.float64)
    found = looked_at(window, jnp.asarray(channels), jnp.asarray(seen))
    expected = by_loop(window, channels, seen)
    for name in LEAVES:
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("past", "future"), SIZES)
def test_neighbouring_trajectories_are_never_seen(past, future):
    window, (channels, seen) = window_of(past, future), recorded()
    together = looked_at(window, jnp.asarray(channels), jnp.asarray(seen))
    louder = channels * np.array([1e3, 1, 1e3], np.float32)[:, None, None]
    elsewhere = looked_at(window, jnp.asarray(louder), jnp.asarray(seen | np.array([[[True]], [[False]], [[True]]])))
    for name in LEAVES:
        one, other = (np.asarray(getattr(view, name))[1] for view in (together, elsewhere))
        np.testing.assert_array_equal(one, other, err_msg=name)


def sensitivity(window, channels, seen, instant):
    """Whether anything seen from an instant of the first trajectory depends on a sample, by the size of gradients."""

    def of(channels, weights):
        view = looked_at(window, channels, seen)
        leaves = jax.tree.leaves(jax.tree.map(lambda leaf: leaf[0, instant], view))
        return sum(jnp.sum(weight * leaf) for weight, leaf in zip(weights, leaves, strict=True))

    view = looked_at(window, channels, seen)
    rng = np.random.default_rng(0)
    weights = [jnp.asarray(rng.normal(size=leaf.shape[2:]), leaf.dtype) for leaf in jax.tree.leaves(view)]
    return np.asarray(jax.grad(of)(channels, weights))


@pytest.mark.parametrize("past", [1, 20, 31])
def test_a_causal_window_knows_nothing_of_what_is_to_come(past):
    window, instant = window_of(past, 0), 30
    channels, seen = recorded()
    later = np.arange(channels.shape[1]) > instant
    altered = np.where(later[None, :, None], -7 * channels + 3, channels).astype(np.float32)
    other_gaps = np.where(later[None, :, None], ~seen, seen)
    one = looked_at(window, jnp.asarray(channels), jnp.asarray(seen))
    other = looked_at(window, jnp.asarray(altered), jnp.asarray(other_gaps))
    for name in LEAVES:
        np.testing.assert_array_equal(
            np.asarray(getattr(one, name))[:, : instant + 1], np.asarray(getattr(other, name))[:, : instant + 1], name
        )
    gradient = sensitivity(window, jnp.asarray(channels), jnp.ones_like(seen), instant)
    assert np.all(gradient[0, later] == 0)
    assert np.all(gradient[1:] == 0)
    # The roughness of the first sample compares it with the two before it.
    assert np.all(gradient[0, : max(instant - window.past - 2, 0)] == 0)
    assert np.all(gradient[0, instant - window.past : instant + 1] != 0)


def test_a_window_sees_its_future_and_no_more():
    channels, seen = recorded()
    gradient = sensitivity(window_of(5, 9), jnp.asarray(channels), jnp.ones_like(seen), 30)
    assert np.all(gradient[0, 25:40] != 0)
    assert np.all(gradient[0, :23] == 0)
    assert np.all(gradient[0, 40:] == 0)


@pytest.mark.parametrize("held", [np.nan, -np.inf])
def test_what_was_not_measured_may_be_anything(held):
    window, (channels, seen) = window_of(20, 9), recorded()
    poisoned = np.where(seen, channels, np.float32(held))
    clean, found = (looked_at(window, jnp.asarray(each), jnp.asarray(seen)) for each in (channels, poisoned))
    for name in LEAVES:
        np.testing.assert_array_equal(getattr(found, name), getattr(clean, name), err_msg=name)

    def total(channels):
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(looked_at(window, channels, jnp.asarray(seen))))

    gradient = np.asarray(jax.grad(total)(jnp.asarray(poisoned)))
    assert np.all(np.isfinite(gradient))
    assert np.all(gradient[~seen] == 0)
    assert np.all(gradient[seen] != 0)


def test_where_nothing_was_measured_all_is_0():
    view = looked_at(window_of(20, 9), jnp.full((2, 30, 7), jnp.nan), jnp.zeros((2, 30, 7), bool))
    assert all(np.all(np.asarray(leaf) == 0) for leaf in jax.tree.leaves(view))


@pytest.mark.parametrize("size", [0.01, 0.3])
def test_roughness_tells_the_size_of_white_noise_on_a_smooth_signal(size):
    times = np.arange(4000) * 1e-3
    rng = np.random.default_rng(0)
    channels = np.sin(2 * np.pi * 5 * times)[None, :, None] + size * rng.normal(size=(1, 4000, 7))
    view = looked_at(window_of(300, 300), jnp.asarray(channels, jnp.float32), jnp.ones(channels.shape, bool))
    np.testing.assert_allclose(np.exp(np.asarray(view.roughness)[0, 500:-500]), size, rtol=0.3)
    assert np.exp(np.asarray(view.roughness)[0, 500:-500]).mean() == pytest.approx(size, rel=0.02)


def test_instants_may_be_looked_at_in_any_order_and_number():
    window, (channels, seen) = window_of(20, 9), recorded()
    everything = looked_at(window, jnp.asarray(channels), jnp.asarray(seen))
    rows = rows_of(window, *channels.shape[:2])
    picked = [(2, 59), (0, 0), (1, 30), (1, 30)]
    view = surroundings(window, jnp.asarray(channels), jnp.asarray(seen)).at(jnp.asarray([rows[at] for at in picked]))
    assert isinstance(view, View)
    assert view.values.shape == view.seen.shape == (4, window.taps, 7)
    for index, at in enumerate(picked):
        for name in LEAVES:
            one, other = np.asarray(getattr(view, name))[index], np.asarray(getattr(everything, name))[at]
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=name)


def test_rows_count_through_recordings_with_room_on_either_side():
    rows = rows_of(window_of(3, 2), 3, 4)
    np.testing.assert_array_equal(rows, [[3, 4, 5, 6], [12, 13, 14, 15], [21, 22, 23, 24]])
    assert rows.dtype == np.int32
    assert rows_of(window_of(3, 2), 0, 4).shape == (0, 4)
    np.testing.assert_array_equal(rows_of(window_of(0, 0), 2, 2), [[0, 1], [2, 3]])


def test_a_window_of_one_sample_sees_nothing_of_the_trajectory_before():
    window, channels = Window(past=0.0), jax.random.normal(jax.random.key(0), (2, 9, 7))
    rows = jnp.asarray(rows_of(window, 2, 9)[1])
    seen = jnp.ones(channels.shape, bool)
    views = [surroundings(window, some, seen).at(rows) for some in (channels, channels.at[0].add(5.0))]
    for one, other in zip(jax.tree.leaves(views[0]), jax.tree.leaves(views[1]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (views[0].roughness[:2] == 0).all()
