"""What an electrode and its amplifier make of a column: a gain, a background, white noise, and a band.

One model, by which recordings are simulated to learn from, compared with a recording, and estimated.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import as_float
from ..column.quantities import described, unit
from .background import Background

CORE = (4.5, 24.0)
"""Hz; the band that every recording must contain, and in which column and background are compared."""

# Hz; below, the power of the background no longer rises: there is no time in a window to observe that.
_FLATTENED = 0.5
# Hz; where the background of an estimator falls off as it does.
_WIDE = (_FLATTENED, 45.0)
_STEPS_PER_HZ = 8
EDGES = (1.5, 0.8)
"""Of the edges of filters: between these a recording is taken to be as it was before them."""


class RecordingModel(eqx.Module):
    """A gain times the EEG of a column less its mean, with a background of power `1/f^exponent` and white noise.

    Leaves have shape `()` or `(batch,)`; standard deviations are those in `CORE`, in mV of the column.

    **Arguments:**

    - `gain`: mV of the recording for each mV of the column; below 0 where the polarity is reversed.
    - `background_std`: of the background, whose power is constant below 0.5 Hz.
    - `exponent`: of the background, from 0 to 2.
    - `white_std`: of the white noise.
    - `band`: edges of the filters of the amplifier and after it, Hz.
    """

    gain: Float[Array, "*batch"] = eqx.field(converter=as_float)
    background_std: Float[Array, "*batch"] = eqx.field(converter=as_float, metadata=unit("mV"))
    exponent: Float[Array, "*batch"] = eqx.field(converter=as_float)
    white_std: Float[Array, "*batch"] = eqx.field(converter=as_float, metadata=unit("mV"))
    band: tuple[float, float] = eqx.field(static=True, default=(0.0, np.inf))

    def record(self, eeg: Float[Array, "batch time"], dt: float, *, key: PRNGKeyArray) -> Float[Array, "batch time"]:
        """Recordings of the EEG of a batch of columns, mV; filters have no delay, and are periodic."""
        background_key, white_key = jax.random.split(key)
        frequencies = np.fft.rfftfreq(eeg.shape[-1], dt)
        parts = jax.random.normal(background_key, (2, len(eeg), len(frequencies)), eeg.dtype)
        power = self.background_density(np.maximum(frequencies, _FLATTENED)) * (eeg.shape[-1] / (4 * dt))
        amplitude = jnp.sqrt(power).astype(eeg.dtype)
        background = jax.lax.complex(amplitude * parts[0], amplitude * parts[1])
        white = self.white_noise_std(dt)[..., None] * jax.random.normal(white_key, eeg.shape, eeg.dtype)
        spectrum = background + jnp.fft.rfft(eeg - jnp.mean(eeg, axis=-1, keepdims=True) + white)
        passed = jnp.asarray(self._passed(frequencies), spectrum.dtype)
        return self.gain[..., None] * jnp.fft.irfft(spectrum * passed[None], eeg.shape[-1])

    def _passed(self, frequencies: Float[np.ndarray, " frequency"]) -> Float[np.ndarray, " frequency"]:
        """What the filters leave of amplitudes: as Butterworth filters of second and fourth order; 0 of a constant."""
        low, high = self.band
        f = np.maximum(frequencies, np.finfo(np.float32).tiny)
        return np.where(frequencies > 0, 1 / np.sqrt((1 + (low / f) ** 4) * (1 + (f / high) ** 8)), 0)

    def background_density(self, frequencies: Float[np.ndarray, " frequency"]) -> Float[Array, "*batch frequency"]:
        """Power density of the background at frequencies above 0, mV^2/Hz of the column."""
        within = np.arange(CORE[0], CORE[1], 1 / _STEPS_PER_HZ) + 0.5 / _STEPS_PER_HZ
        power = jnp.sum(self._fall(within), axis=-1, keepdims=True) / _STEPS_PER_HZ
        return self.background_std[..., None] ** 2 * self._fall(frequencies) / power

    def _fall(self, frequencies: Float[np.ndarray, " frequency"]) -> Float[Array, "*batch frequency"]:
        logarithm = jnp.broadcast_to(as_float(np.log(frequencies)), (*jnp.shape(self.exponent), len(frequencies)))
        return jnp.exp(-self.exponent[..., None] * logarithm)

    def background(self, offset_std: Float[Array, "*batch"]) -> Background:
        """The background, as estimators have it, beside an unknown constant."""
        f = np.arange(_WIDE[0], _WIDE[1], 1 / _STEPS_PER_HZ) + 0.5 / _STEPS_PER_HZ
        variance = jnp.sum(self.background_density(f), axis=-1) / _STEPS_PER_HZ
        return Background.one_over_f(std=jnp.sqrt(variance), exponent=self.exponent, band=_WIDE, offset_std=offset_std)

    def white_noise_std(self, dt: float) -> Float[Array, "*batch"]:
        """Standard deviation of the white noise of samples, mV of the column."""
        return self.white_std * (0.5 / dt / (CORE[1] - CORE[0])) ** 0.5

    def column_fraction(self, column_std: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Of the variance in `CORE`, what is the column's, given its standard deviation there, mV."""
        column, rest = column_std**2, self.background_std**2 + self.white_std**2
        return column / (column + rest)

    def __repr__(self) -> str:
        return described(self)
