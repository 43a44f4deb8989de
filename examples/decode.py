# %% [markdown]
"""
# The hidden states behind an EEG

`jrae.decode` takes a recording, and gives the states of a column that could have made it, with intervals, and
a verdict: whether one column explains the recording at all. Here the recording is of a simulated column,
whose states are known; with a file's name the script decodes that file.

`python examples/decode.py [figure.png [rest.edf [O1]]]`, after `pip install 'jrae-jax[eeg]'`
"""

# %%
import sys
import tempfile
from pathlib import Path

import jax
import mne
import numpy as np

import jrae_jax as jrae

RATE = 250.0  # Hz
GAIN = 4e-6  # V at the electrode for each mV of the column

# %% [markdown]
# To have a file to decode, a column is recorded as an amplifier would: every fourth millisecond, scaled to
# some tens of uV, with the noise of the electrode on top. The decoder is told neither the parameters of the
# column nor this gain.


# %%
def record(file: Path, seconds: float, seed: int) -> np.ndarray:
    """Write the EEG of a simulated column to a FIF file. **Returns:** the states at its samples."""
    simulation_key, noise_key = jax.random.split(jax.random.key(seed))
    column = jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(220.0, 2000 / 325))
    trajectory = jrae.simulate(column, t1=2.0 + seconds, dt=1e-3, burn_in=2.0, key=simulation_key)
    recording = jrae.observe(trajectory, observed="eeg", noise=0.1, key=noise_key)
    every = round(1e3 / RATE)
    volts = GAIN * np.asarray(recording.values)[None, ::every, 6]
    mne.io.RawArray(volts, mne.create_info(["O1"], RATE, "eeg"), verbose="ERROR").save(file, verbose="ERROR")
    return np.asarray(trajectory.ys)[::every]


# %% [markdown]
# `read_recording` takes EDF, BDF, BrainVision, FIF and whatever else MNE reads, and says what it has read.
# The recording is cut into windows of 10 to 20 s. From each the decoder learns which columns, gains and
# backgrounds could have made it, and averages the states over these. That costs some seconds for each minute
# of a channel, after compiling.
#
# As the gain is unknown, states are known best up to their scale: `shape_mean` is in standard deviations of
# each state. The bands in the figure hold if one column and a background made the recording, which `check` is
# about.


# %%
def main(
    path: str = "decode.png",
    file: str | None = None,
    channel: str = "O1",
    *,
    seconds: float = 40.0,
    seed: int = 0,
) -> None:
    """Decode a file, or a recording that is simulated, print what was found, and draw it."""
    with tempfile.TemporaryDirectory() as folder:
        simulated = Path(folder) / "rest_raw.fif"
        truth = record(simulated, seconds, seed) if file is None else None
        recording = jrae.read_recording(simulated if file is None else file, picks=channel)
    assert recording.info is not None
    print(recording.info.read_as)
    decoded = jrae.decode(recording, key=jax.random.key(seed))
    print(decoded)
    if truth is not None:
        known = np.isfinite(decoded.shape_mean[0]).all(axis=1)
        for index, name in enumerate(jrae.column.STATES):
            r = np.corrcoef(decoded.shape_mean[0, known, index], truth[known, index])[0, 1]
            print(f"{name}: r = {r:.2f} with the true state")
    jrae.plot.decoded(decoded, channel).savefig(path)
    print(f"wrote {path}")


# %%
if __name__ == "__main__":
    main(*sys.argv[1:4])
