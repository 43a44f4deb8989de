"""Windows of a recording: single samples near an instant, averages that are ever wider farther away."""

import itertools

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._checks import as_number, as_positive, check_count, check_memory

# States change within milliseconds and are smooth: at 1 kHz, 16 ms to either side are resolved, and what is older is
# averaged over 2, 4, 8, ... ms, 11 averages of each width, so that 0.33 s are 60 numbers instead of 330.
_SINGLE_SAMPLES = 16
_AVERAGES_PER_WIDTH = 11


class Window(eqx.Module):
    """The samples around an instant: the nearest one by one, farther ones averaged over 2, 4, 8, ... .

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
        self.dt = as_positive("dt", dt)
        self.past, self.future = (
            sum(_widths_outwards(_samples(name, seconds, self.dt)))
            for name, seconds in {"past": past, "future": future}.items()
        )
        for name, seconds, samples in (("past", past, self.past), ("future", future, self.future)):
            check_memory(f"windows of {samples:,} samples", 8 * samples * self.size, **{name: seconds})

    @property
    def widths(self) -> tuple[int, ...]:
        """How many samples each average is over, from the farthest past to the farthest future."""
        return (*reversed(_widths_outwards(self.past)), 1, *_widths_outwards(self.future))

    @property
    def starts(self) -> tuple[int, ...]:
        """The first sample of each average, counted from the instant."""
        return tuple(itertools.accumulate(self.widths[:-1], initial=-self.past))

    @property
    def size(self) -> int:
        """How many averages there are."""
        return len(self.widths)

    @property
    def noise_samples(self) -> int:
        """Samples from which the sensor noise is estimated: a power of two that fits into the window."""
        return 1 << ((self.past + self.future + 1).bit_length() - 1)


def averaging(window: Window) -> Float[np.ndarray, "average sample"]:
    """The matrix that makes averages of the samples of a window."""
    sample = np.arange(-window.past, window.future + 1)
    starts, widths = (np.array(values)[:, None] for values in (window.starts, window.widths))
    return ((starts <= sample) & (sample < starts + widths)) / widths


def _samples(name: str, seconds: float, dt: float) -> int:
    seconds = as_number(name, seconds)
    count = round(seconds / dt) if np.isfinite(seconds) else -1
    check_count(0, **{f"{name} / dt": count})
    return count


def _widths_outwards(samples: int) -> list[int]:
    """Widths from the instant outwards, until at least so many samples are covered."""
    widths, width = [1] * min(samples, _SINGLE_SAMPLES), 1
    while sum(widths) < samples:
        width *= 2
        while sum(widths) < samples and widths.count(width) < _AVERAGES_PER_WIDTH:
            widths.append(width)
    return widths
