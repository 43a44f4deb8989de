"""Which samples a network with a memory sees: the surroundings of an instant, ever coarser with distance."""

import itertools

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._checks import check_count, check_positive

_FINE = 16  # samples on either side of the instant that are seen one by one
_TAPS_A_WIDTH = 11  # then so many averages of each width, each twice as wide as those before


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


def averaging(window: Window) -> Float[np.ndarray, "taps samples"]:
    """The matrix that makes taps of the samples of a window."""
    sample = np.arange(-window.past, window.future + 1)
    starts, widths = (np.array(values)[:, None] for values in (window.starts, window.widths))
    return ((starts <= sample) & (sample < starts + widths)) / widths


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
