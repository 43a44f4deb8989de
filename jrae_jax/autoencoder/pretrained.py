"""The networks that come with the package."""

from pathlib import Path

from .checkpoint import load
from .reconstructor import Reconstructor

_FOLDER = Path(__file__).parent / "weights"


def load_pretrained(*, causal: bool = False) -> Reconstructor:
    """A network for every kind of recording of the standard column: all 63 masks over the states, and the EEG.

    Trained by `jrae pretrain`, and `jrae pretrain --causal`, on recordings at 1 kHz with gaps and with
    sensor noise of 0.1 to 70 % of each signal's standard deviation; the input was uniform between 120 and 320 /s, held
    for 1 ms, the parameters those of the preset `jansen_rit_1995`. Choose what is seen:
    `load_pretrained().observing("eeg")(jrae.recording(eeg=v), dt=1e-3)`.

    **Arguments:**

    - `causal`: one that looks at the past 330 ms only, for `StreamingDecoder`; else it looks both ways.
    """
    return load(_FOLDER / f"{'causal' if causal else 'centred'}.fit").model
