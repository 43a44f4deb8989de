"""What a check found, in words."""

import numpy as np
from jaxtyping import Bool, Float

from ..recording.recording_model import CORE
from .check import LEVEL
from .features import FREQUENCIES, RESOLUTION

# Of the power in the core: below, a background alone would do; where draws are on both sides, nobody can know.
_HARDLY, _MOSTLY = 0.1, 0.5
# Of the logarithm of a ratio, summed over frequencies, Hz: as much as 1.4 times the power of where 95 % of what is
# predicted are, over 1 Hz. In a minute of EEG differences were above .36 or below .29, and vary by .05 with the draws.
_LEAST = np.log(1.4)
_APART = 2  # frequencies from one to the next of the same difference: the window of a spectrum does not resolve them
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
    because = _differences(p, density, predicted)
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
    p: Float[np.ndarray, " window"],
    density: Float[np.ndarray, "window frequency"],
    predicted: Float[np.ndarray, "window quantile frequency"],
) -> str:
    """Where the spectrum differs from what is predicted; a window weighs as much as it speaks against a column.

    Of means over windows, not of windows that are beyond a limit and those that are not: what changes little with the
    draws changes little in words.
    """
    weights = np.log(p) / np.log(p).sum()  # as in Fisher's method
    own = weights @ np.log(density)
    low, middle, high = np.einsum("w,wqf->qf", weights, np.log(predicted))
    found = []
    for beyond in (own - high, low - own):
        outside = np.flatnonzero(beyond > 0)
        for part in np.split(outside, np.flatnonzero(np.diff(outside) > _APART) + 1):
            if beyond[part].sum() * RESOLUTION >= _LEAST:
                whole = slice(part[0], part[-1] + 1)
                found.append((*FREQUENCIES[part[[0, -1]]], np.exp(np.mean((own - middle)[whole]))))
    if not found:
        return "its spectrum, waveform and envelope together are not those of a column"
    # By frequency: which of two of one size is the larger one is up to the draws.
    differences = [
        f"{times:.2g} times the power at {low:g}{f' to {high:g}' if high > low else ''} Hz"
        for low, high, times in sorted(found)
    ]
    listed = " and ".join(filter(None, (", ".join(differences[:-1]), differences[-1])))
    return f"it has {listed} that such a column would have"
