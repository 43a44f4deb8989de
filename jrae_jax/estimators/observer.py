"""The states from the structure of the equations alone: a cascade of stable filters and inversions.

No knowledge of the input and no training: from the EEG the pyramidal potential follows by its own synaptic filter, from
that the inhibitory potential, and the excitatory one is their sum. Backwards along the chain the filters are inverted,
with derivatives by local polynomials (Savitzky and Golay 1964, doi 10.1021/ac60214a047), which amplifies sensor noise.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float
from scipy.special import expit, logit

from .._checks import as_float, check_finite, check_positive, check_type
from ..column.parameters import JansenRitParameters, batch_size
from ..column.states import CHANNELS, POTENTIAL_STATES, STATES
from ..recording.mask import as_mask
from ..recording.recording_model import seen

_WINDOW, _ORDER = 0.02, 3  # seconds and degree of the local polynomials
_LEAST_RATE = 1e-3  # of the largest firing rate: the inverse sigmoid is infinite at 0 and at 1


def observer_cascade(
    recordings: Any, *, mask: Any, parameters: JansenRitParameters, dt: float, mean: Any
) -> Float[Array, "trajectory time 6"]:
    """The states from what is seen, by the first of these rules that says something new, again and again:

    1. `eeg = y1 - y2`, in any direction;
    2. `y0`, `y3` from `eeg`, and then `y2`, `y5` from `y0`, by the synapses' filters, which are stable;
    3. `y3`, `y4`, `y5` as the derivatives of `y0`, `y1`, `y2`;
    4. `y0` from `y2` and `y5`, and then `eeg` from `y0` and `y3`, by inverting the filter and the sigmoid.

    States that no rule leads to get their mean: all but `y1` and `y4` where only these are seen, and whatever would
    follow from `y3` or `y5` alone. The filters need some 0.1 s to forget how they were started.

    **Arguments:**

    - `recordings`: mV and mV/s, shape `(trajectory, time, 7)`; missing samples are interpolated linearly.
    - `mask`: which channels are seen.
    - `parameters`: of the column; every leaf of shape `()`.
    - `dt`: seconds between samples.
    - `mean`: of the six states, mV and mV/s.

    **Returns:** the estimated states, mV and mV/s.

    **Raises:** `ValueError` for arguments that do not fit together, or recordings shorter than the 20 ms over which
        polynomials are fitted.
    """
    check_type(JansenRitParameters, parameters=parameters)
    if batch_size(parameters=parameters) is not None:
        raise ValueError("`parameters` must be of one column, got a batch of them: call once for each")
    check_positive(dt=dt)
    mean = np.asarray(mean, dtype=float)
    if mean.shape != (len(STATES),):
        raise ValueError(f"`mean` must have {len(STATES)} numbers, one a state, got shape {mean.shape}")
    check_finite(mean=mean)
    values = _interpolated(seen(recordings, mask), np.append(mean, mean[1] - mean[2]))
    column = _Column.of(parameters, dt)
    if values.shape[1] < column.window:
        raise ValueError(f"`recordings` must have at least {column.window} samples of {dt} s, got {values.shape[1]}")
    known = _all_that_follows({name: values[..., CHANNELS.index(name)] for name in as_mask(mask).names}, column)
    unknown = np.broadcast_to(mean, (*values.shape[:2], len(STATES)))
    return as_float(np.stack([known.get(name, unknown[..., i]) for i, name in enumerate(STATES)], axis=-1))


def _interpolated(
    values: Float[np.ndarray, "trajectory time 7"], mean: Float[np.ndarray, "7"]
) -> Float[np.ndarray, "trajectory time 7"]:
    """Without gaps; a channel without any sample has its mean throughout."""
    filled = values.copy()
    time = np.arange(values.shape[1])
    for trajectory, _, channel in np.argwhere(np.isnan(values).any(axis=1, keepdims=True)):
        signal = values[trajectory, :, channel]
        there = ~np.isnan(signal)
        signal = np.interp(time, time[there], signal[there]) if there.any() else mean[channel]
        filled[trajectory, :, channel] = signal
    return filled


@dataclasses.dataclass(frozen=True)
class _Column:
    """What the rules need to know, in the units of `JansenRitParameters`, and the seconds between samples."""

    A: float
    B: float
    a: float
    b: float
    e0: float
    v0: float
    r: float
    C3: float
    C4: float
    dt: float

    @classmethod
    def of(cls, parameters: JansenRitParameters, dt: float) -> "_Column":
        """In double precision, for NumPy."""
        names = (field.name for field in dataclasses.fields(cls) if field.name != "dt")
        return cls(**{name: float(getattr(parameters, name)) for name in names}, dt=dt)

    @property
    def window(self) -> int:
        """Samples that a local polynomial is fitted to: odd, and more than its degree."""
        return max(2 * round(_WINDOW / self.dt / 2) + 1, _ORDER + 2)

    def derivative(self, signal: np.ndarray) -> np.ndarray:
        """By local polynomials, 1/s."""
        from scipy.signal import savgol_filter  # importing it takes most of a second

        return np.asarray(savgol_filter(signal, self.window, _ORDER, deriv=1, delta=self.dt))

    def rate(self, potential: np.ndarray) -> Any:
        """The sigmoid: firing rate, 1/s."""
        return 2 * self.e0 * expit(self.r * (potential - self.v0))

    def potential(self, rate: np.ndarray) -> Any:
        """The inverse of the sigmoid, mV."""
        share = np.clip(rate / (2 * self.e0), _LEAST_RATE, 1 - _LEAST_RATE)
        return self.v0 + logit(share) / self.r


def _pyramidal(column: _Column, eeg: np.ndarray) -> tuple[np.ndarray, ...]:
    return _synapse(column.A, column.a, column.rate(eeg), column.dt)


def _inhibitory(column: _Column, y0: np.ndarray) -> tuple[np.ndarray, ...]:
    return _synapse(column.B, column.b, column.C4 * column.rate(column.C3 * y0), column.dt)


def _pyramidal_inverse(column: _Column, y0: np.ndarray, y3: np.ndarray) -> tuple[np.ndarray, ...]:
    return (column.potential(_synapse_inverse(column.A, column.a, y0, y3, column.derivative(y3))),)


def _inhibitory_inverse(column: _Column, y2: np.ndarray, y5: np.ndarray) -> tuple[np.ndarray, ...]:
    rate = _synapse_inverse(column.B, column.b, y2, y5, column.derivative(y5)) / column.C4
    return (column.potential(rate) / column.C3,)


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


def _synapse_inverse(gain: float, k: float, x: np.ndarray, slope: np.ndarray, curvature: np.ndarray):
    return (curvature + 2 * k * slope + k**2 * x) / (gain * k)


def _derivative(column: _Column, signal: np.ndarray) -> tuple[np.ndarray, ...]:
    return (column.derivative(signal),)


class _Rule(NamedTuple):
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    derivatives: int
    """How many are taken."""
    function: Callable[..., tuple[np.ndarray, ...]]


_RULES = (
    _Rule(("y1", "y2"), ("eeg",), 0, lambda column, y1, y2: (y1 - y2,)),
    _Rule(("eeg", "y2"), ("y1",), 0, lambda column, eeg, y2: (eeg + y2,)),
    _Rule(("eeg", "y1"), ("y2",), 0, lambda column, eeg, y1: (y1 - eeg,)),
    _Rule(("eeg",), ("y0", "y3"), 0, _pyramidal),
    _Rule(("y0",), ("y2", "y5"), 0, _inhibitory),
    *(_Rule((STATES[i],), (STATES[i + 3],), 1, _derivative) for i in POTENTIAL_STATES),
    _Rule(("y2", "y5"), ("y0",), 1, _inhibitory_inverse),
    _Rule(("y0", "y3"), ("eeg",), 1, _pyramidal_inverse),
)


def _all_that_follows(known: dict[str, np.ndarray], column: _Column) -> dict[str, np.ndarray]:
    for rule in _RULES:
        if set(rule.needs) <= set(known) and not set(rule.gives) <= set(known):
            new = rule.function(column, *(known[name] for name in rule.needs))
            return _all_that_follows(dict(zip(rule.gives, new, strict=True)) | known, column)
    return known


def derivatives_needed(mask: Any) -> tuple[int | None, ...]:
    """How many derivatives of the recording it takes to tell each state from the equations, without the input.

    0 for a state that is seen or follows by stable filters; `None` for one that no rule of `observer_cascade` leads to,
    so that only the statistics of the input, or the motion as a whole, tell of it. The more, the more sensor noise
    counts: each derivative takes away part of what a smooth signal tells.

    **Arguments:**

    - `mask`: which channels are seen.
    """
    least = dict.fromkeys(as_mask(mask).names, 0)
    for _ in CHANNELS:  # a path visits no channel twice
        for rule in _RULES:
            if set(rule.needs) <= set(least):
                needed = max(least[name] for name in rule.needs) + rule.derivatives
                least |= {name: min(needed, least.get(name, needed)) for name in rule.gives}
    return tuple(least.get(name) for name in STATES)
