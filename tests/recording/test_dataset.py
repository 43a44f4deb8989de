import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from jrae_jax import (
    EEG,
    FULL,
    PYRAMIDAL,
    ObservationMask,
    Split,
    Standardizer,
    Trajectories,
    make_dataset,
    to_channels,
)

TIMES = 40


def marked(trajectories=5):
    """Trajectories that tell in every value which trajectory and which instant it comes from."""
    instants = np.arange(TIMES, dtype=np.float32)
    ys = np.empty((trajectories, TIMES, 6), dtype=np.float32)
    for trajectory in range(trajectories):
        for state in range(6):
            ys[trajectory, :, state] = 1000 * trajectory + instants * (state + 1)
    return Trajectories(jnp.arange(1, TIMES + 1, dtype=jnp.float32) * 0.001, jnp.asarray(ys))


def random(trajectories=4, times=TIMES, seed=0):
    scale, offset = np.array([0.1, 5, 3, 10, 900, 80]), np.array([0.2, 20, 12, 0, 3, -1])
    ys = offset + scale * np.random.default_rng(seed).normal(size=(trajectories, times, 6))
    return Trajectories(jnp.arange(1, times + 1, dtype=jnp.float32) * 0.001, jnp.asarray(ys, dtype=jnp.float32))


def own_of(recordings, *, trajectories, every=1, start=0):
    """Mean and standard deviation of the seven channels, by NumPy in double precision."""
    ys = np.asarray(recordings.ys, dtype=float)[:trajectories, start::every].reshape(-1, 6)
    channels = np.column_stack([ys, ys[:, 1] - ys[:, 2]])
    return channels.mean(axis=0), channels.std(axis=0)


def sources(split: Split | None):
    assert split is not None
    return set(np.unique(np.asarray(split.states[..., 0]) // 1000).astype(int).tolist())


def test_whole_trajectories_are_held_out():
    dataset = make_dataset(marked(5), observed=FULL, held_out=2, validation=1)
    assert sources(dataset.train) == {0, 1}
    assert sources(dataset.validation) == {2}
    assert sources(dataset.held_out) == {3, 4}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 3), st.integers(0, 3))
def test_the_parts_together_are_the_recordings(held_out, validation):
    recordings = marked(7)
    dataset = make_dataset(recordings, observed=FULL, held_out=held_out, validation=validation)
    parts = [part for part in (dataset.train, dataset.validation, dataset.held_out) if part is not None]
    np.testing.assert_array_equal(np.concatenate([part.states for part in parts]), recordings.ys)
    np.testing.assert_array_equal(np.concatenate([part.recording for part in parts]), to_channels(recordings.ys))
    assert (dataset.validation is None) == (validation == 0)
    assert (dataset.held_out is None) == (held_out == 0)
    assert dataset.train.states.shape[0] == 7 - held_out - validation


def test_a_single_trajectory_is_all_training():
    one = random(1)
    dataset = make_dataset(Trajectories(one.ts, one.ys[0]), observed=EEG, held_out=0)
    np.testing.assert_array_equal(dataset.train.states, one.ys)
    assert dataset.validation is None
    assert dataset.held_out is None


def test_the_mask_is_what_was_asked_for():
    assert make_dataset(random(), observed=PYRAMIDAL, held_out=1).mask.names == ("y0",)
    assert make_dataset(random(), observed=("eeg", "y3"), held_out=1).mask.names == ("y3", "eeg")


def test_the_standardizer_is_fitted_to_the_training_trajectories_alone():
    recordings = random(4)
    elsewhere = Trajectories(recordings.ts, recordings.ys.at[2:].multiply(17.0))
    one, other = (make_dataset(data, observed=FULL, held_out=1, validation=1) for data in (recordings, elsewhere))
    np.testing.assert_array_equal(one.standardizer.mean, other.standardizer.mean)
    np.testing.assert_array_equal(one.standardizer.std, other.standardizer.std)
    mean, std = own_of(recordings, trajectories=2)
    np.testing.assert_allclose(one.standardizer.mean, mean, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(one.standardizer.std, std, rtol=1e-5)


def test_the_standardizer_is_fitted_to_what_training_uses():
    recordings = random(3)
    dataset = make_dataset(recordings, observed=FULL, held_out=1, train_every=3, burn_in=0.01)
    mean, std = own_of(recordings, trajectories=2, every=3, start=10)
    np.testing.assert_allclose(dataset.standardizer.mean, mean, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(dataset.standardizer.std, std, rtol=1e-5)


def test_standardized_training_data_have_mean_0_and_standard_deviation_1():
    dataset = make_dataset(random(), observed=FULL, held_out=1)
    standardized = np.asarray(dataset.standardizer.standardize(dataset.train.recording)).reshape(-1, 7)
    np.testing.assert_allclose(standardized.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(standardized.std(axis=0), 1, rtol=1e-5)


def test_destandardize_undoes_standardize():
    dataset = make_dataset(random(), observed=FULL, held_out=1)
    standardized = dataset.standardizer.standardize(dataset.train.recording)
    back = dataset.standardizer.destandardize(standardized[..., :6])
    np.testing.assert_allclose(back, dataset.train.states, rtol=1e-5, atol=1e-4)


def test_the_eeg_of_standardized_states_is_the_standardized_eeg():
    dataset = make_dataset(random(), observed=FULL, held_out=1)
    standardized = dataset.standardizer.standardize(to_channels(dataset.train.states))
    np.testing.assert_allclose(dataset.standardizer.with_eeg(standardized[..., :6]), standardized, atol=1e-5)


@pytest.mark.parametrize(("burn_in", "first"), [(0.0, 0), (0.001, 1), (0.0101, 11), (0.03, 30)])
def test_burn_in_is_dropped_from_every_part(burn_in, first):
    recordings = marked(3)
    dataset = make_dataset(recordings, observed=FULL, held_out=1, validation=1, burn_in=burn_in)
    for index, part in enumerate((dataset.train, dataset.validation, dataset.held_out)):
        assert part is not None
        np.testing.assert_array_equal(part.states[0], recordings.ys[index, first:])
        np.testing.assert_array_equal(part.recording[0, :, :6], recordings.ys[index, first:])


def test_burn_in_counts_from_the_first_sample():
    recordings = marked(2)
    later = Trajectories(recordings.ts + 7.0, recordings.ys)
    dataset = make_dataset(later, observed=FULL, held_out=1, burn_in=0.01)
    np.testing.assert_array_equal(dataset.train.states[0], recordings.ys[0, 10:])


def test_recordings_stay_whole_whatever_is_trained_on():
    recordings = marked(3)
    dataset = make_dataset(recordings, observed=FULL, held_out=1, validation=1, train_every=7, burn_in=0.003)
    for index, part in enumerate((dataset.train, dataset.validation, dataset.held_out)):
        assert part is not None
        np.testing.assert_array_equal(part.states[0], recordings.ys[index, 3:])


def noise_of(split: Split | None, standardizer: Standardizer):
    """What was added to the true channels, in standard deviations of each channel."""
    assert split is not None
    added = np.asarray(split.recording, dtype=float) - np.asarray(to_channels(split.states), dtype=float)
    return (added / np.asarray(standardizer.std, dtype=float)).reshape(-1, 7)


def test_sensor_noise_is_gaussian_of_the_size_asked_for_in_every_part():
    recordings = random(6, times=1000)
    dataset = make_dataset(recordings, observed=FULL, held_out=2, validation=2, noise=0.05, key=jax.random.key(3))
    parts = [noise_of(part, dataset.standardizer) for part in (dataset.train, dataset.validation, dataset.held_out)]
    for channel in np.concatenate(parts, axis=1).T:
        assert stats.kstest(channel / 0.05, "norm").pvalue > 1e-3
    correlations = np.asarray(np.corrcoef(np.concatenate(parts, axis=1), rowvar=False))
    assert np.max(np.abs(correlations - np.eye(21))) < 0.1


def test_sensor_noise_leaves_the_true_states_and_the_standardizer_alone():
    recordings = random()
    clean = make_dataset(recordings, observed=FULL, held_out=1)
    noisy = make_dataset(recordings, observed=FULL, held_out=1, noise=0.5, key=jax.random.key(0))
    assert clean.held_out is not None
    assert noisy.held_out is not None
    np.testing.assert_array_equal(noisy.train.states, clean.train.states)
    np.testing.assert_array_equal(noisy.held_out.states, clean.held_out.states)
    np.testing.assert_array_equal(noisy.standardizer.std, clean.standardizer.std)
    np.testing.assert_array_equal(noisy.standardizer.mean, clean.standardizer.mean)


def test_sensor_noise_depends_on_the_key():
    one, same, other = (
        make_dataset(random(), observed=FULL, held_out=1, noise=0.1, key=jax.random.key(seed)).train.recording
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert np.all(np.asarray(one) != np.asarray(other))


@pytest.mark.parametrize(
    ("bad", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")], ids=["nan", "inf", "minus inf"]
)
def test_a_value_that_is_not_finite_is_refused_by_trajectory_and_time(bad, shown):
    recordings = random()
    recordings = Trajectories(recordings.ts, recordings.ys.at[2, 24, 3].set(bad))
    message = rf"`recordings` must be finite, got y3 = {shown} in trajectory 2 at t = 0\.025 s"
    with pytest.raises(ValueError, match=message):
        make_dataset(recordings, observed=FULL, held_out=2)


@pytest.mark.parametrize("constant", [0.0, 0.5, 0.1, -12.7])
def test_a_constant_signal_is_refused(constant):
    recordings = random()
    recordings = Trajectories(recordings.ts, recordings.ys.at[:2, :, 3].set(constant))
    with pytest.raises(ValueError, match="`recordings` must vary, got a constant y3 over the training data"):
        make_dataset(recordings, observed=PYRAMIDAL, held_out=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"held_out": 4}, r"`held_out` \+ `validation` must leave a trajectory to train on, got 4 \+ 0 of 4"),
        ({"held_out": 2, "validation": 2}, r"got 2 \+ 2 of 4"),
        ({"held_out": -1}, "`held_out` must be a whole number of at least 0, got -1"),
        ({"held_out": 1, "validation": -1}, "`validation` must be a whole number of at least 0, got -1"),
        ({"held_out": 1, "train_every": 0}, "`train_every` must be a whole number of at least 1, got 0"),
        ({"held_out": 1, "burn_in": -0.001}, r"`burn_in` must be from 0 to less than the 0\.039 s .*, got -0\.001 s"),
        ({"held_out": 1, "burn_in": 0.039}, r"`burn_in` must be from 0 to less than the 0\.039 s .*, got 0\.039 s"),
        ({"held_out": 1, "noise": 0.1}, r"`key` must be a PRNG key when `noise` is 0\.1, got None"),
        ({"held_out": 1, "noise": -0.1}, r"`noise` must be a fraction .*, 0 or more, got -0\.1"),
        ({"held_out": 1, "noise": float("nan")}, "`noise` must be a fraction .*, 0 or more, got nan"),
        ({"held_out": 1, "observed": ()}, "`observed` must name at least one"),
        ({"held_out": 1, "observed": ObservationMask(np.zeros(7, dtype=bool))}, "`observed` must show at least one"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(random(), **{"observed": FULL, **arguments})


def test_a_standardizer_needs_signals_that_vary():
    channels = jnp.ones((1, 8, 7)).at[..., :6].set(jax.random.normal(jax.random.key(0), (1, 8, 6)))
    with pytest.raises(ValueError, match="got a constant eeg over the training data"):
        Standardizer.fitted_to(channels)


def test_a_difference_that_is_only_rounding_is_constant():
    y2 = 100 * np.random.default_rng(0).normal(size=(2, TIMES, 1)).astype(np.float32)
    others = np.random.default_rng(1).normal(size=(2, TIMES, 3))
    ys = np.concatenate([others[..., :1], y2, y2, others], axis=-1)
    times = jnp.linspace(0, 1, TIMES)
    with pytest.raises(ValueError, match="got a constant eeg over the training data"):
        make_dataset(Trajectories(times, jnp.asarray(ys, jnp.float32)), observed=EEG, held_out=1)


def test_values_too_large_to_square_are_refused():
    ys = 1e25 * np.random.default_rng(0).normal(size=(2, TIMES, 6))
    with pytest.raises(
        ValueError, match="`recordings` must have a finite variance, got a standard deviation of inf in y0"
    ):
        make_dataset(Trajectories(jnp.linspace(0, 1, TIMES), jnp.asarray(ys, jnp.float32)), observed=EEG, held_out=1)
