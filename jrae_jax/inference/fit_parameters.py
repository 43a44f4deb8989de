"""Parameters of a column from an EEG."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import PRNGKeyArray

from .._checks import Progress, check_key, check_progress, check_type, nan_is_an_answer
from ..column.column import Column
from ..column.states import CHANNELS
from ..recording.mask import EEG
from ..recording.recording import Recording
from .free_parameters import FreeParameters
from .least_squares import SHORTEST_RECORDING, AbstractFitMethod, ParameterFit, recorded_eeg
from .spectrum import MatchSpectrum
from .trace import MatchTrace

_LONGEST_DT = 0.01  # s; the excitatory time constant 1/a: slower sampling misses how potentials move
# Of the largest value, or of 1 uV where all are smaller: less may be the rounding of float32 or of a file.
_LEAST_CHANGE, _SMALLEST_VALUE = 1e-5, 1e-3


@nan_is_an_answer
def fit_parameters(
    column: Column,
    recording: Recording,
    *,
    bounds: Mapping[str, tuple[float, float]],
    method: AbstractFitMethod | None = None,
    key: PRNGKeyArray,
    progress: Progress | None = None,
) -> ParameterFit:
    """Find parameters of a column so that its EEG fits a recording.

    ```python
    fit = jrae.fit_parameters(column, recording, bounds={"A": (2.3, 4.2), "C": (95.0, 175.0)}, key=key)
    print(fit)
    jrae.plot.fit(fit).savefig("fit.png")
    ```

    For the states along with some parameters, from recordings with gaps or of other channels, take
    `jrae.estimators.KalmanSmoother(column, unknown=("C",))`.

    **Arguments:**

    - `column`: one column. Quantities that are not in `bounds` are known.
    - `recording`: of `gain (y1 - y2)`: one, with the channel `eeg` alone and without gaps, of at least 0.25 s, sampled
        every 10 ms or faster. Its `noise_std` is not used: what is left of the recording says how noisy it is.
    - `bounds`: lower and upper bound of each quantity that is to be found: parameters, quantities of the input such as
        `p`, and `gain` (1 if it is not to be found).
    - `method`: `MatchTrace()` where the input is known, `MatchSpectrum()` where it is random; `None`: the one that goes
        with the column's input.
    - `key`: for the starts, and for the noise of the simulations.
    - `progress`: called with how many stages are done, how many there are, and which is next.

    **Returns:** a `ParameterFit`.

    **Raises:** `ValueError` for a batch of columns or recordings, for a recording of other channels, with gaps, without
        change, too short or too slowly sampled, for bounds of quantities that do not exist or that no EEG can
        distinguish, or a method that does not go with the column's input.
    """
    check_key(key=key)
    check_progress(progress)
    free = FreeParameters.from_bounds(column, bounds)
    _check_recording(recording)
    if method is None:
        method = MatchSpectrum() if column.input.random else MatchTrace()
    check_type(AbstractFitMethod, method=method)
    return method.fit(recording, free, key=key, progress=progress or (lambda done, total, message: None))


def _check_recording(recording: Recording) -> None:
    """Raise for a batch, for other channels, for gaps, or for a recording that does not change, is too short or too
    slowly sampled."""
    check_type(Recording, recording=recording)
    if recording.batch is not None:
        raise ValueError(
            f"`recording` must be one recording, got a batch of {recording.batch}: fit one at a time, recording[0]"
        )
    if recording.observed.names != EEG.names:
        raise ValueError(
            f"`recording` must observe the eeg alone, got {', '.join(recording.observed.names)}: "
            "Recording.of(eeg=..., dt=...)"
        )
    values, missing = recorded_eeg(recording), np.flatnonzero(~recording.measured[:, CHANNELS.index("eeg")])
    if len(missing):
        raise ValueError(
            f"`recording` must have no gaps, got {len(missing)} missing samples, the first is sample {missing[0]}: "
            "cut out a part without them, or interpolate"
        )
    dt = recording.dt
    if dt > _LONGEST_DT * (1 + 1e-9):
        raise ValueError(
            f"`recording` must have a dt of at most {_LONGEST_DT} s, as columns move that fast, got {dt} s"
        )
    least = math.ceil(SHORTEST_RECORDING / dt * (1 - 1e-9))
    if len(values) < least:
        raise ValueError(f"`recording` must have at least {least} samples of {dt} s, got {len(values)}")
    if np.ptp(values) <= _LEAST_CHANGE * max(_SMALLEST_VALUE, np.abs(values).max()):
        raise ValueError(
            f"`recording` must change, got {values[0]:g} mV throughout: a constant does not determine a column"
        )
