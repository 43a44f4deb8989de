import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jrae_jax.column import CHANNELS, Trajectories, to_channels
from jrae_jax.recording import EEG, FULL, ObservationMask, Split, Standardizer, make_dataset

TIMES = 40


def marked(trajectories=5):
    """Trajectories in which every value says from which trajectory and which instant it comes."""
    instants = np.arange(TIMES, dtype=np.float32)
    ys = np.empty((trajectories, TIMES, 6), dtype=np.float32)
    for trajectory in range(trajectories):
        for state in range(6):
            ys[trajectory, :, state] = 1000 * trajectory + instants * (state + 1)
    return Trajectories(jnp.asarray(ys), dt=1e-3, t0=1e-3)


def random(trajectories=4, times=TIMES, seed=0):
    scale, offset = np.array([0.1, 5, 3, 10, 900, 80]), np.array([0.2, 20, 12, 0, 3, -1])
    ys = offset + scale * np.random.default_rng(seed).normal(size=(trajectories, times, 6))
    return Trajectories(jnp.asarray(ys, dtype=jnp.float32), dt=1e-3, t0=1e-3)


def mean_and_std(trajectories, *, count, every=1, start=0):
    """Mean and standard deviation of the seven channels, by NumPy in double precision."""
    ys = np.asarray(trajectories.ys, dtype=float)[:count, start::every].reshape(-1, 6)
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


@pytest.mark.parametrize(("held_out", "validation"), [(0, 0), (3, 0), (0, 1), (2, 3)])
def test_the_parts_together_are_all_trajectories(held_out, validation):
    trajectories = marked(7)
    dataset = make_dataset(trajectories, observed=CHANNELS, held_out=held_out, validation=validation)
    parts = [part for part in (dataset.train, dataset.validation, dataset.held_out) if part is not None]
    np.testing.assert_array_equal(np.concatenate([part.states for part in parts]), trajectories.ys)
    np.testing.assert_array_equal(
        np.concatenate([part.recording.values for part in parts]), to_channels(trajectories.ys)
    )
    assert (dataset.validation is None) == (validation == 0)
    assert (dataset.held_out is None) == (held_out == 0)
    assert dataset.train.states.shape[0] == 7 - held_out - validation


def test_a_single_trajectory_is_all_training():
    one = random(1)
    dataset = make_dataset(one[0], observed=EEG, held_out=0)
    np.testing.assert_array_equal(dataset.train.states, one.ys)
    assert dataset.validation is None
    assert dataset.held_out is None


def test_the_mask_is_what_was_asked_for():
    dataset = make_dataset(random(), observed=("eeg", "y3"), held_out=1, validation=1)
    assert dataset.observed.names == ("y3", "eeg")
    for part in (dataset.train, dataset.validation, dataset.held_out):
        assert part is not None
        assert part.recording.observed.names == ("y3", "eeg")
        np.testing.assert_array_equal(part.recording.measured.any(axis=(0, 1)), dataset.observed.channels)
        np.testing.assert_array_equal(part.recording.values[..., [0, 1, 2, 4, 5]], 0)


def test_the_standardizer_is_fitted_to_the_training_trajectories_alone():
    trajectories = random(4)
    elsewhere = Trajectories(trajectories.ys.at[2:].multiply(17.0), dt=1e-3)
    one, other = (make_dataset(data, observed=FULL, held_out=1, validation=1) for data in (trajectories, elsewhere))
    np.testing.assert_array_equal(one.standardizer.mean, other.standardizer.mean)
    np.testing.assert_array_equal(one.standardizer.std, other.standardizer.std)
    mean, std = mean_and_std(trajectories, count=2)
    np.testing.assert_allclose(one.standardizer.mean, mean, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(one.standardizer.std, std, rtol=1e-5)


def test_the_standardizer_is_fitted_to_what_training_uses():
    trajectories = random(3)
    dataset = make_dataset(trajectories, observed=FULL, held_out=1, train_every=3, burn_in=0.01)
    mean, std = mean_and_std(trajectories, count=2, every=3, start=10)
    np.testing.assert_allclose(dataset.standardizer.mean, mean, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(dataset.standardizer.std, std, rtol=1e-5)


def test_standardized_training_data_have_mean_0_and_standard_deviation_1():
    dataset = make_dataset(random(), observed=CHANNELS, held_out=1)
    standardized = np.asarray(dataset.standardizer.standardize(dataset.train.recording.values)).reshape(-1, 7)
    np.testing.assert_allclose(standardized.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(standardized.std(axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize(("burn_in", "first"), [(0.0, 0), (0.001, 1), (0.0101, 11), (0.03, 30)])
def test_burn_in_is_dropped_from_every_part(burn_in, first):
    trajectories = marked(3)
    dataset = make_dataset(trajectories, observed=FULL, held_out=1, validation=1, burn_in=burn_in)
    for index, part in enumerate((dataset.train, dataset.validation, dataset.held_out)):
        assert part is not None
        np.testing.assert_array_equal(part.states[0], trajectories.ys[index, first:])
        np.testing.assert_array_equal(part.recording.values[0, :, :6], trajectories.ys[index, first:])


def test_burn_in_counts_from_the_first_sample():
    trajectories = marked(2)
    later = Trajectories(trajectories.ys, dt=1e-3, t0=7.0)
    dataset = make_dataset(later, observed=FULL, held_out=1, burn_in=0.01)
    np.testing.assert_array_equal(dataset.train.states[0], trajectories.ys[0, 10:])


def test_recordings_stay_whole_whatever_is_trained_on():
    trajectories = marked(3)
    dataset = make_dataset(trajectories, observed=FULL, held_out=1, validation=1, train_every=7, burn_in=0.003)
    for index, part in enumerate((dataset.train, dataset.validation, dataset.held_out)):
        assert part is not None
        np.testing.assert_array_equal(part.states[0], trajectories.ys[index, 3:])


def standardized_noise(split: Split | None, standardizer: Standardizer):
    """What was added to the true channels, in standard deviations of each channel."""
    assert split is not None
    added = np.asarray(split.recording.values, dtype=float) - np.asarray(to_channels(split.states), dtype=float)
    return (added / np.asarray(standardizer.std, dtype=float)).reshape(-1, 7)


def test_sensor_noise_is_gaussian_of_the_size_asked_for_in_every_part():
    trajectories = random(6, times=1000)
    dataset = make_dataset(trajectories, observed=CHANNELS, held_out=2, validation=2, noise=0.05, key=jax.random.key(3))
    parts = [
        standardized_noise(part, dataset.standardizer) for part in (dataset.train, dataset.validation, dataset.held_out)
    ]
    for channel in np.concatenate(parts, axis=1).T:
        assert stats.kstest(channel / 0.05, "norm").pvalue > 1e-3
    correlations = np.asarray(np.corrcoef(np.concatenate(parts, axis=1), rowvar=False))
    assert np.max(np.abs(correlations - np.eye(21))) < 0.1


def test_sensor_noise_leaves_the_true_states_and_the_standardizer_alone():
    trajectories = random()
    clean = make_dataset(trajectories, observed=FULL, held_out=1)
    noisy = make_dataset(trajectories, observed=FULL, held_out=1, noise=0.5, key=jax.random.key(0))
    assert clean.held_out is not None
    assert noisy.held_out is not None
    np.testing.assert_array_equal(noisy.train.states, clean.train.states)
    np.testing.assert_array_equal(noisy.held_out.states, clean.held_out.states)
    np.testing.assert_array_equal(noisy.standardizer.std, clean.standardizer.std)
    np.testing.assert_array_equal(noisy.standardizer.mean, clean.standardizer.mean)


def test_sensor_noise_is_a_function_of_the_key_and_the_sizes_alone(key):
    """Whatever is observed; and known to the recording."""
    trajectories = random()
    normal = jax.random.normal(key, (4, TIMES, 7))
    for observed in (FULL, EEG, ("y0", "eeg")):
        dataset = make_dataset(trajectories, observed=observed, held_out=1, noise=0.1, key=key)
        noisy = to_channels(trajectories.ys) + 0.1 * jnp.broadcast_to(dataset.standardizer.std, (4, TIMES, 7)) * normal
        assert dataset.held_out is not None
        for split, expected in ((dataset.train, noisy[:3]), (dataset.held_out, noisy[3:])):
            found = split.recording
            np.testing.assert_allclose(found.values, jnp.where(found.measured, expected, 0), rtol=1e-6, atol=1e-5)
            noise_std = np.broadcast_to(0.1 * dataset.standardizer.std, (len(found), 7))
            np.testing.assert_allclose(np.asarray(found.noise_std), noise_std, rtol=1e-6)


def test_recordings_have_the_sampling_interval_of_the_trajectories():
    dataset = make_dataset(Trajectories(random().ys, dt=1e-3, every=5), observed=EEG, held_out=1)
    assert dataset.dt == dataset.train.recording.dt == 5e-3


def test_repr_has_the_sizes_of_the_parts():
    dataset = make_dataset(random(), observed=EEG, held_out=1, validation=1)
    assert repr(dataset) == (
        "Dataset(train 2, validation 1, held_out 1 trajectories, each "
        "Recording(eeg: 40 samples at 1000 Hz, noise_std 0))"
    )


def with_value(value, index=(2, 24, 3)):
    return Trajectories(random().ys.at[index].set(value), dt=1e-3, t0=1e-3)


def with_equal_potentials():
    """The difference of `y1` and `y2` is only rounding."""
    y2 = 100 * np.random.default_rng(0).normal(size=(2, TIMES, 1))
    others = np.random.default_rng(1).normal(size=(2, TIMES, 3))
    ys = np.concatenate([others[..., :1], y2, y2, others], axis=-1)
    return Trajectories(jnp.asarray(ys, jnp.float32), dt=1e-3)


HUGE = Trajectories(jnp.asarray(1e25 * np.random.default_rng(0).normal(size=(2, TIMES, 6)), jnp.float32), dt=1e-3)
CONSTANT = "`trajectories` must vary, got a constant y3 over the training data"
JITTER = tuple((1e-3 * np.arange(TIMES) + 4.5e-4 * (np.arange(TIMES) % 2)).tolist())
GAP = tuple((1e-3 * np.arange(TIMES) + 0.01 * (np.arange(TIMES) > 20)).tolist())


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"held_out": 4}, r"`held_out` \+ `validation` must leave a trajectory to train on, got 4 \+ 0 of 4"),
        ({"held_out": 2, "validation": 2}, r"got 2 \+ 2 of 4"),
        ({"held_out": -1}, "`held_out` must be a whole number of at least 0, got -1"),
        ({"validation": -1}, "`validation` must be a whole number of at least 0, got -1"),
        ({"train_every": 0}, "`train_every` must be a whole number of at least 1, got 0"),
        ({"burn_in": -0.001}, r"`burn_in` must be from 0 to less than the 0\.039 s .*, got -0\.001 s"),
        ({"burn_in": 0.039}, r"`burn_in` must be from 0 to less than the 0\.039 s .*, got 0\.039 s"),
        ({"noise": 0.1}, "`key` must be a PRNG key where there is sensor noise, got None"),
        ({"noise": -0.1}, r"`noise` must be a fraction .*, 0 or more, got -0\.1"),
        ({"noise": float("nan")}, "`noise` must be a fraction .*, 0 or more, got nan"),
        ({"observed": ()}, "`observed` must name at least one"),
        ({"observed": ObservationMask(np.zeros(7, dtype=bool))}, "`observed` must observe at least one"),
        ({"trajectories": random().ys}, "`trajectories` must be an instance of Trajectories"),
        (
            {"trajectories": with_value(np.nan)},
            r"`trajectories` must be finite, got y3 = nan in trajectory 2 at t = 0\.025 s",
        ),
        ({"trajectories": with_value(-np.inf)}, "`trajectories` must be finite, got y3 = -inf in trajectory 2"),
        ({"trajectories": with_value(0.0, np.s_[:3, :, 3])}, CONSTANT),
        ({"trajectories": with_value(-12.7, np.s_[:3, :, 3])}, CONSTANT),
        ({"trajectories": with_equal_potentials()}, "`trajectories` must vary, got a constant eeg over the training"),
        ({"trajectories": HUGE}, "`trajectories` must have a finite variance, got a standard deviation of inf in y0"),
        *[
            ({"trajectories": Trajectories(random().ys, dt=1e-3, times=times)}, "`trajectories.ts` must rise evenly")
            for times in (JITTER, GAP)
        ],
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    arguments = {"trajectories": random(), "observed": FULL, "held_out": 1, **arguments}
    with pytest.raises(ValueError, match=message):
        make_dataset(arguments.pop("trajectories"), **arguments)
