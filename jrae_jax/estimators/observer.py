"""The states from the structure of the equations alone: a cascade of stable filters and inversions.

No knowledge of the input and no training: from the EEG the pyramidal potential follows by its own synaptic filter, from
that the inhibitory potential, and the excitatory one is their sum. Backwards along the chain the filters are inverted,
with derivatives by local polynomials (Savitzky and Golay 1964, doi 10.1021/ac60214a047), which amplifies sensor noise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.special import expit, logit

from .._checks import as_float, check_finite
from ..column.column import Column, check_single
from ..column.parameters import JansenRitParameters
from ..column.states import CHANNELS, DERIVATIVE_STATES, POTENTIAL_STATES, STATES
from ..recording.estimate import AbstractEstimator, Estimate, check_concrete
from ..recording.mask import Observed, as_mask
from ..recording.recording import Recording

_WINDOW, _ORDER = 0.02, 3  # seconds and degree of the local polynomials: shorter ones amplify noise, longer ones smooth
_LEAST_RATE = 1e-3  # of the largest firing rate: the inverse sigmoid is infinite at 0 and at 1


class ObserverCascade(AbstractEstimator):
    """The states from what is observed, by the first of these rules that gives something new, again and again:

    1. `eeg = y1 - y2`, in any direction;
    2. `y0`, `y3` from `eeg`, and then `y2`, `y5` from `y0`, by the synapses' filters, which are stable;
    3. `y3`, `y4`, `y5` as the derivatives of `y0`, `y1`, `y2`;
    4. `y0` from `y2` and `y5`, and then `eeg` from `y0` and `y3`, by inverting the filter and the sigmoid.

    States that no rule leads to get their mean: all but `y1` and `y4` where only these are observed, and whatever would
    follow from `y3` or `y5` alone. The filters need some 0.1 s to forget how they were started.

    **Arguments:**

    - `column`: one column.
    - `mean`: of the six states, mV and mV/s; as `ColumnStatistics.mean`.

    **Raises:** `ValueError` for a batch of columns, or a mean of another shape or that is not finite.
    """

    column: Column
    mean: Float[Array, "6"]

    def __init__(self, column: Column, *, mean: ArrayLike):
        """See the class."""
        check_single("column", column, "make one estimator for each")
        values = as_float(mean, "mean")
        if values.shape != (len(STATES),):
            raise ValueError(f"`mean` must have {len(STATES)} numbers, one a state, got shape {values.shape}")
        check_finite(mean=values)
        self.column, self.mean = column, values

    def __call__(self, recording: Recording) -> Estimate:
        """The states at each sample; samples that were not measured are interpolated linearly.

        **Raises:** `ValueError` for a recording shorter than the 20 ms over which polynomials are fitted.
        """
        check_concrete(recording, "ObserverCascade")
        window = _window(recording.dt)
        if recording.values.shape[-2] < window:
            raise ValueError(
                f"`recording` must have at least {window} samples of {recording.dt} s, got {recording.values.shape[-2]}"
            )
        mean = dict(zip(STATES, np.asarray(self.mean, dtype=float), strict=True))
        mean["eeg"] = mean["y1"] - mean["y2"]
        samples = recording.batched().with_missing_as_nan()
        known = {
            name: _interpolated(samples[..., CHANNELS.index(name)], mean[name]) for name in recording.observed.names
        }
        known = _inferred(known, self.column.parameters, recording.dt)
        means = {name: np.full(samples.shape[:2], mean[name]) for name in STATES}
        states = as_float(np.stack([(means | known)[name] for name in STATES], axis=-1))
        return Estimate(states if recording.batch is not None else states[0], dt=recording.dt, start=recording.start)

    def __repr__(self) -> str:
        return f"ObserverCascade({self.column!r})"


def _interpolated(signals: Float[np.ndarray, "trajectory time"], mean: float) -> Float[np.ndarray, "trajectory time"]:
    """Without gaps; a signal without any sample has its mean throughout."""
    filled, time = signals.copy(), np.arange(signals.shape[1])
    for number, signal in enumerate(signals):
        there = ~np.isnan(signal)
        filled[number] = np.interp(time, time[there], signal[there]) if there.any() else mean
    return filled


def _window(dt: float) -> int:
    """Samples that a local polynomial is fitted to: odd, and more than its degree."""
    return max(2 * round(_WINDOW / dt / 2) + 1, _ORDER + 2)


def _derivative(signal: np.ndarray, dt: float) -> np.ndarray:
    from scipy.signal import savgol_filter  # importing it takes most of a second

    return np.asarray(savgol_filter(signal, _window(dt), _ORDER, deriv=1, delta=dt))


# Parameters are made Python's numbers where they are used, so that NumPy works in double precision throughout.


def _firing_rate(known: JansenRitParameters, potential: np.ndarray) -> Any:
    return 2 * float(known.e0) * expit(float(known.r) * (potential - float(known.v0)))


def _membrane_potential(known: JansenRitParameters, rate: np.ndarray) -> Any:
    fraction = np.clip(rate / (2 * float(known.e0)), _LEAST_RATE, 1 - _LEAST_RATE)
    return float(known.v0) + logit(fraction) / float(known.r)


def _pyramidal(known: JansenRitParameters, dt: float, eeg: np.ndarray) -> tuple[np.ndarray, ...]:
    return _synapse(float(known.A), float(known.a), _firing_rate(known, eeg), dt)


def _inhibitory(known: JansenRitParameters, dt: float, y0: np.ndarray) -> tuple[np.ndarray, ...]:
    rate = float(known.C4) * _firing_rate(known, float(known.C3) * y0)
    return _synapse(float(known.B), float(known.b), rate, dt)


def _pyramidal_inverse(known: JansenRitParameters, dt: float, y0: np.ndarray, y3: np.ndarray) -> tuple[np.ndarray, ...]:
    rate = _synapse_inverse(float(known.A), float(known.a), y0, y3, dt)
    return (_membrane_potential(known, rate),)


def _inhibitory_inverse(
    known: JansenRitParameters, dt: float, y2: np.ndarray, y5: np.ndarray
) -> tuple[np.ndarray, ...]:
    rate = _synapse_inverse(float(known.B), float(known.b), y2, y5, dt) / float(known.C4)
    return (_membrane_potential(known, rate) / float(known.C3),)


def _synapse(gain: float, k: float, rate: np.ndarray, dt: float) -> tuple[np.ndarray, ...]:
    """x and x' of `x'' + 2 k x' + k^2 x = gain k rate`, exact if the rate is linear between samples."""
    from scipy.signal import cont2discrete, lfilter, lfilter_zi

    both = []
    for numerator in ([gain * k], [gain * k, 0.0]):
        discrete: Any = cont2discrete((numerator, [1.0, 2 * k, k**2]), dt, method="foh")
        forward, back, _ = discrete
        start = lfilter_zi(forward[0], back) * rate[:, :1]
        both.append(lfilter(forward[0], back, rate, axis=1, zi=start)[0])
    return tuple(both)


def _synapse_inverse(gain: float, k: float, x: np.ndarray, slope: np.ndarray, dt: float) -> np.ndarray:
    return (_derivative(slope, dt) + 2 * k * slope + k**2 * x) / (gain * k)


class _Rule(NamedTuple):
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    derivatives: int
    """How many are taken."""
    function: Callable[..., tuple[np.ndarray, ...]]
    """Of the parameters, dt, and the signals needed."""


_RULES = (
    _Rule(("y1", "y2"), ("eeg",), 0, lambda parameters, dt, y1, y2: (y1 - y2,)),
    _Rule(("eeg", "y2"), ("y1",), 0, lambda parameters, dt, eeg, y2: (eeg + y2,)),
    _Rule(("eeg", "y1"), ("y2",), 0, lambda parameters, dt, eeg, y1: (y1 - eeg,)),
    _Rule(("eeg",), ("y0", "y3"), 0, _pyramidal),
    _Rule(("y0",), ("y2", "y5"), 0, _inhibitory),
    *(
        _Rule((STATES[i],), (STATES[j],), 1, lambda parameters, dt, potential: (_derivative(potential, dt),))
        for i, j in zip(POTENTIAL_STATES, DERIVATIVE_STATES, strict=True)
    ),
    _Rule(("y2", "y5"), ("y0",), 1, _inhibitory_inverse),
    _Rule(("y0", "y3"), ("eeg",), 1, _pyramidal_inverse),
)


def _inferred(known: dict[str, np.ndarray], parameters: JansenRitParameters, dt: float) -> dict[str, np.ndarray]:
    """All signals that follow from those known."""
    for rule in _RULES:
        if set(rule.needs) <= set(known) and not set(rule.gives) <= set(known):
            new = rule.function(parameters, dt, *(known[name] for name in rule.needs))
            return _inferred(dict(zip(rule.gives, new, strict=True)) | known, parameters, dt)
    return known


def derivatives_needed(observed: Observed) -> tuple[int | None, ...]:
    """How many derivatives of the recording it takes to infer each state from the equations, without the input.

    0 for a state that is observed or follows by stable filters; `None` for one that no rule of `ObserverCascade` leads
    to, so that only the statistics of the input, or the trajectory as a whole, say anything of it. The more, the more
    sensor noise counts: each derivative takes away part of the information in a smooth signal.

    **Arguments:**

    - `observed`: which channels are observed.

    **Raises:** `ValueError` for a mask that is unknown or empty.
    """
    least = dict.fromkeys(as_mask(observed).names, 0)
    for _ in CHANNELS:  # a path visits no channel twice
        for rule in _RULES:
            if set(rule.needs) <= set(least):
                needed = max(least[name] for name in rule.needs) + rule.derivatives
                least |= {name: min(needed, least.get(name, needed)) for name in rule.gives}
    return tuple(least.get(name) for name in STATES)
