"""What a check found, in words."""

import numpy as np
from jaxtyping import Bool, Float

from ..recording.recording_model import CORE
from .check import LEVEL
from .features import FREQUENCIES

# Of the power in the core: below, a background alone would do; where draws are on both sides, nobody can know.
_HARDLY, _MOSTLY = 0.1, 0.5
# Of the logarithm of a ratio, summed over neighbouring frequencies: as much as 1.5 times the power over 2 Hz. What is
# less is outside of where 90 % of what is predicted are by chance.
_LEAST = 4 * np.log(1.5)
_PROMISE_NOTHING = "Columns and intervals are of what comes nearest, and promise nothing."
_CORE = f"the power from {CORE[0]:g} to {CORE[1]:g} Hz"


def verdict(
    name: str,
    explained: bool,
    p: Float[np.ndarray, " window"],
    familiar: Bool[np.ndarray, " window"],
    density: Float[np.ndarray, "window frequency"],
    predicted: Float[np.ndarray, "window quantile frequency"],
    fraction: Float[np.ndarray, "window draw"],
) -> str:
    """The verdict on a channel, from its windows that were used; arguments are as in `Check`, and all draws."""
    if not len(p):
        return f"Nothing can be said of {name}: every window was refused."
    count, alike = len(p), int(np.sum(p >= LEVEL))
    if explained:
        where = (
            "" if count == 1 else f" in all {count} windows" if alike == count else f" in {alike} of {count} windows"
        )
        return f"One column explains {name}{where}{_of_the_column(fraction)}."
    because = _differences(p < LEVEL, density, predicted)
    where = "" if count == 1 else f" ({alike} of {count} windows look like a column's)"
    far = count - int(familiar.sum())
    windows = "it is" if far == count else f"{far} of {count} windows are"
    rest = f"; {windows} unlike anything that the decoder was made for, without intervals" if far else ""
    return f"One column does not explain {name}{where}: {because}{rest}. {_PROMISE_NOTHING}"


def _of_the_column(fraction: Float[np.ndarray, "window draw"]) -> str:
    low, middle, high = np.quantile(fraction, (0.05, 0.5, 0.95))
    if middle <= _HARDLY:
        return f", and so does a background alone: at most {high:.0%} of {_CORE} is a column's"
    if low < _HARDLY and high > _MOSTLY:
        return (
            f", but column and background cannot be distinguished: {low:.0%} to {high:.0%} of {_CORE} is the column's"
        )
    return f": {middle:.0%} ({low:.0%} to {high:.0%}) of {_CORE} is the column's, the rest a background"


def _differences(
    unlike: Bool[np.ndarray, " window"],
    density: Float[np.ndarray, "window frequency"],
    predicted: Float[np.ndarray, "window quantile frequency"],
) -> str:
    """The largest differences of the spectrum, where they are so in most of the windows that are unlike a column's."""
    chosen = unlike if unlike.any() else np.ones_like(unlike)
    low, middle, high = np.moveaxis(predicted[chosen], 1, 0)
    ratio = np.exp(np.mean(np.log(density[chosen] / middle), axis=0))
    found = []
    for outside in (density[chosen] > high, density[chosen] < low):
        often = np.concatenate([[False], outside.mean(axis=0) > 0.5, [False]])
        edges = np.flatnonzero(np.diff(often.astype(int))).reshape(-1, 2)
        for start, end in edges:
            difference = np.log(ratio[start:end])
            if abs(difference.sum()) >= _LEAST:
                found.append((abs(difference.mean()), np.exp(difference.mean()), *FREQUENCIES[[start, end - 1]]))
    if not found:
        return "its spectrum, waveform and envelope together are not those of a column"
    largest = [
        f"{times:.2g} times the power at {low:g}{f' to {high:g}' if high > low else ''} Hz"
        for _, times, low, high in sorted(found)[::-1][:3]
    ]
    listed = " and ".join(filter(None, (", ".join(largest[:-1]), largest[-1])))
    return f"it has {listed} that such a column would have"
