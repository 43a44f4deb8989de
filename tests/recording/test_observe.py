"""From simulated trajectories to recordings of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jrae_jax.column import CHANNELS, Trajectories, to_channels
from jrae_jax.recording import EEG, FULL, PYRAMIDAL, ObservationMask, observe

SIZES = np.array([0.1, 5, 3, 10, 900, 80])


def trajectories(columns=3, times=50, **arguments):
    ys = SIZES * np.random.default_rng(0).normal(size=(columns, times, 6))
    return Trajectories(jnp.asarray(ys, jnp.float32), **{"dt": 1e-3, "t0": 1e-3, **arguments})


def channel_std(found):
    channels = np.asarray(to_channels(found.ys), dtype=float).reshape(-1, 7)
    return channels.std(axis=0)


def test_without_noise_a_recording_is_the_observed_channels():
    found = trajectories(every=4, t0=0.5)
    recording = observe(found, observed=("y1", "eeg"))
    channels = np.asarray(to_channels(found.ys))
    np.testing.assert_array_equal(recording.values[..., [1, 6]], channels[..., [1, 6]])
    np.testing.assert_array_equal(recording.values[..., [0, 2, 3, 4, 5]], 0)
    assert recording.observed.names == ("y1", "eeg")
    np.testing.assert_array_equal(recording.measured, np.broadcast_to(recording.observed.channels, channels.shape))
    np.testing.assert_array_equal(recording.noise_std, np.zeros((3, 7)))
    assert recording.dt == 4e-3
    np.testing.assert_allclose(recording.ts, found.ts, rtol=1e-14)


def test_a_single_trajectory_is_a_single_recording():
    one = trajectories()[1]
    recording = observe(one, observed=EEG)
    assert recording.batch is None
    np.testing.assert_array_equal(recording.values[:, 6], one.eeg)
    np.testing.assert_array_equal(recording.noise_std, np.zeros(7))


@pytest.mark.parametrize("observed", [EEG, PYRAMIDAL, ("y0", "y4"), FULL], ids=repr)
def test_noise_is_the_same_whatever_is_observed(key, observed):
    everything = observe(trajectories(), observed=CHANNELS, noise=0.2, key=key)
    recording = observe(trajectories(), observed=observed, noise=0.2, key=key)
    chosen = np.asarray(recording.observed.channels)
    np.testing.assert_array_equal(recording.values[..., chosen], everything.values[..., chosen])
    np.testing.assert_array_equal(recording.noise_std, everything.noise_std)
    np.testing.assert_array_equal(recording.values[..., ~chosen], 0)


def test_noise_is_gaussian_of_the_fraction_given_in_every_channel(key):
    found = trajectories(times=2000)
    recording = observe(found, observed=CHANNELS, noise=0.05, key=key)
    added = (np.asarray(recording.values, float) - np.asarray(to_channels(found.ys), float)) / channel_std(found)
    for channel in added.reshape(-1, 7).T:
        assert stats.kstest(channel / 0.05, "norm").pvalue > 1e-3
    assert np.max(np.abs(np.corrcoef(added.reshape(-1, 7), rowvar=False) - np.eye(7))) < 0.1
    np.testing.assert_allclose(np.asarray(recording.noise_std), np.tile(0.05 * channel_std(found), (3, 1)), rtol=1e-4)


def test_noise_may_be_given_in_mv_instead(key):
    found = trajectories()
    fraction = observe(found, observed=CHANNELS, noise=0.2, key=key)
    absolute = observe(found, observed=CHANNELS, noise_std=0.2 * channel_std(found), key=key)
    np.testing.assert_allclose(absolute.values, fraction.values, rtol=1e-4, atol=1e-4)
    one = observe(found, observed=EEG, noise_std=0.3, key=key)
    np.testing.assert_array_equal(one.noise_std, np.full((3, 7), np.float32(0.3)))
    normal = jax.random.normal(key, (3, 50, 7))[..., 6]
    np.testing.assert_allclose(one.values[..., 6], found.eeg + 0.3 * normal, rtol=1e-5, atol=1e-5)


def test_noise_may_differ_from_recording_to_recording(key):
    noise_std = np.array([0.1, 0.0, 1.0])[:, None] * np.ones(7)
    recording = observe(trajectories(), observed=EEG, noise_std=noise_std, key=key)
    one = observe(trajectories(), observed=EEG, noise_std=1.0, key=key)
    np.testing.assert_array_equal(recording.noise_std, noise_std.astype(np.float32))
    np.testing.assert_array_equal(recording.values[1, :, 6], trajectories().eeg[1])
    np.testing.assert_array_equal(recording.values[2], one.values[2])


def test_noise_depends_on_the_key():
    one, same, other = (
        observe(trajectories(), observed=EEG, noise=0.1, key=jax.random.key(seed)).values[..., 6] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert np.all(one != other)


def test_observing_is_differentiable_with_a_gradient_of_0_for_what_is_hidden(key):
    found = trajectories()

    def size(ys):
        recording = observe(Trajectories(ys, dt=1e-3), observed=("y0", "eeg"), noise_std=0.1, key=key)
        return jnp.sum(recording.values)

    slopes = jax.jit(jax.grad(size))(found.ys)
    np.testing.assert_array_equal(slopes, np.broadcast_to([1.0, 1, -1, 0, 0, 0], slopes.shape))


def test_even_times_that_were_given_are_a_recording():
    found = trajectories(times=4)
    even = Trajectories(found.ys, dt=1e-3, times=(0.5, 0.502, 0.504, 0.506))
    recording = observe(even, observed=EEG)
    assert recording.dt == pytest.approx(2e-3)
    np.testing.assert_allclose(recording.ts, even.ts)


def at(*times):
    return Trajectories(trajectories(times=len(times)).ys, dt=1e-3, times=times)


def with_value(value, index=(2, 24, 3)):
    found = trajectories()
    return Trajectories(found.ys.at[index].set(value), dt=1e-3, t0=1e-3)


UNEVEN = "`trajectories.ts` must (rise evenly|be the times of two or more)"


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trajectories": np.ones((3, 50, 6))}, "`trajectories` must be an instance of Trajectories"),
        ({"trajectories": at(0.0, 1e-3, 2.45e-3, 3e-3)}, UNEVEN),
        ({"trajectories": at(0.0, 1e-3, 2e-3, 10e-3)}, UNEVEN),
        ({"trajectories": at(0.5)}, UNEVEN),
        (
            {"trajectories": with_value(np.nan)},
            "`trajectories` must be finite, got y3 = nan in trajectory 2 at",
        ),
        ({"trajectories": with_value(-np.inf)[2]}, r"`trajectories` must be finite, got y3 = -inf at t = 0\.025 s"),
        ({"observed": "v"}, "`observed` must be one of .*, got 'v'"),
        ({"observed": ObservationMask(np.zeros(7, bool))}, "`observed` must observe at least one of"),
        ({"noise": -0.1}, r"`noise` must be a fraction .*, 0 or more, got -0\.1"),
        ({"noise": np.nan}, "`noise` must be a fraction .*, 0 or more, got nan"),
        ({"noise": np.inf}, "`noise` must be a fraction .*, 0 or more, got inf"),
        ({"noise": 0.1, "noise_std": 0.1}, r"`noise` and `noise_std` exclude each other, got 0\.1 and 0\.1"),
        ({"noise_std": -0.1}, "`noise_std` must be finite and not negative, got -0.1"),
        ({"noise_std": np.ones(6)}, r"`noise_std` must be one number or 7, one a channel, got shape \(6,\)"),
        ({"noise": 0.1, "key": None}, "`key` must be a PRNG key where there is sensor noise, got None"),
        ({"noise_std": 0.1, "key": None}, "`key` must be a PRNG key where there is sensor noise, got None"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    arguments = {"trajectories": trajectories(), "observed": EEG, "key": jax.random.key(0), **arguments}
    with pytest.raises(ValueError, match=message):
        observe(arguments.pop("trajectories"), **arguments)
