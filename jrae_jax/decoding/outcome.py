"""Each window of a recording beside recordings that its draws predict, and what that says of a channel."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from .check import LEVEL, Check, Comparison, compared, residual, together
from .decoder import Decoder
from .features import FREQUENCIES, within
from .posterior import Draws
from .prepare import Prepared
from .rows import Rows, mapped
from .simulated import Predicted, predicted
from .verdict import verdict


class Outcome(NamedTuple):
    """What comes of a window before its states."""

    draws: Draws
    eeg_mean: Float[Array, "row draw"]
    eeg_std: Float[Array, "row draw"]
    comparison: Comparison


def _outcome(
    decoder: Decoder,
    latent: Float[Array, "1 draw latent"],
    log_std: Float[Array, "1"],
    standardized: Float[Array, "1 feature"],
    log_density: Float[Array, "1 frequency"],
    key: Key[Array, "1"],
    *,
    seconds: float,
    band: tuple[float, float],
) -> Outcome:
    draws = decoder.posterior.interpret(latent, log_std[:, None])
    replicas = predicted(decoder.posterior.prior, draws, seconds, keys=key)
    comparison = _compared(decoder, standardized[0], log_density[0], replicas, band)
    return Outcome(draws, replicas.eeg_mean, replicas.eeg_std, jax.tree.map(lambda leaf: leaf[None], comparison))


@eqx.filter_jit
def _compared(
    decoder: Decoder,
    standardized: Float[Array, " feature"],
    log_density: Float[Array, " frequency"],
    replicas: Predicted,
    band: tuple[float, float],
) -> Comparison:
    inside = within(jnp.asarray(band, standardized.dtype))
    others = jax.tree.map(lambda leaf: leaf[0], replicas.found)
    found = residual(standardized, decoder.posterior.standardized(others), inside)
    return compared(decoder.yardstick, found, log_density, others.log_density, inside[: len(FREQUENCIES)])


def outcomes(
    decoder: Decoder,
    prepared: Prepared,
    rows: Rows,
    latents: Float[np.ndarray, "row draw latent"],
    keys: Key[Array, " row"],
    counted: Callable[[int, int], None] | None = None,
) -> tuple[Outcome, Check]:
    """What is predicted for each window, and whether that is like it."""
    of_one = functools.partial(_outcome, decoder, seconds=prepared.seconds, band=prepared.band)
    read = (latents, rows.log_std, rows.standardized, rows.log_density, keys)
    outcome = mapped(of_one, 1, *read, counted=counted)
    return outcome, _check(decoder, prepared, rows, outcome)


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


def _check(decoder: Decoder, prepared: Prepared, rows: Rows, outcome: Outcome) -> Check:
    place = functools.partial(by_window, prepared, rows)
    comparison, used = outcome.comparison, prepared.windows.used
    statistic, left_over, beyond = (place(x) for x in (comparison.statistic, comparison.left_over, comparison.beyond))
    p, familiar = decoder.yardstick.p(statistic), place(comparison.familiar)
    fraction = place(quantities(rows, outcome.draws)["column_fraction"])
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
