"""Real recordings: the same 20 s in four formats, and what is said of them."""

from pathlib import Path

import jax
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.recording import SuspectValuesWarning

REAL = Path(__file__).parents[3] / "shared" / "eeg"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings do not lie beside the checkout"),
    pytest.mark.filterwarnings(f"ignore::{SuspectValuesWarning.__module__}.{SuspectValuesWarning.__name__}"),
]


@pytest.mark.parametrize("state", ["closed", "open"])
def test_four_formats_of_the_same_seconds_decode_the_same(state):
    pytest.importorskip("mne")
    decoded = []
    for kind in (".edf", ".vhdr", "_raw.fif", ".csv"):
        unit = "uV" if kind == ".csv" else None
        recording = jrae.read_recording(REAL / f"eyes-{state}_20s{kind}", picks="O1", unit=unit)
        decoded.append(jrae.decode(recording, key=jax.random.key(0)))
    first = decoded[0]
    assert first.used.all()
    for other in decoded[1:]:
        np.testing.assert_allclose(1e3 * other.eeg, 1e3 * first.eeg, atol=0.01)
        np.testing.assert_allclose(other.shape_mean, first.shape_mean, atol=1e-3)
        np.testing.assert_allclose(other.shape_std, first.shape_std, atol=1e-3)
        assert other.check.explained.tolist() == first.check.explained.tolist()
