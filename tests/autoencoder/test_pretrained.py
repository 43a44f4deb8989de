"""The autoencoders that come with the package."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.consistency import CHANGES, changed_recording
from jrae_jax.autoencoder import StreamingDecoder, load_pretrained
from jrae_jax.column import Column, UniformNoiseInput, simulate, to_channels
from jrae_jax.recording import (
    EEG,
    InconsistentRecordingWarning,
    Recording,
    evaluate,
    make_dataset,
)


@pytest.fixture(scope="module")
def trajectories():
    column = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=1e-3))
    return simulate(column, t1=8.0, dt=1e-3, burn_in=2.0, batch=3, key=jax.random.key(11))


@pytest.fixture(scope="module", params=[False, True], ids=["centred", "causal"])
def pretrained(request):
    return request.param, load_pretrained(causal=request.param)


def test_the_pretrained_ones_reconstruct_as_well_as_can_be(trajectories, pretrained):
    """The numbers of the Kalman smoother and filter, less what the scatter of 12 s allows."""
    causal, reconstructor = pretrained
    least = {False: {"eeg": (0.98, 0.83), "y0": (0.96, 0.65)}, True: {"eeg": (0.96, 0.6), "y0": (0.8, 0.3)}}
    for mask, (y1, y4) in least[causal].items():
        dataset = make_dataset(trajectories, observed=mask, held_out=2, noise=0.05, key=jax.random.key(2))
        assert dataset.held_out is not None
        r = evaluate(reconstructor(dataset.held_out.recording), dataset).r
        assert r[1] > y1
        assert r[4] > y4
        assert (r[[0, 2, 3, 5]] > 0.99).all()


def test_the_pretrained_ones_read_what_they_were_trained_for(pretrained):
    recording = Recording.from_array(jnp.zeros((9, 7)), observed=("y0", "eeg"), dt=1e-3)
    with pytest.raises(ValueError, match=r"of a kind that .* trained for .y5; y4; y4, y5; and 61 more\), got y0, eeg"):
        pretrained[1](recording)


def test_the_causal_one_decodes_in_real_time(trajectories):
    reconstructor = load_pretrained(causal=True)
    dataset = make_dataset(trajectories, observed=EEG, held_out=2, noise=0.05, key=jax.random.key(2))
    assert dataset.held_out is not None
    whole = dataset.held_out.recording
    early, late = (Recording.from_array(part, observed=EEG, dt=1e-3) for part in jnp.split(whole.values[0, :600], 2))
    decoder = StreamingDecoder(reconstructor, observed="eeg", dt=1e-3)
    state, first = decoder(decoder.init(), early)
    _, second = decoder(state, late)
    expected, scale = reconstructor(whole), np.asarray(reconstructor.standardizer.std)[:6]
    for name in ("mean", "std"):
        found = np.concatenate([getattr(first, name), getattr(second, name)])
        np.testing.assert_allclose(found / scale, np.asarray(getattr(expected, name))[0, :600] / scale, atol=1e-4)


CHANGED = [name for name in CHANGES if name not in ("none", "reversed polarity", "white noise")]
# Of the causal one, whose check is that of the other; the rest is in `slow`.
FEW = ("V", "offset", "1/f of 30 %", "250 Hz resampled")
CASES = [
    pytest.param(causal, change, noise, marks=() if by_default else pytest.mark.slow)
    for causal in (False, True)
    for change in CHANGED
    for noise, by_default in ((0.05, False), (0.2, change in FEW or not causal))
]


@pytest.fixture(scope="module")
def channels(trajectories):
    return np.asarray(to_channels(trajectories.ys))[2:]


@pytest.mark.parametrize(("pretrained", "change", "noise"), CASES, indirect=["pretrained"])
def test_a_recording_that_is_no_columns_own_is_noticed(channels, pretrained, change, noise):
    kind = "y0,y1,y2" if change.startswith("1/f") else "eeg"  # of the EEG alone, 6 s are too short to be sure
    recording = some_changed(channels, change, noise, kind)
    with pytest.warns(InconsistentRecordingWarning, match="`recording` is unlike what this estimator was made for"):
        estimate = pretrained[1](recording)
    assert estimate.consistency is not None
    assert not np.any(estimate.consistency.within)


def some_changed(channels, change, noise, kind="eeg"):
    return changed_recording(channels, kind, change, noise, np.random.default_rng(1))


@pytest.mark.parametrize("kind", ["eeg", "y0", "y0,y1,y2"])
@pytest.mark.parametrize("noise", [0.01, pytest.param(0.05, marks=pytest.mark.slow), 0.5])
def test_a_recording_of_its_own_kind_is_not_warned_of(channels, pretrained, kind, noise):
    estimate = pretrained[1](some_changed(channels, "none", noise, kind))
    assert estimate.consistency is not None
    assert np.all(estimate.consistency.within)
    assert estimate.consistency.channels == tuple(kind.split(","))


def test_recordings_without_a_sample_are_warned_of(channels, pretrained):
    nothing = Recording.of(eeg=np.full(channels.shape[:2], np.nan), dt=1e-3)
    with pytest.warns(InconsistentRecordingWarning, match="nothing was measured of eeg"):
        pretrained[1](nothing)


def test_a_stream_that_changes_is_noticed(channels):
    decoder = StreamingDecoder(load_pretrained(causal=True), observed="eeg", dt=1e-3)
    fine = some_changed(channels, "none", 0.05).values[0]
    state, estimate = decoder(decoder.init(), Recording.from_array(fine[:3000], observed=EEG, dt=1e-3))
    assert estimate.consistency is not None
    assert bool(estimate.consistency.within)
    with pytest.warns(InconsistentRecordingWarning, match="`chunk` is unlike"):
        _, estimate = decoder(state, Recording.from_array(2 * fine[3000:], observed=EEG, dt=1e-3))
    assert estimate.consistency is not None
    assert not bool(estimate.consistency.within)
