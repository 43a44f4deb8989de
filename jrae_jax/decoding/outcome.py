"""Each window of a recording beside recordings that its draws predict, and what that says of a channel."""

import functools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from .check import LEVEL, Check, Comparison, Residual, Yardstick, compared, together
from .decoder import Decoder, prediction
from .features import FREQUENCIES, within
from .posterior import Draws
from .prepare import Prepared
from .rows import Rows, mapped
from .verdict import verdict


class Outcome(NamedTuple):
    """What comes of windows before their states."""

    draws: Draws
    eeg_mean: Float[Array, "row draw"]
    eeg_std: Float[Array, "row draw"]
    comparison: Comparison


def _outcome(
    decoder: Decoder,
    latents: Float[Array, "row draw latent"],
    log_std: Float[Array, " row"],
    standardized: Float[Array, "row feature"],
    log_density: Float[Array, "row frequency"],
    keys: Key[Array, " row"],
    *,
    seconds: float,
    band: tuple[float, float],
) -> Outcome:
    inside = jnp.broadcast_to(within(jnp.asarray(band, standardized.dtype)), standardized.shape)
    draws, replicas, residual = prediction(
        decoder.posterior, latents, log_std, standardized, inside, keys, seconds=seconds
    )
    densities = inside[:, : len(FREQUENCIES)]
    comparison = _compared(decoder.yardstick, residual, log_density, replicas.found.log_density, densities)
    return Outcome(draws, replicas.eeg_mean, replicas.eeg_std, comparison)


@eqx.filter_jit
def _compared(
    yardstick: Yardstick,
    residual: Residual,
    log_density: Float[Array, "row frequency"],
    predicted: Float[Array, "row draw frequency"],
    inside: Bool[Array, "row frequency"],
) -> Comparison:
    return jax.vmap(functools.partial(compared, yardstick))(residual, log_density, predicted, inside)


def outcome_of(
    decoder: Decoder,
    prepared: Prepared,
    rows: Rows,
    latents: Float[np.ndarray, "row draw latent"],
    keys: Key[Array, " row"],
) -> Outcome:
    """What is predicted for each window, and how far it is from that."""
    of_rows = functools.partial(_outcome, decoder, seconds=prepared.seconds, band=prepared.band)
    return mapped(of_rows, latents, rows.log_std, rows.standardized, rows.log_density, keys)


def by_window(prepared: Prepared, rows: Rows, values: Array | np.ndarray) -> np.ndarray:
    """What there is of each window by channel and window: NaN, or false, of those that were refused."""
    values = np.asarray(values)
    nothing = False if values.dtype == bool else np.nan
    array = np.full((*prepared.values.shape[:2], *values.shape[1:]), nothing, values.dtype)
    array[rows.channel, rows.window] = values
    array[~prepared.windows.used] = nothing
    return array


def quantities(rows: Rows, draws: Draws) -> dict[str, Float[np.ndarray, "row draw"]]:
    """Of columns, backgrounds and sensors, in their units, and what follows from them."""
    derived = {
        "gain": draws.model.gain * rows.std[:, None].astype(np.float32),
        "column_std": draws.column_std,
        "column_fraction": draws.model.column_fraction(jnp.asarray(draws.column_std)),
    }
    return {name: np.asarray(values) for name, values in (draws.values | derived).items()}


def check_of(
    decoder: Decoder,
    prepared: Prepared,
    rows: Rows,
    comparison: Comparison,
    column_fraction: Float[np.ndarray, "row draw"],
) -> Check:
    """What that says of each channel."""
    place = functools.partial(by_window, prepared, rows)
    statistic, left_over, beyond = (place(x) for x in (comparison.statistic, comparison.left_over, comparison.beyond))
    p, familiar = decoder.yardstick.p(statistic), place(comparison.familiar)
    fraction, used = place(column_fraction), prepared.windows.used
    explained = np.asarray([own.any() and together(p[i][own]) >= LEVEL for i, own in enumerate(used)])
    # Of features the power in the core is the unit, and so is the standard deviation of a row.
    unit = np.exp(2 * rows.log_std) * rows.std**2
    inside = np.asarray(within(jnp.asarray(prepared.band)))[: len(FREQUENCIES)]
    density = place(np.where(inside, np.exp(rows.log_density) * unit[:, None], np.nan))
    expected = place(np.where(inside, np.exp(comparison.log_density) * unit[:, None, None], np.nan))
    words = tuple(
        verdict(name, bool(explained[i]), *(x[i][used[i]] for x in (p, familiar, density, expected, fraction)))
        for i, name in enumerate(prepared.names)
    )
    return Check(
        statistic,
        p,
        familiar,
        density,
        expected,
        left_over,
        beyond,
        np.median(fraction, axis=-1),
        explained,
        words,
    )
