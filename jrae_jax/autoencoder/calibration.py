"""Calibration of standard deviations: half of the errors lie within the interval that should hold half of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..column.quantities import described
from ..column.states import STATES
from ..recording.simulated import SimulatedRecordings
from .base import AbstractAutoencoder, at_all
from .whitening import Whitener

# Points between which factors are interpolated: with one draw of 8192 instants, each is a median over 512.
_KNOTS = 16
_MEDIAN_OF_HALF_NORMAL = 0.6744897501960817
_AT_ONCE = 1024  # instants whose features are gathered together


class Calibration(eqx.Module):
    """Factors for the standard deviations that an autoencoder reports, for each kind of recording and state.

    Where it reported so much on new recordings, half of the errors were within the interval that should hold half of
    them (after Levi et al. 2022, doi 10.3390/s22155540). Linear between such points, over the logarithm, and constant
    beyond them.
    """

    log_std: Float[Array, "kind 6 knot"]
    """As reported, standardized; increasing."""
    factor: Float[Array, "kind 6 knot"]

    def __repr__(self) -> str:
        return described(self, "")

    @classmethod
    def blank(cls, kinds: int, dtype: np.dtype) -> "Calibration":
        """One of zeros."""
        return cls(*(jnp.zeros((kinds, len(STATES), _KNOTS), dtype),) * 2)

    @classmethod
    @eqx.filter_jit
    def fit(cls, std: Float[Array, "sample 6"], error: Float[Array, "sample 6"]) -> "Calibration":
        """Of one kind of recording, from the reported standard deviations and the errors of the means."""

        def one_state(std, size):
            order = jnp.argsort(std)[: len(std) // _KNOTS * _KNOTS]
            std, size = (values[order].reshape(_KNOTS, -1) for values in (std, size))
            factor = jnp.median(size / std, axis=1) / _MEDIAN_OF_HALF_NORMAL
            return jnp.log(jnp.median(std, axis=1)), factor

        log_std, factor = jax.vmap(one_state, in_axes=-1)(std, jnp.abs(error))
        return cls(log_std[None], factor[None])

    def __call__(self, std: Float[Array, "*batch 6"], kind: int | Int[Array, ""]) -> Float[Array, "*batch 6"]:
        """Calibrated standard deviations, standardized."""
        interpolate = jax.vmap(jnp.interp, in_axes=(-1, 0, 0), out_axes=-1)
        return std * interpolate(jnp.log(std), self.log_std[kind], self.factor[kind])


def calibrate(
    autoencoder: AbstractAutoencoder,
    data: SimulatedRecordings,
    whitener: Whitener | None,
    *,
    draws: int,
    instants: int,
    key: PRNGKeyArray,
) -> Calibration:
    """The calibration of an autoencoder on new recordings of each kind.

    **Arguments:**

    - `draws`: how many times recordings are drawn, shared out over the kinds, each of which has at least one.
    - `instants`: of each draw.
    """
    kinds = []
    for mask, kind_key in zip(data.masks, jax.random.split(key, len(data.masks)), strict=True):
        one_kind = eqx.tree_at(lambda data: data.masks, data, mask[None])
        draw_keys = jax.random.split(kind_key, -(-draws // len(data.masks)))
        parts = [_std_and_error(autoencoder, one_kind, whitener, instants, draw_key) for draw_key in draw_keys]
        kinds.append(Calibration.fit(*(jnp.concatenate(values) for values in zip(*parts, strict=True))))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *kinds)


@eqx.filter_jit
def _std_and_error(
    autoencoder: AbstractAutoencoder,
    data: SimulatedRecordings,
    whitener: Whitener | None,
    instants: int,
    key: PRNGKeyArray,
) -> tuple[Float[Array, "instant 6"], Float[Array, "instant 6"]]:
    """Reported standard deviations at some instants of new recordings, and the errors of the means."""
    draw_key, instant_key = jax.random.split(key)
    drawn = data.draw(data.columns, data.samples + autoencoder.past + autoencoder.future, key=draw_key)
    features = autoencoder.features(drawn.values, drawn.measured, whitener)
    truth = drawn.truth.reshape(-1, drawn.truth.shape[-1])[:, : len(STATES)]
    chosen = jax.random.randint(instant_key, (instants,), 0, len(truth))
    rows = jnp.asarray(features.rows.ravel())[chosen]
    states = at_all(lambda one: autoencoder.decode(autoencoder.encode(one).mean), features, rows, at_once=_AT_ONCE)
    return states.std, truth[chosen] - states.mean
