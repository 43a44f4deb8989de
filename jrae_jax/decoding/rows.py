"""The windows of a recording that are decoded, one after the other, and the columns that are drawn for them."""

import functools
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from .._checks import warn_caller
from .features import features
from .posterior import DRAWS, ColumnPosterior
from .prepare import Prepared
from .share import with_one_gain

_PROPOSED = 4096  # draws, of which those are kept that agree on a gain
# Of a window that has a gain which the others have; a factor of 2.6 standard deviations away from theirs.
_LEAST_AGREEMENT = 0.03
# Of a standard deviation of a feature: far below what it varies by chance, far above what rounding makes of it.
_STEP = 2.0**-7


class Rows(NamedTuple):
    """Windows, by row, and what is read from them."""

    channel: Int[np.ndarray, " row"]
    window: Int[np.ndarray, " row"]
    values: Float[np.ndarray, "row time"]
    """Less the mean, in standard deviations, so that nothing depends on the unit but by rounding."""
    std: Float[np.ndarray, " row"]
    """Of the recording, mV."""
    measured: Bool[np.ndarray, "row time"]
    log_density: Float[np.ndarray, "row frequency"]
    log_std: Float[np.ndarray, " row"]
    """Logarithm of the standard deviation of `values` in the core band, whose square is the unit of densities."""
    standardized: Float[np.ndarray, "row feature"]
    condition: Float[np.ndarray, "row condition"]


def in_parts(function: Callable[..., Any], size: int, *arrays: Any) -> Iterator[tuple[slice, Any]]:
    """A function of rows, of so many at a time; the last is repeated, so that one program serves them all.

    Only of one row at a time are the results the same, to the last bit, whatever other rows there are.
    """
    count = len(jax.tree.leaves(arrays)[0])
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + min(size, count)), count - 1)
        chosen = jax.tree.map(lambda leaf, at=rows: jnp.asarray(leaf[at]), arrays)
        of_rows = slice(start, min(start + size, count))
        found = jax.tree.map(lambda leaf, few=of_rows.stop - start: np.asarray(leaf)[:few], function(*chosen))
        yield of_rows, found


def mapped(function: Callable[..., Any], *arrays: Any) -> Any:
    """A function of rows, of one after the other, and all of its results."""
    found = [part for _, part in in_parts(function, 1, *arrays)]
    return jax.tree.map(lambda *parts: np.concatenate(parts), *found)


def rows_of(posterior: ColumnPosterior, prepared: Prepared) -> Rows:
    """The windows that are used; where there are none, one of noise, of which nothing is kept."""
    used = prepared.windows.used.copy()
    nothing = not used.any()
    used[0, 0] |= nothing
    channel, window = np.nonzero(used)
    values, measured = (array[channel, window] for array in (prepared.values, prepared.measured))
    if nothing:
        values = np.random.default_rng(0).normal(size=values.shape)
    std = values.std(axis=-1)
    values = (values / std[:, None]).astype(jnp.result_type(float))
    read = functools.partial(_read, posterior, dt=prepared.dt, seconds=prepared.seconds, band=prepared.band)
    return Rows(channel, window, values, std, measured, *mapped(read, values))


@eqx.filter_jit
def _read(
    posterior: ColumnPosterior,
    values: Float[Array, "row time"],
    *,
    dt: float,
    seconds: float,
    band: tuple[float, float],
) -> tuple[Array, Array, Array, Array]:
    found = features(values, dt)
    standardized, count = posterior.standardized(found), len(values)
    bands = jnp.broadcast_to(jnp.asarray(band, values.dtype), (count, 2))
    # A column near the border of two regimes is in one or the other for the last digit of a quantity, and all that is
    # drawn for a window would differ between recordings of different gains if it were read from these as they are.
    rounded = jnp.round(standardized / _STEP) * _STEP
    condition = posterior.condition(rounded, jnp.full(count, seconds, values.dtype), bands)
    return found.log_density, found.log_std, standardized, condition


def row_keys(prepared: Prepared, rows: Rows, key: PRNGKeyArray) -> Key[Array, "row 2"]:
    """Two for each window, that depend on the name of its channel and on its time alone.

    That is counted in samples from the first one of the recording, as files of one recording may have different clocks.
    """
    names = np.asarray([_number_of(name) for name in prepared.names], np.uint32)
    times = (rows.window * rows.values.shape[-1]).astype(np.uint32)

    def keys_of(name, time):
        return jax.random.split(jax.random.fold_in(jax.random.fold_in(key, name), time))

    return jax.vmap(keys_of)(jnp.asarray(names[rows.channel]), jnp.asarray(times))


def _number_of(name: str) -> int:
    # Without the dots that fill names up in some files; the hash of Python is another in every process.
    return zlib.crc32(name.rstrip(".").encode())


def columns_drawn(
    posterior: ColumnPosterior, rows: Rows, keys: Key[Array, " row"], number: int = DRAWS
) -> Float[np.ndarray, "row draw latent"]:
    """Of the posterior of each window."""
    return mapped(lambda condition, own: posterior.draw(condition, number, keys=own), rows.condition, keys)


def columns_of_one_gain(
    posterior: ColumnPosterior,
    prepared: Sequence[Prepared],
    rows: Sequence[Rows],
    keys: Sequence[Key[Array, " row"]],
    key: PRNGKeyArray,
) -> list[Float[np.ndarray, "row draw latent"]]:
    """Of the posterior of each window, given that all windows of a channel, in all recordings, have one gain."""
    proposed = [columns_drawn(posterior, each, own, _PROPOSED) for each, own in zip(rows, keys, strict=True)]
    log_gains = []
    for latent, each in zip(proposed, rows, strict=True):
        model = posterior.interpret(jnp.asarray(latent), jnp.asarray(each.log_std)[:, None]).model
        log_gains.append(np.log(np.asarray(model.gain) * each.std[:, None]))
    # The noise that stands for a recording of which nothing is used has no gain, and no name.
    named = [
        np.where(each.windows.used[row.channel, row.window], np.asarray(each.names)[row.channel], "")
        for each, row in zip(prepared, rows, strict=True)
    ]
    kept = [np.tile(np.arange(DRAWS), (len(each.channel), 1)) for each in rows]
    for name in filter(None, dict.fromkeys(np.concatenate(named).tolist())):
        where = [np.flatnonzero(names == name) for names in named]
        rng = np.random.default_rng([*np.asarray(jax.random.key_data(key)).tolist(), _number_of(name)])
        shared = with_one_gain(
            np.concatenate([gain[at] for gain, at in zip(log_gains, where, strict=True)]), DRAWS, rng
        )
        alone = np.sum(shared.agreement < _LEAST_AGREEMENT)
        if alone:
            warn_caller(
                f"`share`: {alone} of {len(shared.agreement)} windows of {name} hardly have a gain that others have",
                UserWarning,
            )
        parts = np.split(shared.kept, np.cumsum([len(at) for at in where])[:-1])
        for array, at, part in zip(kept, where, parts, strict=True):
            array[at] = part
    return [np.take_along_axis(x, chosen[..., None], axis=1) for x, chosen in zip(proposed, kept, strict=True)]
