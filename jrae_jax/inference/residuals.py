"""Residuals of a simulated EEG against a recorded one, by measures whose gradients do not grow with its length.

On a limit cycle a small error in the frequency puts two long traces out of phase, so that the difference of their
samples says little about how far off the parameters are. Spectra and summaries do not depend on the phase, and multiple
shooting (Bock and Plitt 1984, doi 10.1016/S1474-6670(17)61205-9) follows no trace for long.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_array, as_float, as_numbers, as_positive
from ..column.column import Column, check_constant, check_single
from ..column.simulate import simulate
from ..column.states import STATES, eeg

BAND = (0.5, 40.0)
"""Hz; the frequencies that are compared unless others are asked for."""


def as_band(band: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The least and the greatest frequency of a `band`, Hz.

    **Raises:** `ValueError` for what are not two frequencies that rise.
    """
    edges = as_numbers("band", band)
    if edges.shape != (2,):
        raise ValueError(f"`band` must be two frequencies, from and to, in Hz, got shape {edges.shape}")
    low, high = map(float, edges)
    if not 0 <= low < high:
        raise ValueError(f"`band` must rise, from 0 Hz or more, got {low} to {high} Hz")
    return low, high


def _signals(name: str, values: Any) -> Float[Array, "*batch time"]:
    signals = as_array(values, name)
    if not signals.ndim or not signals.size:
        raise ValueError(f"`{name}` must have time on its last axis, got shape {signals.shape}")
    return signals


def power_spectrum(
    v: Float[Array, "*batch time"], *, dt: float, resolution: float = 0.5, band: tuple[float, float] = BAND
) -> tuple[Float[Array, " frequency"], Float[Array, "*batch frequency"]]:
    """Power density by Welch's method (1967, doi 10.1109/TAU.1967.1161901): segments of `1 / resolution` s, half
    overlapping, under a Hann window, each with its mean taken off.

    **Arguments:**

    - `v`: mV.
    - `dt`: seconds between samples.
    - `resolution`: Hz.
    - `band`: from and to, Hz.

    **Returns:** frequencies in the band, Hz, and the density, mV²/Hz.

    **Raises:** `ValueError` if `v` is shorter than a segment, or if the band ends above the Nyquist frequency or below
        the resolution.
    """
    dt, resolution, (low, high) = as_positive("dt", dt), as_positive("resolution", resolution), as_band(band)
    v, nyquist = _signals("v", v), 0.5 / dt
    segment = round(1 / (resolution * dt))
    if v.shape[-1] < segment:
        raise ValueError(f"`resolution` = {resolution} Hz needs {segment * dt:g} s, got {v.shape[-1] * dt:g} s")
    if high > nyquist * (1 + 1e-6):
        raise ValueError(
            f"`band` must end at the Nyquist frequency of `dt` = {dt:g} s, {nyquist:g} Hz, or below, got {low:g} to "
            f"{high:g} Hz"
        )
    frequencies = jnp.fft.rfftfreq(segment, dt)
    inside = slice(max(round(low * segment * dt), 1), min(round(high * segment * dt), segment // 2) + 1)
    if inside.stop <= inside.start:
        raise ValueError(f"`band` must reach to the `resolution`, {resolution} Hz, got {low:g} to {high:g} Hz")
    return frequencies[inside], _density(v, dt, segment)[..., inside]


@functools.partial(jax.jit, static_argnames=("dt", "segment"))
def _density(v: Float[Array, "*batch time"], dt: float, segment: int) -> Float[Array, "*batch frequency"]:
    """Compiled as one program where it is called by itself."""
    # JAX's own code does not keep to strict promotion, where a user has asked for it.
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        return jax.scipy.signal.welch(v, 1 / dt, nperseg=segment)[1].astype(v.dtype)


def spectral_residuals(
    simulated: Float[Array, "*batch time"],
    recorded: Float[Array, " samples"],
    *,
    dt: float,
    resolution: float = 0.5,
    band: tuple[float, float] = BAND,
) -> Float[Array, " frequency"]:
    """The logarithm of simulated over recorded power, frequency by frequency.

    **Arguments:**

    - `simulated`: mV; the density is averaged over the batch.
    - `recorded`: mV; of any length.
    - `dt`, `resolution`, `band`: as in `power_spectrum`.

    **Raises:** `ValueError` as in `power_spectrum`.
    """
    simulated, recorded = _signals("simulated", simulated), _signals("recorded", recorded)
    _, ours = power_spectrum(simulated, dt=dt, resolution=resolution, band=band)
    _, theirs = power_spectrum(recorded, dt=dt, resolution=resolution, band=band)
    return jnp.log(jnp.mean(ours.reshape(-1, len(theirs)), axis=0) / theirs)


def summary_residuals(
    simulated: Float[Array, "*batch time"], recorded: Float[Array, " samples"], *, dt: float
) -> Float[Array, "4"]:
    """Differences of the mean (in standard deviations of the recording) and of the logarithms of Hjorth's activity,
    mobility and complexity (1970, doi 10.1016/0013-4694(70)90143-4).

    **Arguments:**

    - `simulated`: mV; averaged over the batch.
    - `recorded`: mV; of any length.
    - `dt`: seconds between samples.

    **Raises:** `ValueError` if `dt` is not positive.
    """
    simulated, recorded, dt = _signals("simulated", simulated), _signals("recorded", recorded), as_positive("dt", dt)
    if recorded.ndim != 1:
        raise ValueError(f"`recorded` must have shape (samples,), got {recorded.shape}")
    ours = jnp.mean(jax.vmap(lambda v: _summaries(v, dt))(simulated.reshape(-1, simulated.shape[-1])), axis=0)
    theirs = _summaries(recorded, dt)
    difference = ours - theirs
    return difference.at[0].divide(jnp.exp(theirs[1] / 2))


def _summaries(v: Float[Array, " time"], dt: float) -> Float[Array, "4"]:
    activity, slope, curvature = (jnp.var(jnp.diff(v, n=order)) / dt ** (2 * order) for order in range(3))
    mobility = jnp.log(slope / activity) / 2
    return jnp.stack([jnp.mean(v), jnp.log(activity), mobility, jnp.log(curvature / slope) / 2 - mobility])


def shooting_residuals(
    column: Column,
    y0: Float[Array, "segment 6"],
    recorded: Float[Array, " samples"],
    *,
    dt: float,
) -> tuple[Float[Array, "segment time"], Float[Array, "gap 6"]]:
    """How short trajectories, one after the other, miss a recording and each other: multiple shooting.

    **Arguments:**

    - `column`: one column, with a `ConstantInput`.
    - `y0`: the states `dt` before the first sample of each segment, mV and mV/s, to be found with the parameters.
    - `recorded`: the EEG, mV, a whole number of samples a segment.
    - `dt`: seconds between samples, and the step of the integration.

    **Returns:** simulated less recorded EEG, mV; and where each trajectory ends less where the next begins, mV and
        mV/s, which a solution has at 0.

    **Raises:** `ValueError` if the samples are no whole number a segment, or for a batch of columns, or an input that
        is not constant.
    """
    check_single("column", column, "take jax.vmap over it, with in_axes=column.axes")
    check_constant("column", column)
    y0, recorded, dt = as_array(y0, "y0"), as_float(recorded, "recorded"), as_positive("dt", dt)
    if y0.ndim != 2 or y0.shape[1] != len(STATES) or not len(y0):
        raise ValueError(f"`y0` must have shape (segment, 6), got {y0.shape}")
    if recorded.ndim != 1:
        raise ValueError(f"`recorded` must have shape (samples,), got {recorded.shape}")
    segments = len(y0)
    if len(recorded) % segments or len(recorded) < segments:
        raise ValueError(f"`recorded` must have a multiple of {segments} samples, as many as `y0`, got {len(recorded)}")
    samples = len(recorded) // segments
    ys = simulate(column, t1=samples * dt, dt=dt, y0=y0, throw=False).ys
    return eeg(ys) - recorded.reshape(segments, samples), ys[:-1, -1] - y0[1:]
