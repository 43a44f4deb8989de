import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jrae_jax import (
    CHANNELS,
    EEG,
    FULL,
    POTENTIALS,
    PYRAMIDAL,
    STATES,
    ObservationMask,
    recording,
    to_channels,
)
from jrae_jax.recording.mask import as_mask


@pytest.mark.parametrize(
    ("mask", "names", "observed_states", "hidden_states"),
    [
        (FULL, STATES, STATES, ()),
        (POTENTIALS, ("y0", "y1", "y2"), ("y0", "y1", "y2"), ("y3", "y4", "y5")),
        (PYRAMIDAL, ("y0",), ("y0",), ("y1", "y2", "y3", "y4", "y5")),
        (EEG, ("eeg",), (), STATES),
        (ObservationMask.of("eeg", "y4"), ("y4", "eeg"), ("y4",), ("y0", "y1", "y2", "y3", "y5")),
    ],
    ids=["full", "potentials", "pyramidal", "eeg", "y4 and eeg"],
)
def test_names_of_what_a_mask_shows_and_hides(mask, names, observed_states, hidden_states):
    assert mask.names == names
    assert mask.observed_states == observed_states
    assert mask.hidden_states == hidden_states
    assert mask.channels.tolist() == [name in names for name in CHANNELS]


@settings(deadline=None)
@given(st.sets(st.sampled_from(CHANNELS), min_size=1))
def test_all_ways_to_write_a_mask_agree(shown):
    expected = tuple(name for name in CHANNELS if name in shown)
    values = [name in shown for name in CHANNELS]
    written = [ObservationMask.of(*shown), list(shown), tuple(shown), values, np.array(values), jnp.array(values)]
    if "eeg" not in shown:
        written += [values[:6], np.array(values[:6])]
    for observed in written:
        assert as_mask(observed).names == expected


def test_a_single_name_may_stand_alone():
    assert as_mask("eeg").names == ("eeg",)


def test_a_mask_inside_a_transformation_is_not_looked_at():
    channels = jnp.stack([jnp.asarray(mask.channels) for mask in (PYRAMIDAL, EEG)])
    through = jax.vmap(lambda channels: as_mask(ObservationMask(channels)).channels)(channels)
    np.testing.assert_array_equal(through, channels)


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        ("y6", "`observed` must be one of 'y0', 'y1', 'y2', 'y3', 'y4', 'y5', 'eeg', got 'y6'"),
        (("y0", "EEG"), "`observed` must be one of .*, got 'EEG'"),
        ((), "`observed` must name at least one of y0, .*eeg, got none"),
        ([False] * 6, "`observed` must show at least one of y0, .*, got an empty mask"),
        (ObservationMask(np.zeros(7, dtype=bool)), "`observed` must show at least one"),
        ([True] * 3, r"6 truth values \(7 with the EEG\), got shape \(3,\) of bool"),
        ([True] * 8, r"got shape \(8,\) of bool"),
        (np.ones((2, 6), dtype=bool), r"got shape \(2, 6\) of bool"),
        (None, r"`observed` must be names, .* got shape \(\) of object"),
        ([1, 0, 0, 0, 0, 0], r"`observed` must be names, .* got shape \(6,\) of int64"),
    ],
)
def test_what_is_no_mask_is_refused(observed, message):
    with pytest.raises(ValueError, match=message):
        as_mask(observed)


@pytest.mark.parametrize(
    ("names", "message"),
    [((), "must name at least one"), (("y0", "pyramidal"), "`observed` must be one of .*, got 'pyramidal'")],
)
def test_a_mask_of_wrong_names_is_refused(names, message):
    with pytest.raises(ValueError, match=message):
        ObservationMask.of(*names)


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_the_channels_are_the_states_and_their_eeg(batch):
    ys = np.random.default_rng(0).normal(size=(*batch, 6)).astype(np.float32)
    channels = np.asarray(to_channels(jnp.asarray(ys)))
    assert channels.shape == (*batch, 7)
    np.testing.assert_array_equal(channels[..., :6], ys)
    np.testing.assert_array_equal(channels[..., 6], ys[..., 1] - ys[..., 2])


@pytest.mark.parametrize("shape", [(), (5,), (2, 5)])
def test_a_recording_holds_its_signals_and_nan_elsewhere(shape):
    rng = np.random.default_rng(0)
    v, y0 = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    channels = np.asarray(recording(eeg=v, y0=y0))
    assert channels.shape == (*shape, 7)
    np.testing.assert_array_equal(channels[..., 0], y0)
    np.testing.assert_array_equal(channels[..., 6], v)
    assert np.all(np.isnan(channels[..., 1:6]))


def test_whole_numbers_are_a_recording():
    channels = np.asarray(recording(eeg=np.array([1, 2]), y0=[3, 4]))
    np.testing.assert_array_equal(channels[:, [0, 6]], [[3.0, 1.0], [4.0, 2.0]])
    assert np.all(np.isnan(channels[:, 1:6]))


def test_what_is_no_recording_is_refused():
    signal = np.zeros(5, dtype=np.float32)
    with pytest.raises(ValueError, match=r"`signals` must be one of 'y0', .*'eeg', got 'v'"):
        recording(v=signal)
    with pytest.raises(ValueError, match="must name at least one of"):
        recording()
    with pytest.raises(ValueError, match=r"`signals` must have one shape, got \{'y0': \(5,\), 'eeg': \(4,\)\}"):
        recording(y0=signal, eeg=signal[:4])
