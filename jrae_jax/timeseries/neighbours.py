"""Neighbours of the points of trajectories in space that are not just neighbours in time."""

from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._checks import as_numbers, check_count, check_finite, check_key

# Distances that are computed together, 1 MB: memory for larger arrays comes from the system anew each time, page by
# page, which takes longer than the distances do.
_PORTION = 1 << 17

BLOCKS = 10
"""Into how many blocks of time reference points are split; their scatter gives the standard error."""


def as_trajectories(points: Float[np.ndarray | Array, "*time dimension"], least: int) -> np.ndarray:
    """`points` in double precision and three axes: trajectory, time, dimension.

    **Raises:** `ValueError` if they have one axis only, fewer than `least` samples in time, are not finite, or do not
        vary.
    """
    trajectories = as_numbers("points", points).astype(float)
    shape = trajectories.shape
    if len(shape) < 2 or shape[-2] < least:
        expected = f"`points` must have at least {least} samples in time, on the axis before the last"
        raise ValueError(f"{expected}, got an array of shape {shape}")
    if not trajectories.size:
        raise ValueError(f"`points` must have a dimension, got an array of shape {shape}")
    check_finite(points=trajectories)
    trajectories = trajectories.reshape(-1, *shape[-2:])
    if np.all(trajectories == trajectories[0, 0]):
        raise ValueError("`points` must vary, got one and the same point throughout")
    return trajectories


def theiler_window(trajectories: Float[np.ndarray, "trajectory time dimension"], theiler: int | None) -> int:
    """`theiler`, or else the first lag, in samples, at which the autocorrelation is no longer positive.

    **Raises:** `ValueError` for a window above a third of the samples, or none where the autocorrelation stays positive
        for more than a tenth of them.
    """
    time = trajectories.shape[1]
    if theiler is not None:
        check_count(0, theiler=theiler)
        if theiler > time // 3:
            raise ValueError(f"`theiler` must be at most a third of the {time} samples in time, got {theiler}")
        return theiler
    spectrum = np.fft.rfft(trajectories - trajectories.mean(axis=(0, 1)), 2 * time, axis=1)
    correlation = np.fft.irfft(np.sum(np.abs(spectrum) ** 2, axis=(0, 2)))[:time]
    lag = int(np.argmax(correlation <= 0)) or time
    if lag > time // 10:
        reason = f"points stay alike for {lag} samples of {time}"
        raise ValueError(f"`theiler` must be given where trajectories hardly come back to where they were: {reason}")
    return lag


def sample_times(trajectories: Float[np.ndarray, "trajectory time dimension"]) -> Int[np.ndarray, " point"]:
    """The time of every point in samples; trajectories are further apart than any Theiler window."""
    number, time, _ = trajectories.shape
    return (np.arange(number)[:, None] * 2 * time + np.arange(time)).ravel()


def squared_separations(
    points: Float[np.ndarray, "point dimension"],
    times: Int[np.ndarray, " point"],
    references: Int[np.ndarray, " reference"],
    theiler: int,
) -> Iterator[Float[np.ndarray, "portion point"]]:
    """Squared distances from some points to all, for a few points after the other; infinite where they are 0, or no
    more than `theiler` samples apart. `times` must rise.
    """
    for portion in np.array_split(references, -(-len(references) * len(points) // _PORTION)):
        yield _squared_separations(points, times, portion, theiler)


def _squared_separations(
    points: Float[np.ndarray, "point dimension"],
    times: Int[np.ndarray, " point"],
    references: Int[np.ndarray, " reference"],
    theiler: int,
) -> Float[np.ndarray, "reference point"]:
    from scipy.spatial.distance import cdist  # here, as importing it is slow

    squares = cdist(points[references], points, "sqeuclidean")
    first = np.searchsorted(times, times[references] - theiler, side="left")
    behind = np.searchsorted(times, times[references] + theiler, side="right")
    for row, start, end in zip(squares, first, behind, strict=True):
        row[start:end] = np.inf
    if squares.min() == 0:  # a look that costs a tenth of what the assignment does
        squares[squares == 0] = np.inf
    return squares


def evenly(most: int, count: int) -> Int[np.ndarray, " index"]:
    """At most `most` indices below `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(int))


def generator(key: PRNGKeyArray) -> np.random.Generator:
    """NumPy's random numbers from a JAX key."""
    check_key(key=key)
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
