"""What a network with a memory sees of a recording: the surroundings of an instant, ever coarser with distance."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._validation import check_count, check_positive

_FINE = 16  # samples on either side of the instant that are seen one by one
_TAPS_A_WIDTH = 11  # then so many averages of each width, each twice as wide as those before
_ROUGHNESS_OF_NOTHING = 1e-6  # variance, of standardized signals; what rounding leaves of a smooth one


class Window(eqx.Module):
    """Which samples around an instant are seen: the nearest one by one, farther ones averaged over 2, 4, 8, ... .

    **Arguments:**

    - `past`, `future`: seconds before and after the instant; a causal window has no future. They are rounded up to
        whole averages.
    - `dt`: seconds between samples.

    **Raises:** `ValueError` for times that are negative or not finite.
    """

    past: int = eqx.field(static=True)
    """Samples before the instant."""
    future: int = eqx.field(static=True)
    """Samples after it."""
    dt: float = eqx.field(static=True)

    def __init__(self, *, past: float, future: float = 0.0, dt: float = 1e-3):
        """See the class."""
        check_positive(dt=dt)
        self.dt = float(dt)
        self.past, self.future = (
            sum(_side(_samples(name, seconds, dt))) for name, seconds in {"past": past, "future": future}.items()
        )

    @classmethod
    def of_samples(cls, *, past: int, future: int, dt: float) -> "Window":
        """A window of so many samples."""
        return cls(past=past * dt, future=future * dt, dt=dt)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many samples each tap averages, from the farthest past to the farthest future."""
        return (*reversed(_side(self.past)), 1, *_side(self.future))

    @property
    def starts(self) -> tuple[int, ...]:
        """The first sample of each tap, counted from the instant."""
        return tuple(itertools.accumulate(self.widths[:-1], initial=-self.past))

    @property
    def taps(self) -> int:
        """How many averages there are."""
        return len(self.widths)

    @property
    def span(self) -> int:
        """Samples over which the noise is judged: a power of two that fits into the window."""
        return 1 << ((self.past + self.future + 1).bit_length() - 1)


class View(eqx.Module):
    """What is seen at one instant, standardized."""

    values: Float[Array, "*batch taps 7"]
    """Averages over what was measured; 0 where nothing was."""
    seen: Float[Array, "*batch taps 7"]
    """The share of the samples that was measured."""
    share: Float[Array, "*batch 7"]
    """The same over the whole window."""
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

    def at(self, rows: Int[Array, " instant"]) -> View:
        """What is seen from some rows. Windows are gathered here, for these rows and no others."""
        seen = self._gathered(self.seen, rows)
        values = self._gathered(self.values, rows) / jnp.where(seen > 0, seen, 1)
        start = rows - min(self.window.past, self.window.span - 1)
        return View(values, seen, self.share[start], self.rough[start])

    def _gathered(self, levels: tuple[Float[Array, "row 7"], ...], rows: Int[Array, " instant"]) -> Array:
        starts, widths = np.array(self.window.starts), np.array(self.window.widths)
        parts, order = [], []
        for level, averages in enumerate(levels):
            (taps,) = np.nonzero(widths == 1 << level)
            order.extend(taps)
            parts.append(averages[rows[:, None] + jnp.asarray(starts[taps], rows.dtype)[None]])
        return jnp.concatenate(parts, axis=1)[:, np.argsort(order)]


def surroundings(
    window: Window, channels: Float[Array, "trajectory time 7"], seen: Bool[Array, "trajectory time 7"]
) -> Surroundings:
    """The surroundings of all instants of standardized recordings; what was not seen may be anything, even NaN."""
    room = ((0, 0), (window.past, window.future), (0, 0))
    channels, shown = jnp.pad(jnp.where(seen, channels, 0), room), jnp.pad(seen, room).astype(channels.dtype)
    valid = shown[:, 2:] * shown[:, 1:-1] * shown[:, :-2]
    squares = valid * (channels[:, 2:] - 2 * channels[:, 1:-1] + channels[:, :-2]) ** 2 / 6  # variance, of white noise
    before = ((0, 0), (channels.shape[1] - valid.shape[1], 0), (0, 0))
    squares, valid = (jnp.pad(values, before) for values in (squares, valid))
    channels, shown, squares, valid = (
        values.reshape(-1, values.shape[-1]) for values in (channels, shown, squares, valid)
    )
    most = max(window.widths).bit_length()
    squares, valid, share = (_averages(values, window.span.bit_length())[-1] for values in (squares, valid, shown))
    rough = 0.5 * jnp.log(squares / jnp.where(valid > 0, valid, 1) + _ROUGHNESS_OF_NOTHING)
    return Surroundings(
        _averages(channels, most), _averages(shown, most), jnp.where(valid > 0, rough, 0), share, window
    )


def rows_of(window: Window, trajectories: int, samples: int) -> Int[np.ndarray, "trajectory time"]:
    """In which row of their surroundings the instants of recordings lie."""
    pitch = window.past + samples + window.future
    return (window.past + pitch * np.arange(trajectories)[:, None] + np.arange(samples)[None]).astype(np.int32)


def _averages(values: Float[Array, "row 7"], levels: int) -> tuple[Float[Array, "row 7"], ...]:
    """Over 1, 2, 4, ... rows, from each row on."""
    found = [values]
    for level in range(levels - 1):
        later = jnp.pad(found[-1][1 << level :], ((0, min(1 << level, len(values))), (0, 0)))
        found.append((found[-1] + later) / 2)
    return tuple(found)


def _samples(name: str, seconds: float, dt: float) -> int:
    count = round(seconds / dt) if np.isfinite(seconds) else -1
    check_count(0, **{f"{name} / dt": count})
    return count


def _side(samples: int) -> list[int]:
    """Widths from the instant outwards, until at least so many samples are covered."""
    widths, width = [1] * min(samples, _FINE), 1
    while sum(widths) < samples:
        width *= 2
        while sum(widths) < samples and widths.count(width) < _TAPS_A_WIDTH:
            widths.append(width)
    return widths
