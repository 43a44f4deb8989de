"""Hidden states where neither column nor gain is known: an average over smoothers of what may have been."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..column.states import CHANNELS, STATES
from ..estimators.kalman import KalmanSmoother
from ..recording.mask import EEG
from ..recording.recording import Recording
from .posterior import Draws
from .prior import Prior

_EEG = CHANNELS.index("eeg")
# Of the potential of a column, by which its mean over a window is thought to differ from that over another.
_MEAN_STD = 0.5
# mV; below, float32 does not distinguish a constant from none.
_LEAST_STD = 1e-3


# Samples times draws that are smoothed at once; each takes about 1 kB.
AT_ONCE = 170_000


class States(NamedTuple):
    """The states in windows."""

    mean: Float[Array, "window time 6"]
    """mV and mV/s."""
    std: Float[Array, "window time 6"]
    shape_mean: Float[Array, "window time 6"]
    """Of each column less its mean, in standard deviations of itself."""
    shape_std: Float[Array, "window time 6"]


@eqx.filter_jit
def hidden_states(
    prior: Prior,
    draws: Draws,
    eeg_mean: Float[Array, "window draw"],
    eeg_std: Float[Array, "window draw"],
    values: Float[Array, "window time"],
    measured: Bool[Array, "window time"],
    dt: float,
) -> States:
    """The states given a recording, averaged over draws of columns and models of recordings.

    By the law of total variance: the variance of a state is the mean of the smoothers' variances plus the variance of
    their means.

    **Arguments:**

    - `eeg_mean`, `eeg_std`: of the EEG of each column, mV.
    - `values`: mV of the recording, less its mean.
    - `dt`: static.
    """
    windows, count = eeg_mean.shape
    window = jnp.repeat(jnp.arange(windows), count)
    known = jax.tree.map(jnp.ravel, (draws.values, draws.model, eeg_mean, eeg_std)), window
    passes = _passes(windows * count, values.shape[-1])

    def smoothed(part):
        (quantities, model, mean, std), window = part
        eeg, mask = values[window] / model.gain[:, None] + mean[:, None], measured[window]
        shape = (*eeg.shape, len(CHANNELS))
        noise = jnp.maximum(model.white_noise_std(dt), _LEAST_STD)
        recording = Recording(
            jnp.zeros(shape).at[..., _EEG].set(jnp.where(mask, eeg, 0)),
            jnp.zeros(shape, bool).at[..., _EEG].set(mask),
            EEG,
            jnp.zeros((len(eeg), len(CHANNELS))).at[:, _EEG].set(noise),
            dt=dt,
        )
        background = model.background(jnp.maximum(_MEAN_STD * std, _LEAST_STD))
        estimate = KalmanSmoother(prior.columns(quantities), background=background)(recording)
        return estimate.mean, estimate.std

    parts = jax.tree.map(lambda leaf: leaf.reshape(passes, -1), known)
    found = jax.lax.map(smoothed, parts)
    means, stds = (x.reshape(windows, count, -1, len(STATES)) for x in found)
    centre = jnp.mean(means, axis=2, keepdims=True)
    # Of the state itself, which moves more than its mean.
    own = jnp.sqrt(jnp.var(means, axis=2, keepdims=True) + jnp.mean(stds**2, axis=2, keepdims=True))
    return States(*_total(means, stds), *_total((means - centre) / own, stds / own))


def _passes(rows: int, samples: int) -> int:
    """Into how many equal parts rows are divided, so that each fits."""
    passes = 1
    while rows // passes * samples > AT_ONCE and rows // passes % 2 == 0:
        passes *= 2
    return passes


def _total(
    means: Float[Array, "window draw time 6"], stds: Float[Array, "window draw time 6"]
) -> tuple[Float[Array, "window time 6"], Float[Array, "window time 6"]]:
    """Mean and standard deviation over draws, leaving out those whose smoother failed."""
    good = jnp.all(jnp.isfinite(means) & jnp.isfinite(stds), axis=(2, 3), keepdims=True)
    count = jnp.sum(good, axis=1)
    mean = jnp.mean(means, axis=1, where=good)
    # Of few draws the mean is uncertain, too: n + 1 for n, over n - 1 for n, as their own mean is nearest to them.
    between = jnp.var(means, axis=1, where=good) * ((count + 1) / jnp.maximum(count - 1, 1))
    return mean, jnp.sqrt(jnp.mean(stds**2, axis=1, where=good) + between)
