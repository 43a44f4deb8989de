"""Losses: what training minimises, one instant at a time; `jax.vmap` makes it a batch's."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, PRNGKeyArray

from .._checks import as_float, as_numbers, check_flag, check_not_negative, of_numbers
from ..column.quantities import described
from ..column.states import CHANNELS, STATES
from ..recording.mask import ObservationMask
from ..recording.standardizer import Standardizer
from .base import AbstractAutoencoder, Features

# Nats of the latent against nats of the states: so little that reconstruction comes first.
_LATENT_COST = 1e-5


class Instant(eqx.Module, Generic[Features]):
    """What a loss is given of one instant of a standardized recording; with axes in front, of many."""

    features: Features
    later: Features
    """The same, the loss's `steps` later."""
    truth: Float[Array, "*batch 7"]
    """The true channels."""
    values: Float[Array, "*batch step 7"]
    """The samples at each of the loss's `steps` after the instant."""
    measured: Bool[Array, "*batch step 7"]
    """Which of them were measured."""

    def __repr__(self) -> str:
        return described(self, "")


class AbstractInstantLoss(eqx.Module):
    """A loss that is ready for the data it is minimised on. Its array leaves may differ between ensemble members."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many samples after the instant it reads."""

    @abstractmethod
    def __call__(
        self,
        autoencoder: AbstractAutoencoder[Features],
        instant: Instant[Features],
        standardizer: Standardizer,
        key: PRNGKeyArray,
    ) -> Float[Array, ""]:
        """The loss of one instant."""


class AbstractLoss(eqx.Module):
    """What training minimises: an object that is resolved against the data."""

    @abstractmethod
    def resolve(
        self,
        autoencoder: AbstractAutoencoder,
        *,
        kinds: Bool[np.ndarray, "kind 7"],
        dt: float,
        noise: tuple[float, float] | None,
    ) -> AbstractInstantLoss:
        """The loss for an autoencoder and its data.

        **Arguments:**

        - `kinds`: which channels each kind of recording shows.
        - `dt`: seconds between samples.
        - `noise`: least and largest sensor noise of simulated recordings, as a fraction of each channel's standard
            deviation; `None` for a dataset.

        **Raises:** `ValueError` if it cannot go with them.
        """


class WeightedError(AbstractInstantLoss):
    """Weighted squared error of the reconstruction; of a variational autoencoder, the negative evidence lower bound.

    The latter is that of Kingma and Welling (2014), less constants, with a latent drawn by `key` and its part scaled
    down (Higgins et al. 2017, "beta-VAE"): the weighted negative log-likelihood of the six states, and the divergence
    of the latent from a standard normal distribution. The gradient of the likelihood is weighted by the variance
    (Seitzer et al. 2022, arXiv:2203.09168), so that means are trained as by squared errors; else states that are hard
    to reconstruct would be neglected.
    """

    weights: Float[Array, "7"]
    """What each channel counts, summing to 1."""

    @property
    def steps(self):
        """None: it compares with the truth at the instant."""
        return 0

    def __call__(self, autoencoder, instant, standardizer, key):
        """See `AbstractInstantLoss`."""
        if not autoencoder.reports_std:
            channels = standardizer.with_eeg(autoencoder(instant.features))
            return jnp.sum(self.weights * (channels - instant.truth) ** 2)
        latent = autoencoder.encode(instant.features)
        noise = jax.random.normal(key, latent.mean.shape, latent.mean.dtype)
        states = autoencoder.decode(latent.mean + latent.std * noise)
        weights, truth = self.weights[: len(STATES)], instant.truth[: len(STATES)]
        variance = states.std**2
        misfit = 0.5 * (jnp.log(variance) + (truth - states.mean) ** 2 / variance)
        weighted = 2 * jax.lax.stop_gradient(variance) * misfit
        # The value of the likelihood, with the weighted gradient.
        misfit = jax.lax.stop_gradient(misfit - weighted) + weighted
        divergence = 0.5 * (latent.std**2 + latent.mean**2 - 1) - jnp.log(latent.std)
        return jnp.sum(weights * misfit) + _LATENT_COST * jnp.sum(divergence)


class ReconstructionLoss(AbstractLoss):
    """The error of reconstructed channels against the true ones; it needs data whose states are known.

    ```python
    jrae.ReconstructionLoss.all()  # all six states
    jrae.ReconstructionLoss.observed()  # only what the encoder reads, as the study did
    jrae.ReconstructionLoss(weights=[3, 1, 1, 1, 1, 1, 0])
    ```

    What the encoder reads and what the loss scores are two things. A variational autoencoder has the negative evidence
    lower bound with these weights instead of the squared error.

    **Arguments:**

    - `weights`: what each of the seven channels, the six states and the EEG, counts in relation to the others.

    **Raises:** `ValueError` for weights that are not seven, negative, or all 0.
    """

    weights: Float[np.ndarray, "7"]
    observed_only: bool = eqx.field(static=True)
    """Whether weights of channels that are not observed are 0."""

    def __init__(self, weights: ArrayLike | Sequence[float | int], *, observed_only: bool = False):
        """See the class."""
        check_flag(observed_only=observed_only)
        self.weights, self.observed_only = as_numbers("weights", weights).astype(float), bool(observed_only)
        if self.weights.shape != (len(CHANNELS),):
            raise ValueError(
                f"`weights` must be {len(CHANNELS)}, one for each of {', '.join(CHANNELS)}, got shape "
                f"{self.weights.shape}"
            )
        check_not_negative(weights=self.weights)
        if not np.any(self.weights):
            raise ValueError("`weights` must not all be 0")

    @classmethod
    def all(cls) -> "ReconstructionLoss":
        """All six states, alike."""
        return cls(np.isin(CHANNELS, STATES))

    @classmethod
    def observed(cls) -> "ReconstructionLoss":
        """The channels that are observed, alike."""
        return cls(np.ones(len(CHANNELS)), observed_only=True)

    def resolve(self, autoencoder, *, kinds, dt, noise):
        """See `AbstractLoss`."""
        weights = self.weights
        if self.observed_only:
            if len(kinds) > 1:
                raise ValueError(
                    f"`loss` must score the same for all {len(kinds)} kinds of recordings in `data`, got {self}: "
                    "ReconstructionLoss.all()"
                )
            weights = weights * kinds[0]
            if not np.any(weights):
                observed = ", ".join(ObservationMask(kinds[0]).names)
                raise ValueError(f"`loss` must weigh something that is observed, {observed}, got {self}")
        states, (eeg,) = np.split(weights, [len(STATES)])
        if autoencoder.reports_std and (eeg or not np.all(states)):
            raise ValueError(
                f"`loss` must weigh all six states and not the EEG for a variational autoencoder, got {self}: "
                "ReconstructionLoss.all()"
            )
        return WeightedError(as_float(weights / np.sum(weights)))

    @of_numbers
    def __repr__(self) -> str:
        for name, made in {"all": ReconstructionLoss.all(), "observed": ReconstructionLoss.observed()}.items():
            if eqx.tree_equal(made, self):
                return f"ReconstructionLoss.{name}()"
        observed_only = ", observed_only=True" if self.observed_only else ""
        return f"ReconstructionLoss(weights={self.weights.tolist()}{observed_only})"
