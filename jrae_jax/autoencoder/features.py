"""What a network with a memory sees of recordings at any instant, and what of it was measured."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .whitening import Whitener
from .window import Window, averaging

_ROUGHNESS_OF_NOTHING = 1e-6  # variance, of standardized signals; what rounding leaves of a smooth one


class View(eqx.Module):
    """What is seen at one instant, standardized."""

    values: Float[Array, "*batch taps 7"]
    """Averages over what was measured, 0 where nothing was; or components of them."""
    seen: Float[Array, "*batch taps 7"]
    """The share of the samples that was measured."""
    share: Float[Array, "*batch 7"]
    """The same over the last samples of the window, a power of two of them."""
    roughness: Float[Array, "*batch 7"]
    """Logarithm of the size of second differences, which tells sensor noise; 0 where nothing was measured."""


class Surroundings(eqx.Module):
    """Recordings made ready to look at from any instant: averages over 1, 2, 4, ... samples, starting at each one.

    Recordings lie one after another, with room between them that a window can reach into and that nobody measured.
    """

    values: tuple[Float[Array, "row 7"], ...]
    seen: tuple[Float[Array, "row 7"], ...]
    rough: Float[Array, "row 7"]
    """Mean of squared second differences, over as many samples as the window's `span`."""
    share: Float[Array, "row 7"]
    """Share of what was measured, over the same samples."""
    window: Window
    whitener: Whitener | None

    def at(self, rows: Int[Array, " instant"]) -> View:
        """What is seen from some rows. Windows are gathered here, for these rows and no others."""
        seen = self._gathered(self.seen, rows)
        values = self._gathered(self.values, rows) / jnp.where(seen > 0, seen, 1)
        start = rows - min(self.window.past, self.window.span - 1)
        return _view(values, seen, self.share[start], self.rough[start], self.whitener)

    def measured_at(self, rows: Int[Array, "*instant"]) -> tuple[Float[Array, "*instant 7"], Bool[Array, "*instant 7"]]:
        """The samples of some rows, standardized, and which of them were measured."""
        return self.values[0][rows], self.seen[0][rows] > 0

    def _gathered(self, levels: tuple[Float[Array, "row 7"], ...], rows: Int[Array, " instant"]) -> Array:
        starts, widths = np.array(self.window.starts), np.array(self.window.widths)
        parts, order = [], []
        for level, averages in enumerate(levels):
            (taps,) = np.nonzero(widths == 1 << level)
            order.extend(taps)
            parts.append(averages[rows[:, None] + jnp.asarray(starts[taps], rows.dtype)[None]])
        return jnp.concatenate(parts, axis=1)[:, np.argsort(order)]


def surroundings(
    window: Window,
    channels: Float[Array, "trajectory time 7"],
    seen: Bool[Array, "trajectory time 7"],
    whitener: Whitener | None = None,
) -> Surroundings:
    """The surroundings of all instants of standardized recordings; what was not seen may be anything, even NaN."""
    room = ((0, 0), (window.past, window.future), (0, 0))
    channels, shown = jnp.pad(jnp.where(seen, channels, 0), room), jnp.pad(seen, room).astype(channels.dtype)
    squares, valid = (
        jnp.pad(values, ((0, 0), (channels.shape[1] - values.shape[1], 0), (0, 0)))
        for values in _second_differences(channels, shown)
    )
    channels, shown, squares, valid = (
        values.reshape(-1, values.shape[-1]) for values in (channels, shown, squares, valid)
    )
    most = max(window.widths).bit_length()
    squares, valid, share = (_averages(values, window.span.bit_length())[-1] for values in (squares, valid, shown))
    return Surroundings(
        _averages(channels, most), _averages(shown, most), _roughness(squares, valid), share, window, whitener
    )


def last_view(
    window: Window, channels: Float[Array, "time 7"], seen: Bool[Array, "time 7"], whitener: Whitener | None = None
) -> View:
    """What is seen from the last instant of a standardized recording, through a causal window.

    It is what `surroundings` show there, without the work for all other instants.

    **Arguments:**

    - `channels`, `seen`: the window, and the two samples before it that its first second difference needs.
    """
    shown = seen.astype(channels.dtype)
    channels = jnp.where(seen, channels, 0)
    average = jnp.asarray(averaging(window), channels.dtype)
    share_of_taps = average @ shown[-window.past - 1 :]
    values = average @ channels[-window.past - 1 :] / jnp.where(share_of_taps > 0, share_of_taps, 1)
    squares, valid = (jnp.mean(part[-window.span :], axis=0) for part in _second_differences(channels, shown))
    share = jnp.mean(shown[-window.span :], axis=0)
    return _view(values, share_of_taps, share, _roughness(squares, valid), whitener)


def rows_of(window: Window, trajectories: int, samples: int) -> Int[np.ndarray, "trajectory time"]:
    """In which row of their surroundings the instants of recordings lie."""
    pitch = window.past + samples + window.future
    return (window.past + pitch * np.arange(trajectories)[:, None] + np.arange(samples)[None]).astype(np.int32)


def _view(
    values: Float[Array, "*batch taps 7"],
    seen: Float[Array, "*batch taps 7"],
    share: Float[Array, "*batch 7"],
    rough: Float[Array, "*batch 7"],
    whitener: Whitener | None,
) -> View:
    return View(values if whitener is None else whitener(values, rough), seen, share, rough)


def _second_differences(
    channels: Float[Array, "*trajectory time 7"], shown: Float[Array, "*trajectory time 7"]
) -> tuple[Float[Array, "*trajectory less 7"], Float[Array, "*trajectory less 7"]]:
    """Squared, of the size of the variance of white noise, and where all three samples were measured."""
    valid = shown[..., 2:, :] * shown[..., 1:-1, :] * shown[..., :-2, :]
    return valid * (channels[..., 2:, :] - 2 * channels[..., 1:-1, :] + channels[..., :-2, :]) ** 2 / 6, valid


def _roughness(squares: Float[Array, "*batch 7"], valid: Float[Array, "*batch 7"]) -> Float[Array, "*batch 7"]:
    rough = 0.5 * jnp.log(squares / jnp.where(valid > 0, valid, 1) + _ROUGHNESS_OF_NOTHING)
    return jnp.where(valid > 0, rough, 0)


def _averages(values: Float[Array, "row 7"], levels: int) -> tuple[Float[Array, "row 7"], ...]:
    """Over 1, 2, 4, ... rows, from each row on."""
    found = [values]
    for level in range(levels - 1):
        later = jnp.pad(found[-1][1 << level :], ((0, min(1 << level, len(values))), (0, 0)))
        found.append((found[-1] + later) / 2)
    return tuple(found)
