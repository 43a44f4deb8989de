"""What every autoencoder has: features of recordings, an encoder and a decoder."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..column.quantities import described
from ..column.states import CHANNELS
from ..recording.mask import ObservationMask
from .whitening import Whitener

Features = TypeVar("Features")
"""What an autoencoder reads at one instant; with axes in front, at many."""
AutoencoderType = TypeVar("AutoencoderType", bound="AbstractAutoencoder")


# Not to resample: what an amplifier has taken away is not there again, and intervals no longer hold.
_OTHER_RATES = (
    "for another rate there are estimators that know the column, as jrae.estimators.KalmanSmoother(column), or "
    "autoencoders trained at it; resampled, it is not what this one was made for"
)


class Gaussian(eqx.Module):
    """Independent normal distributions."""

    mean: Float[Array, "*batch values"]
    std: Float[Array, "*batch values"]
    """0 where an autoencoder reports none."""

    def __repr__(self) -> str:
        return described(self, "")


class AbstractRecordingFeatures(eqx.Module, Generic[Features]):
    """What an autoencoder reads of standardized recordings, to be had at any instants.

    Recordings lie one after another in rows.
    """

    @property
    @abstractmethod
    def rows(self) -> Int[np.ndarray, "recording time"]:
        """In which row each instant lies."""

    @abstractmethod
    def followed(self, rows: Int[Array, "*instant"], steps: int) -> Bool[Array, "*instant"]:
        """Whether the recording of an instant has so many further samples."""

    @abstractmethod
    def at(self, rows: Int[Array, " instant"]) -> Features:
        """The features at some instants."""

    @abstractmethod
    def measured_at(self, rows: Int[Array, "*instant"]) -> tuple[Float[Array, "*instant 7"], Bool[Array, "*instant 7"]]:
        """The standardized samples of some rows, and which of them were measured."""


class AbstractAutoencoder(eqx.Module, Generic[Features]):
    """Reconstructs six standardized states from features of a standardized recording, through a latent.

    Its array leaves are what is trained. `settings` are the arguments that make one of the same shape.
    """

    inputs: eqx.AbstractVar[tuple[int, ...]]
    """Which channels it reads, as positions in `CHANNELS`."""

    @property
    @abstractmethod
    def dt(self) -> float | None:
        """Seconds between the samples it reads; `None`: any."""

    @property
    @abstractmethod
    def past(self) -> int:
        """Samples before an instant that it reads."""

    @property
    @abstractmethod
    def future(self) -> int:
        """Samples after an instant that it reads."""

    @property
    @abstractmethod
    def distinguishes_missing(self) -> bool:
        """Whether it is given which samples were measured, and so can be trained on several kinds of recordings."""

    @property
    @abstractmethod
    def reports_std(self) -> bool:
        """Whether latent and states are distributions, with a standard deviation."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The arguments that make an autoencoder of this shape, as plain JSON values."""

    def __repr__(self) -> str:
        chosen = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{type(self).__name__}({chosen})"

    @abstractmethod
    def fit_whitener(
        self, recordings: Float[np.ndarray, "recording time 7"], noise: Float[np.ndarray, "7"] | float
    ) -> Whitener | None:
        """What is done to its features before it reads them, fitted to standardized recordings; `None`: nothing.

        **Arguments:**

        - `noise`: standard deviation of the sensor noise that the recordings come with, standardized.
        """

    @abstractmethod
    def features(
        self,
        values: Float[Array, "recording time 7"],
        measured: Bool[Array, "recording time 7"],
        whitener: Whitener | None,
    ) -> AbstractRecordingFeatures[Features]:
        """The features of standardized recordings; values that were not measured are not read, and may be NaN."""

    @abstractmethod
    def last_features(
        self, values: Float[Array, "time 7"], measured: Bool[Array, "time 7"], whitener: Whitener | None
    ) -> Features:
        """The features at the last instant of a standardized recording, if no future is read.

        **Arguments:**

        - `values`, `measured`: at least `past + 3` samples.
        """

    @abstractmethod
    def encode(self, features: Features) -> Gaussian:
        """The latent of one instant."""

    @abstractmethod
    def decode(self, latent: Float[Array, " latent"]) -> Gaussian:
        """The standardized states of a latent."""

    @abstractmethod
    def __call__(self, features: Features) -> Float[Array, "6"]:
        """The standardized states of one instant: the mean of the states, at the mean of the latent."""


def float_type(autoencoder: AbstractAutoencoder) -> np.dtype:
    """The float type of its weights."""
    return jax.tree.leaves(eqx.filter(autoencoder, eqx.is_inexact_array))[0].dtype


def check_dt(autoencoder: AbstractAutoencoder, argument: str, dt: float, remedy: str = _OTHER_RATES) -> None:
    """Raise if `argument`, the seconds between samples, is not as an autoencoder reads them."""
    expected = autoencoder.dt
    if expected is not None and abs(dt - expected) > 1e-4 * expected:
        raise ValueError(
            f"`{argument}` must be {expected:g} s, as the autoencoder was made for, got {dt:g} s: {remedy}"
        )


def check_inputs(autoencoder: AbstractAutoencoder, kinds: Bool[np.ndarray, "kind 7"]) -> None:
    """Raise if an autoencoder does not read all channels that some kinds of recordings show."""
    observed = ObservationMask(np.any(kinds, axis=0)).names
    read = [CHANNELS[i] for i in autoencoder.inputs]
    if not set(observed) <= set(read):
        raise ValueError(
            f"`autoencoder` must read what is observed in `data`, {', '.join(observed)}, got one that reads "
            f"{', '.join(read)}: leave out `inputs` to read all channels"
        )


def at_all(
    function: Callable[[Any], PyTree[Array]],
    features: AbstractRecordingFeatures,
    rows: Int[Array, " instant"],
    *,
    at_once: int,
) -> PyTree[Array]:
    """`function` of the features at each of some instants, so many at once.

    Features of all instants together would take many times the memory of the recording.
    """
    at_once = min(at_once, len(rows))
    # The last instant is repeated to fill up the last portion, so that one program serves all of them.
    portions = jnp.pad(rows, (0, -len(rows) % at_once), mode="edge").reshape(-1, at_once)
    found = jax.lax.map(lambda portion: jax.vmap(function)(features.at(portion)), portions)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[: len(rows)], found)


def through(
    layers: Sequence[eqx.nn.Linear], values: Float[Array, " inputs"], activation: Callable[[Array], Array]
) -> Float[Array, " outputs"]:
    """Linear layers with an activation after each but the last."""
    *hidden, last = layers
    for layer in hidden:
        values = activation(layer(values))
    return last(values)


def zero_padded(autoencoder: AutoencoderType, larger: AutoencoderType) -> AutoencoderType:
    """An autoencoder in the shape of one with more inputs, which are always 0, or with a larger latent.

    So autoencoders of several sizes can be trained in one ensemble, by one program. What is added has weights of 0 and
    keeps them: their gradients are products with inputs or with other weights that are 0.
    """
    arrays, skeleton = eqx.partition(larger, eqx.is_array)

    def padded(own, wide):
        widths = [(0, after - before) for before, after in zip(own.shape, wide.shape, strict=True)]
        return jnp.asarray(np.pad(np.asarray(own), widths))  # by NumPy, which compiles nothing

    leaves = map(padded, jax.tree.leaves(eqx.filter(autoencoder, eqx.is_array)), jax.tree.leaves(arrays))
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(arrays), leaves), skeleton)
