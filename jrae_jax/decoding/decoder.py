"""What `decode` has learned: the posterior over columns and the yardsticks of its check, and how they are kept."""

import functools
import os
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray

from .._checks import Progress, check_count, check_key, check_type, of_numbers
from .._version import __version__
from ..autoencoder.container import read_container, write_container
from .check import Residual, Yardstick, residual
from .features import Features, within
from .posterior import DRAWS, ColumnPosterior, Draws
from .prior import Prior, Quantity
from .rows import in_parts
from .simulated import DURATIONS, Predicted, predicted, simulated_windows
from .training import random_bands, train_posterior

_FORMAT, _VERSION = "jrae_jax decoder", 1
_WEIGHTS = Path(__file__).parent / "weights" / "decoder.jrae"

COLUMNS, STEPS, YARDSTICK = 262_144, 24_000, 2_048
"""Of the decoder that comes with the package: columns and steps of training, and windows of the yardstick."""

_AT_ONCE = 4  # windows of the yardstick, times `DRAWS` columns


class Decoder(eqx.Module):
    """A posterior over columns, and how far recordings of its prior are from what it predicts for them."""

    posterior: ColumnPosterior
    yardstick: Yardstick

    @of_numbers
    def __repr__(self) -> str:
        return f"Decoder({self.posterior!r}, {len(self.yardstick):,} windows as yardstick)"


def train_decoder(
    prior: Prior | None = None,
    *,
    columns: int = COLUMNS,
    steps: int = STEPS,
    windows: int = YARDSTICK,
    key: PRNGKeyArray,
    progress: Progress | None = None,
) -> Decoder:
    """Learn from simulations which columns recordings come from, and how recordings differ from what is predicted.

    With the defaults as the decoder that comes with the package, in some twelve minutes on two cores.

    **Arguments:**

    - `prior`: which columns, backgrounds and sensors are thought possible (`Prior()`).
    - `columns`: that are simulated, each recorded three times, for windows of 10 to 20 s.
    - `steps`: of the optimiser.
    - `windows`: simulated for the yardstick.
    """
    check_count(1, columns=columns, steps=steps, windows=windows)
    check_key(key=key)
    prior = Prior() if prior is None else prior
    training_key, yardstick_key = jax.random.split(key)
    posterior = train_posterior(prior, columns=columns, steps=steps, key=training_key, progress=progress).posterior
    return Decoder(posterior, measured_yardstick(posterior, windows, key=yardstick_key, progress=progress))


def measured_yardstick(
    posterior: ColumnPosterior, windows: int, *, key: PRNGKeyArray, progress: Progress | None = None
) -> Yardstick:
    """How far windows of recordings of the prior, behind any filters, are from what is predicted for them."""
    simulation_key, band_key, window_key = jax.random.split(key, 3)
    data = simulated_windows(posterior.prior, windows, recordings=1, key=simulation_key)
    bands, standardized = random_bands(len(data.seconds), key=band_key), posterior.standardized(data.found)
    conditions = posterior.condition(standardized, data.seconds, bands)
    keys = jax.random.split(window_key, (len(bands), 2))
    read, residuals, done = (conditions, data.found.log_std, standardized, within(bands), keys), [], 0
    for seconds in DURATIONS:
        of_this_length = np.flatnonzero(np.asarray(data.seconds) == seconds)
        chosen = jax.tree.map(lambda leaf, at=of_this_length: leaf[at], read)

        def residuals_of(conditions, log_std, standardized, inside, keys, seconds=seconds):
            latents = posterior.draw(conditions, DRAWS, keys=keys[:, 0])
            return prediction(posterior, latents, log_std, standardized, inside, keys[:, 1], seconds=seconds).residual

        for rows, found in in_parts(residuals_of, _AT_ONCE, *chosen):
            residuals.append(found)
            done += rows.stop - rows.start
            if progress is not None:
                progress(done, len(bands), "windows of the yardstick")
    return Yardstick.from_windows(jax.tree.map(lambda *parts: jnp.concatenate(parts), *residuals))


class Prediction(NamedTuple):
    """Windows beside the recordings that are predicted for them."""

    draws: Draws
    replicas: Predicted
    residual: Residual


def prediction(
    posterior: ColumnPosterior,
    latents: Float[Array, "window draw latent"],
    log_std: Float[Array, " window"],
    standardized: Float[Array, "window feature"],
    inside: Bool[Array, "window feature"],
    keys: Key[Array, " window"],
    *,
    seconds: float,
) -> Prediction:
    """What draws for windows predict, and how far the windows are from it."""
    draws = posterior.interpret(latents, log_std[:, None])
    replicas = predicted(posterior.prior, draws, seconds, keys=keys)
    return Prediction(draws, replicas, _residuals(posterior, standardized, replicas.found, inside))


@eqx.filter_jit
def _residuals(
    posterior: ColumnPosterior,
    standardized: Float[Array, "window feature"],
    found: Features,
    inside: Bool[Array, "window feature"],
) -> Residual:
    return jax.vmap(lambda own, others, used: residual(own, posterior.standardized(others), used))(
        standardized, found, inside
    )


def save_decoder(path: str | os.PathLike, decoder: Decoder) -> None:
    """Write a decoder; the file appears whole or not at all.

    **Raises:** `OSError` if `path` cannot be written.
    """
    check_type(Decoder, decoder=decoder)
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "jrae_jax": __version__,
        "quantities": dict(decoder.posterior.prior.quantities),
        "flow": decoder.posterior.sizes,
        "windows": len(decoder.yardstick),
    }
    # In single precision, whatever JAX is set to use.
    with jax.enable_x64(False):
        decoder = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)) if eqx.is_array(leaf) else leaf, decoder)
    write_container(path, header, decoder)


def load_decoder(path: str | os.PathLike | None = None) -> Decoder:
    """Read a decoder that `save_decoder` wrote, or that which comes with the package.

    **Raises:** `ValueError` if the file is no decoder, is of another format, or is damaged; `OSError` if it cannot be
        read.
    """
    path = _WEIGHTS if path is None else path
    header, whole, file = read_container(path)
    if header is None or header.get("format") != _FORMAT or header.get("version") != _VERSION:
        raise ValueError(f"`path` must be a file written by jrae_jax.decoding.save_decoder, got {os.fspath(path)}")
    if not whole:
        raise ValueError(f"`path` is a damaged or truncated decoder: {os.fspath(path)}")
    try:
        with jax.enable_x64(False):
            quantities = tuple((name, Quantity(*known)) for name, known in header["quantities"].items())
            read = eqx.tree_deserialise_leaves(
                file, _blank(quantities, tuple(header["flow"].items()), header["windows"])
            )
    except Exception as error:  # whatever a header that nobody wrote can lead to
        raise ValueError(f"`path` holds no decoder that its header describes: {os.fspath(path)}") from error
    dtype = jnp.result_type(float)
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, read)


# Flows built apart are different functions to JAX, each of which would be compiled anew.
@functools.cache
def _blank(quantities: tuple[tuple[str, Quantity], ...], sizes: tuple[tuple[str, int], ...], windows: int) -> Decoder:
    """A decoder of the right shape and of no content."""
    posterior = ColumnPosterior(Prior(dict(quantities)), **dict(sizes), key=jax.random.key(0))
    return Decoder(posterior, Yardstick.blank(windows))
