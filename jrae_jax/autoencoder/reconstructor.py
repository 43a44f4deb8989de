"""A trained autoencoder as an estimator: a recording in mV in, all six states out."""

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._checks import check_type, is_concrete, of_numbers
from ..recording.consistency import Consistency
from ..recording.estimate import AbstractEstimator, Estimate, result_of
from ..recording.mask import ObservationMask, as_masks, in_words
from ..recording.recording import Recording
from ..recording.residuals import Running
from ..recording.standardizer import Standardizer
from .base import AbstractAutoencoder, at_all, check_dt
from .calibration import Calibration
from .familiarity import Familiarity, check_scale, residuals_of
from .whitening import Whitener

Guarded = TypeVar("Guarded")


def _as_kinds(kinds: Any) -> Bool[Array | np.ndarray, "kind 7"]:
    return as_masks(kinds) if is_concrete(kinds) else kinds


class Reconstructor(AbstractEstimator):
    """An autoencoder with all it needs to read a recording: its standardizer, and the kinds it was trained for.

    It reads from a recording which channels are observed. A sample that is missing is given to an autoencoder with a
    window as such; one without memory reads the mean of the channel instead, as it does for hidden channels.

    **Arguments:**

    - `autoencoder`: trained, or untrained for comparison.
    - `kinds`: kinds of recordings that it was trained for, each a mask, names of channels, or truth values.
    - `standardizer`: fitted to the training data.
    - `calibration`, `whitener`, `familiarity`: as training gives them; `None` for none.
    - `at_once`: how many instants are worked on together, which needs memory for as many windows.

    **Raises:** `ValueError` for kinds that are no masks.
    """

    autoencoder: AbstractAutoencoder
    kinds: Bool[Array | np.ndarray, "kind 7"] = eqx.field(converter=_as_kinds)
    """Which channels each kind of recording shows."""
    standardizer: Standardizer
    calibration: Calibration | None = None
    """Of the standard deviations, where the autoencoder reports any."""
    whitener: Whitener | None = None
    familiarity: Familiarity | None = None
    """Of the recordings that it was trained on, by which others are noticed."""
    at_once: int = eqx.field(static=True, default=1024)

    def __call__(self, recording: Recording) -> Estimate:
        """The states at each sample, mV and mV/s.

        **Arguments:**

        - `recording`: one, or a batch of them, of a kind that the autoencoder was trained for.

        **Returns:** an `Estimate`, with standard deviations if the autoencoder is variational.

        **Raises:** `ValueError` for a recording of another kind, or of another `dt` than the autoencoder was trained
            with.

        **Warns:** `InconsistentRecordingWarning` for a recording that is unlike those that the autoencoder was trained
            on, or, of one that reports no standard deviations, that is in another unit; under tracing,
            `estimate.consistency` alone says so.
        """
        checked = self._checked(recording)
        return _estimate(self, checked.without_info()).starting(checked.start).warned()

    def latents(self, recording: Recording) -> Float[Array, "*batch time latent"]:
        """The latent at each sample of a recording. Arguments and errors are those of a call."""
        return _latents(self, self._checked(recording).without_info())

    def kind(self, observed: ObservationMask) -> Int[Array, ""]:
        """Which of the `kinds` a mask is."""
        return jnp.argmax(self._is_kind(observed))

    def states(self, features: Any, kind: Int[Array, ""]) -> tuple[Float[Array, "6"], Float[Array, "6"] | None]:
        """Mean and standard deviation of the states at one instant, mV and mV/s."""
        states = self.autoencoder.decode(self.autoencoder.encode(features).mean)
        mean = self.standardizer.destandardize(states.mean)
        if not self.autoencoder.reports_std:
            return mean, None
        std = states.std if self.calibration is None else self.calibration(states.std, kind)
        return mean, self.standardizer.destandardize_std(std)

    def check_kind(self, argument: str, observed: ObservationMask, guarded: Guarded) -> Guarded:
        """`guarded`, if a mask is a kind that the autoencoder was trained for.

        **Raises:** `ValueError`; under tracing, a runtime error where `guarded` is used.
        """
        expected = f"`{argument}` must be of a kind that the autoencoder was trained for"
        if not (is_concrete(self.kinds) and is_concrete(observed.channels)):
            return eqx.error_if(guarded, ~jnp.any(self._is_kind(observed)), expected)
        if not np.any(self._is_kind(observed)):
            raise ValueError(f"{expected} ({in_words(self.kinds)}), got {', '.join(observed.names)}")
        return guarded

    def _is_kind(self, observed: ObservationMask) -> Bool[Array, " kind"]:
        return jnp.all(jnp.asarray(self.kinds) == jnp.asarray(observed.channels)[None], axis=1)

    def _checked(self, recording: Recording) -> Recording:
        check_type(Recording, recording=recording)
        check_dt(self.autoencoder, "recording.dt", recording.dt)
        if not recording.values.shape[-2]:
            raise ValueError("`recording` must have at least one sample, got none")
        return self.check_kind("recording", recording.observed, recording)

    @of_numbers
    def __repr__(self) -> str:
        return f"Reconstructor({self.autoencoder!r}, for {in_words(self.kinds)})"


@eqx.filter_jit
def _estimate(reconstructor: Reconstructor, recording: Recording) -> Estimate:
    kind = reconstructor.kind(recording.observed)
    values = reconstructor.standardizer.standardize(recording.values)
    mean, std = at_each_sample(
        reconstructor, values, recording.measured, lambda features: reconstructor.states(features, kind)
    )
    residuals = residuals_of(values, recording.measured, mean, std, reconstructor.standardizer)
    sums = Running.start(values.shape[:-2], recording.dt, values.dtype).add(residuals, recording.dt)
    consistency = checked(reconstructor, sums, recording.observed, recording.dt)
    return Estimate(mean, std, result=result_of(mean), consistency=consistency, dt=recording.dt)


def checked(reconstructor: Reconstructor, sums: Running, observed: ObservationMask, dt: float) -> Consistency:
    """A recording by the sums over its residuals, against those that the autoencoder was trained on."""
    if reconstructor.familiarity is None:
        return check_scale(sums, observed, dt)
    return reconstructor.familiarity.check(sums, observed, reconstructor.kind(observed), dt)


@eqx.filter_jit
def _latents(reconstructor: Reconstructor, recording: Recording) -> Float[Array, "*batch time latent"]:
    values = reconstructor.standardizer.standardize(recording.values)
    return at_each_sample(
        reconstructor, values, recording.measured, lambda features: reconstructor.autoencoder.encode(features).mean
    )


def at_each_sample(
    reconstructor: Reconstructor,
    values: Float[Array, "*batch time 7"],
    measured: Bool[Array, "*batch time 7"],
    function: Callable[[Any], Any],
) -> Any:
    """A function of the features at each sample of standardized recordings."""
    rows = values.reshape(-1, *values.shape[-2:]), measured.reshape(-1, *values.shape[-2:])
    features = reconstructor.autoencoder.features(*rows, reconstructor.whitener)
    found = at_all(function, features, jnp.asarray(features.rows.ravel()), at_once=reconstructor.at_once)
    return jax.tree.map(lambda leaf: leaf.reshape(*values.shape[:-1], -1), found)


@eqx.filter_jit
def sums_over(
    reconstructor: Reconstructor,
    values: Float[Array, "recording time 7"],
    measured: Bool[Array, "recording time 7"],
    kind: Int[Array, ""],
    dt: float,
) -> Running:
    """Over the residuals of standardized recordings of one kind, by an autoencoder that reports standard deviations."""
    mean, std = at_each_sample(reconstructor, values, measured, lambda features: reconstructor.states(features, kind))
    residuals = residuals_of(values, measured, mean, std, reconstructor.standardizer)
    return Running.start(values.shape[:-2], dt, values.dtype).add(residuals, dt)
