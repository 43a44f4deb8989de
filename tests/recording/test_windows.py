"""Windows of recordings: what is cut, and what is refused for which reason."""

from pathlib import Path

import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.recording import Recording, RecordingInfo, cut_windows
from jrae_jax.recording.windows import REASONS

REAL = Path(__file__).parents[3] / "shared" / "eeg"
NAN = float("nan")
RATE = 200.0
N = np.arange(2100)
# Alpha that waxes and wanes, in steps of 0.1 uV.
ALPHA = np.round(400 * np.sin(0.31 * N) * np.sin(0.0021 * N + 0.3) + 20 * np.sin(1.7 * N)) * 1e-4


def windows_of(*signals, unit=None):
    info = RecordingInfo(unit=unit, start=10.0)
    return cut_windows(Recording.of(eeg=np.stack(signals), dt=1 / RATE, info=info), seconds=2.0)


def refused(windows, row=0):
    """Of each reason, the windows that there is it against."""
    return {reason: np.flatnonzero(windows.refused[i, row]).tolist() for i, reason in enumerate(REASONS)}


NOTHING = {"missing": [], "flat": [], "clipped": [], "large": []}


def test_windows_are_the_samples_one_after_the_other():
    windows = windows_of(ALPHA, -ALPHA)
    assert windows.values.shape == (2, 5, 400)
    np.testing.assert_allclose(windows.values[1].ravel(), -ALPHA[:2000], rtol=1e-6)
    np.testing.assert_allclose(windows.start, [10, 12, 14, 16, 18])
    assert windows.used.all()
    assert repr(windows) == "Windows(5 of 2 s of each of 2 recordings, 10 used; 0.5 s left over)"
    one = cut_windows(Recording.of(eeg=ALPHA[:2000], dt=1 / RATE), seconds=2.0)
    assert repr(one) == "Windows(5 of 2 s, 5 used)"
    np.testing.assert_array_equal(one.start, [0, 2, 4, 6, 8])


def changed(where, value):
    signal = ALPHA.copy()
    signal[where] = value
    return signal


@pytest.mark.filterwarnings("ignore:`eeg` of recording")
def test_windows_are_refused_for_each_reason():
    clipped = np.clip(ALPHA, -0.02, 0.02)
    found = windows_of(
        changed(slice(395, 421), NAN),  # 5 samples of one window, 21 of the next
        changed(slice(795, 845), 0.0123),  # a quarter of a second, over two windows
        changed(slice(795, 844), 0.0123),
        changed(1000, 0.56),
        changed(1000, 0.48),
        changed(slice(0, 10), NAN) + 40,  # an offset of the amplifier
        np.where(N < 1200, ALPHA, NAN),
        clipped,
    )
    assert refused(found, 0) == {**NOTHING, "missing": [1]}
    assert refused(found, 1) == {**NOTHING, "flat": [1, 2]}
    assert refused(found, 2) == NOTHING
    assert refused(found, 3) == {**NOTHING, "large": [2]}
    assert refused(found, 4) == NOTHING
    assert refused(found, 5) == NOTHING
    assert refused(found, 6) == {**NOTHING, "missing": [3, 4]}
    at_end = np.abs(clipped[:2000]).reshape(5, -1) == 0.02
    assert refused(found, 7) == {**NOTHING, "clipped": np.flatnonzero(at_end.sum(axis=1) > 10).tolist()}
    assert len(refused(found, 7)["clipped"]) >= 3
    np.testing.assert_array_equal(found.used, ~found.refused.any(axis=0))
    assert found.counts == {"missing": 3, "flat": 2, "clipped": len(refused(found, 7)["clipped"]), "large": 1}
    assert "; refused: 3 with over 5% missing, 2 flat, " in repr(found)
    assert "clipped, 1 over 500 uV; 0.5 s left over)" in repr(found)


@pytest.mark.parametrize(
    ("step", "per_cycle"), [(1e-4, 16), (1e-4, 700), (1e-3, 100), (1e-3, 300), (5e-3, 16), (5e-3, 100)]
)
def test_round_tops_in_coarse_steps_are_not_clipped(step, per_cycle):
    wave = 0.05 * np.sin(2 * np.pi * (N + 0.123) / per_cycle) * (1 + 0.3 * np.sin(0.01 * N))
    assert not windows_of(step * np.round(wave / step)).refused[2].any()


def test_the_potential_of_a_simulated_column_may_be_large():
    assert windows_of(100 * ALPHA, unit="column").used.all()
    assert refused(windows_of(100 * ALPHA, unit="mV"))["large"] != []


def test_recordings_that_cannot_be_cut_are_refused():
    for recording, seconds, message in (
        (Recording.of(y0=ALPHA, dt=5e-3), 2.0, "`recording` must be of an EEG alone, got y0"),
        (Recording.of(eeg=ALPHA, dt=5e-3), 20.0, "`recording` must be at least 20 s long, got 10.5 s"),
        (Recording.of(eeg=ALPHA, dt=5e-3), 0.0, "`seconds` must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            cut_windows(recording, seconds)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings do not lie beside the checkout")
@pytest.mark.filterwarnings("ignore:`Fc5.` has 128 samples without change")
def test_of_a_real_recording_blinks_and_the_padded_end_are_refused():
    pytest.importorskip("mne")
    rest = jrae.read_recording(REAL / "S001R01_eyes-open.edf")
    windows = cut_windows(rest, seconds=3.0)
    assert repr(windows) == (
        "Windows(20 of 3 s of each of 64 recordings, 1,256 used; refused: 24 over 500 uV; 1 s left over)"
    )
    assert rest.info is not None
    frontal = {rest.info.names[row] for row in np.flatnonzero(~windows.used.all(axis=1))}
    assert frontal <= {"Fp1.", "Fpz.", "Fp2.", "Af7.", "Af3.", "Afz.", "Af4.", "Af8."}
    assert cut_windows(rest, seconds=61.0).counts["flat"] == 64
