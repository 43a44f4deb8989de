"""Recordings: what sensors gave, and what of it was measured."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import CHANNELS, to_channels
from jrae_jax.recording import EEG, FULL, ObservationMask, Recording, RecordingInfo

NAN = np.nan
RANDOM = np.random.default_rng(0)
SIGNALS = {name: RANDOM.normal(size=(2, 5)).astype(np.float32) for name in ("y0", "eeg")}


def batch(**arguments):
    return Recording.of(**{**SIGNALS, "dt": 1e-3, "noise_std": 0.1, **arguments})


def all_finite(recording):
    return all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(recording))


@pytest.mark.parametrize("shape", [(5,), (2, 5)])
def test_signals_stand_in_their_channels_and_nothing_is_measured_elsewhere(shape):
    v, y0 = (RANDOM.normal(size=shape).astype(np.float32) for _ in range(2))
    recording = Recording.of(eeg=v, y0=y0, dt=1e-3)
    assert recording.observed.names == ("y0", "eeg")
    assert recording.values.shape == recording.measured.shape == (*shape, 7)
    np.testing.assert_array_equal(recording.values[..., 0], y0)
    np.testing.assert_array_equal(recording.values[..., 6], v)
    np.testing.assert_array_equal(recording.values[..., 1:6], 0)
    np.testing.assert_array_equal(recording.measured, np.broadcast_to(recording.observed.channels, (*shape, 7)))
    assert recording.noise_std is None
    assert recording.batch == (None if len(shape) == 1 else 2)


def test_whole_numbers_are_a_recording():
    recording = Recording.of(eeg=np.array([1, 2]), y0=np.array([3, 4]), dt=1.0)
    np.testing.assert_array_equal(recording.values[:, [0, 6]], [[3, 1], [4, 2]])
    assert recording.values.dtype == jnp.float32


def test_nan_is_not_measured_and_is_nowhere_inside():
    recording = Recording.of(eeg=np.array([[1.0, NAN, 3.0], [NAN, NAN, 6.0]]), y0=np.ones((2, 3)), dt=1e-3)
    assert all_finite(recording)
    np.testing.assert_array_equal(recording.values[..., 6], [[1, 0, 3], [0, 0, 6]])
    np.testing.assert_array_equal(recording.measured[..., 6], [[True, False, True], [False, False, True]])
    assert np.all(recording.measured[..., 0])
    given = recording.with_missing_as_nan()
    assert given.dtype == np.float64
    np.testing.assert_array_equal(given[..., 6], [[1, NAN, 3], [NAN, NAN, 6]])
    assert np.all(np.isnan(given[..., 1:6]))


def test_an_array_of_the_states_or_of_the_channels_is_a_recording():
    ys = jnp.asarray(RANDOM.normal(size=(2, 5, 6)), jnp.float32)
    states, channels = (
        Recording.from_array(values, observed=("y3", "eeg"), dt=1e-3) for values in (ys, to_channels(ys))
    )
    assert eqx.tree_equal(states, channels)
    np.testing.assert_array_equal(states.values[..., [3, 6]], to_channels(ys)[..., [3, 6]])
    np.testing.assert_array_equal(states.values[..., [0, 1, 2, 4, 5]], 0)


def test_states_with_missing_values_make_an_eeg_with_missing_values():
    ys = jnp.ones((5, 6)).at[2, 1].set(NAN)
    recording = Recording.from_array(ys, observed=CHANNELS, dt=1e-3)
    assert all_finite(recording)
    missing = np.argwhere(~np.asarray(recording.measured))
    np.testing.assert_array_equal(missing, [[2, 1], [2, 6]])


@pytest.mark.parametrize("channels", [6, 7])
def test_gradients_are_finite_and_0_for_what_is_hidden_or_missing(channels):
    values = jnp.asarray(RANDOM.normal(size=(4, channels)), jnp.float32).at[1, 0].set(NAN)

    def size(values):
        return jnp.sum(jnp.exp(Recording.from_array(values, observed=("y0", "y4"), dt=1e-3).values))

    slopes = np.asarray(jax.grad(size)(values))
    expected = np.zeros((4, channels))
    expected[:, [0, 4]] = np.exp(np.asarray(values)[:, [0, 4]])
    expected[1, 0] = 0
    np.testing.assert_allclose(slopes, expected, rtol=1e-6)
    assert np.all(slopes[expected == 0] == 0)


@pytest.mark.parametrize(
    ("noise_std", "expected"),
    [
        (0.5, np.full((2, 7), 0.5)),
        (np.arange(7.0), np.tile(np.arange(7.0), (2, 1))),
        (np.arange(14.0).reshape(2, 7), np.arange(14.0).reshape(2, 7)),
    ],
    ids=["one number", "one a channel", "one a recording and channel"],
)
def test_noise_is_given_for_each_recording_and_channel(noise_std, expected):
    np.testing.assert_array_equal(batch(noise_std=noise_std).noise_std, expected)


def test_a_single_recording_has_one_noise_a_channel():
    recording = Recording.of(eeg=np.ones(5), dt=1e-3, noise_std=0.5)
    np.testing.assert_array_equal(recording.noise_std, np.full(7, 0.5))


def test_times_are_in_double_precision_from_the_start_given():
    info = RecordingInfo(("O1",), "uV", (0.5, 100.0), "linked ears", start=8388.0)
    recording = Recording.of(eeg=np.arange(1000), dt=1e-3, info=info)
    assert recording.ts[0] == 8388
    np.testing.assert_allclose(np.diff(recording.ts), 1e-3, rtol=0, atol=2 * np.spacing(8388.0))
    np.testing.assert_array_equal(batch().ts, 1e-3 * np.arange(5))


def test_vmap_over_the_axes_gives_each_recording_its_values_and_the_mask_they_have_in_common():
    recordings = batch()

    def observed_sum(recording):
        assert recording.batch is None
        return jnp.sum(jnp.where(recording.observed.channels, recording.values, 0)) + recording.noise_std[0]

    together = jax.vmap(observed_sum, in_axes=(recordings.axes,))(recordings)
    np.testing.assert_allclose(together, [observed_sum(recording) for recording in recordings], rtol=1e-6)
    assert jax.tree.leaves(recordings[0].axes) == []
    assert jax.tree.leaves(batch(noise_std=None).axes) == [0, 0]


def test_masks_of_several_kinds_can_be_stacked():
    kinds = [Recording.of(**{name: SIGNALS[name][0]}, dt=1e-3) for name in SIGNALS]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *kinds)
    total = jax.vmap(lambda recording: jnp.sum(jnp.where(recording.observed.channels, recording.values, 0)))(stacked)
    np.testing.assert_allclose(total, [signal[0].sum() for signal in SIGNALS.values()], rtol=1e-5)


def test_parts_of_a_batch():
    recordings = batch(noise_std=np.arange(14.0).reshape(2, 7))
    assert len(recordings) == 2
    for index in (1, -1):
        one = recordings[index]
        np.testing.assert_array_equal(one.values, recordings.values[1])
        np.testing.assert_array_equal(one.noise_std, np.arange(7.0, 14.0))
        assert (one.batch, one.dt, one.observed.names) == (None, 1e-3, ("y0", "eeg"))
    assert len(recordings[:1]) == 1
    assert batch(noise_std=None)[0].noise_std is None
    for index in (2, -3):
        with pytest.raises(IndexError):
            recordings[index]
    with pytest.raises(TypeError, match="a single Recording has no length"):
        len(recordings[0])


def test_a_single_recording_becomes_a_batch_of_one():
    recordings = batch()
    assert recordings.batched() is recordings
    assert eqx.tree_equal(recordings[1].batched(), recordings[1:])
    assert batch(noise_std=None)[0].batched().noise_std is None


def test_a_dataset_has_names_units_and_nan_where_nothing_was_measured():
    dataset = Recording.of(y4=np.array([[1.0, NAN]]), eeg=np.array([[3.0, 4.0]]), dt=0.5).to_dataset()
    assert list(dataset.data_vars) == ["y4", "eeg"]
    assert dict(dataset.sizes) == {"recording": 1, "time": 2}
    np.testing.assert_array_equal(dataset.y4, [[1, NAN]])
    np.testing.assert_array_equal(dataset.time, [0, 0.5])
    units = {str(name): variable.attrs["units"] for name, variable in dataset.variables.items()}
    assert units == {"y4": "mV/s", "eeg": "mV", "time": "s"}
    assert batch()[0].to_dataset().eeg.dims == ("time",)
    noisy = batch(noise_std=0.25, info=RecordingInfo(("O1",), "uV", (0.5, 45.0), None, 3.0)).to_dataset()
    np.testing.assert_array_equal(noisy.eeg_noise_std, [0.25, 0.25])
    assert noisy.eeg_noise_std.attrs["units"] == "mV"
    assert noisy.attrs == {"names": "O1", "band": (0.5, 45.0)}
    named = batch(info=RecordingInfo(("O1", "O2"), line_freq=50.0))
    assert list(named.to_dataset().recording.values) == ["O1", "O2"]
    assert named.to_dataset().attrs == {"line_freq": 50.0}
    assert named[1].to_dataset().attrs == {"line_freq": 50.0, "names": "O2"}
    assert (named[:1].info or RecordingInfo()).names == ("O1",)
    assert batch()[0].to_dataset().y0_noise_std.dims == ()


def test_repr_has_channels_sizes_missing_values_and_noise():
    assert repr(batch()) == "Recording(y0, eeg: 2 x 5 samples at 1000 Hz, noise_std 0.1, 0.1)"
    one = Recording.of(eeg=np.array([1, NAN, 3, 4]), dt=4e-3)
    assert repr(one) == "Recording(eeg: 4 samples at 250 Hz, 25.0% missing, noise_std unknown)"
    texts = []
    jax.eval_shape(lambda recording: texts.append(repr(recording)), one)
    assert texts == ["Recording(traced: 4 samples at 250 Hz, noise_std unknown)"]


def test_a_recording_goes_through_jit():
    recordings = batch()
    assert eqx.tree_equal(eqx.filter_jit(lambda recording: recording)(recordings), recordings)


def of(**arguments):
    return lambda: Recording.of(**{"eeg": np.ones(4), "dt": 1e-3, **arguments})


def from_array(values, **arguments):
    return lambda: Recording.from_array(values, **{"observed": FULL, "dt": 1e-3, **arguments})


INFINITE = np.ones((2, 4, 7))
INFINITE[1, 2, 3] = np.inf
HIDDEN_INFINITE = np.where(np.arange(7) == 3, np.inf, np.ones((4, 7)))


def test_what_is_hidden_may_be_infinite():
    assert all_finite(Recording.from_array(HIDDEN_INFINITE, observed=EEG, dt=1e-3))


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (of(v=np.ones(4)), "`signals` must be one of 'y0', .*'eeg', got 'v'"),
        (lambda: Recording.of(dt=1e-3), "`signals` must name at least one of y0, .*, got none"),
        (of(y0=np.ones(5)), r"`signals` must have one shape, got \{'eeg': \(4,\), 'y0': \(5,\)\}"),
        (of(eeg=1.0), r"`signals` must have shape \(time,\) or \(batch, time\), got \{'eeg': \(\)\}"),
        (of(eeg=np.ones((1, 2, 3))), r"`signals` must have shape \(time,\) or \(batch, time\)"),
        (of(eeg=np.array([1, 2, -np.inf])), "`eeg` must be finite, or NaN .*, got -inf in sample 2"),
        (of(dt=0.0), "`dt` must be positive, got 0.0"),
        (of(dt=np.nan), "`dt` must be positive, got nan"),
        (of(noise_std=-0.1), "`noise_std` must be finite and not negative, got -0.1"),
        (of(noise_std=np.nan), "`noise_std` must be finite and not negative, got nan"),
        (of(noise_std=np.ones(6)), r"`noise_std` must be one number or 7, one a channel, got shape \(6,\)"),
        (of(noise_std=np.ones((2, 7))), r"`noise_std` must be one number or 7, .* got shape \(2, 7\)"),
        (
            from_array(np.ones((6, 40))),
            r"`values` must have shape \(time, 7\) .*, or 6 for the states, got \(6, 40\): states come last",
        ),
        (from_array(np.ones(7)), r"`values` must have shape \(time, 7\) .*, got \(7,\)"),
        (from_array(np.ones((1, 2, 4, 7))), r"`values` must have shape .*, got \(1, 2, 4, 7\)"),
        (from_array(INFINITE), "`values` must be finite, .*, got inf in y3 of recording 1, sample 2"),
        (from_array(np.ones((4, 7)), observed="v"), "`observed` must be one of .*, got 'v'"),
        (from_array(np.ones((4, 7)), observed=[False] * 7), "`observed` must observe at least one of"),
        (from_array(np.ones((4, 7)), dt=-1e-3), "`dt` must be positive, got -0.001"),
        (from_array(np.ones((4, 7)), noise_std=-1.0), "`noise_std` must be finite and not negative, got -1.0"),
        (
            lambda: Recording(jnp.ones((4, 6)), jnp.ones((4, 6), bool), EEG, dt=1e-3),
            r"`values` must have shape \(time, 7\) or \(batch, time, 7\), got \(4, 6\)",
        ),
        (
            lambda: Recording(jnp.ones((4, 7)), jnp.ones((5, 7), bool), EEG, dt=1e-3),
            r"`measured` must have the shape of `values`, \(4, 7\), got \(5, 7\)",
        ),
        (
            lambda: Recording(jnp.ones((2, 4, 7)), jnp.ones((2, 4, 7), bool), EEG, jnp.ones(7), dt=1e-3),
            r"`noise_std` must have shape \(2, 7\), got \(7,\)",
        ),
    ],
)
def test_invalid_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_mask_is_kept_as_given():
    mask = ObservationMask.from_names("y2")
    assert Recording.from_array(np.ones((4, 7)), observed=mask, dt=1e-3).observed is mask
