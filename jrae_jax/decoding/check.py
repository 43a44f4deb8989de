"""Whether one column explains a recording: how it compares with recordings that its posterior predicts."""

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import stats

from .._checks import of_numbers
from .features import FREQUENCIES, WAVEFORM

if TYPE_CHECKING:
    import xarray as xr

BANDS = MappingProxyType(
    {"delta": (2.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}
)
"""Of rhythms of the brain, Hz."""

QUANTILES = (0.05, 0.5, 0.95)
"""Of predicted power densities."""

LEVEL = 0.04
"""Recordings of the model that are taken for not explained, at most."""

_POOLED = 3  # neighbouring frequencies, whose densities are close to one another
_OWN = 0.9  # weight of the covariance of a window's own predictions; of 256 draws it is not known better
_BEYOND = (0.005, 0.995)


def _pooling() -> Float[np.ndarray, "feature pooled"]:
    """Means over neighbouring frequencies, and each measure of waveform and envelope."""
    groups = len(FREQUENCIES) // _POOLED
    weights = np.zeros((len(FREQUENCIES) + WAVEFORM, groups + WAVEFORM))
    for group, members in enumerate(np.array_split(np.arange(len(FREQUENCIES)), groups)):
        weights[members, group] = 1 / len(members)
    weights[len(FREQUENCIES) :, groups:] = np.eye(WAVEFORM)
    return weights


_POOLING = _pooling()
_IN_BAND = np.stack([(low <= FREQUENCIES) & (high > FREQUENCIES) for low, high in BANDS.values()])


class Residual(NamedTuple):
    """A window less what is predicted for it, in pooled features."""

    difference: Float[Array, " pooled"]
    """From the mean of predictions."""
    covariance: Float[Array, "pooled pooled"]
    """Of predictions."""
    pooled: Float[Array, " pooled"]
    """The window itself."""
    inside: Bool[Array, " pooled"]
    """What is within the band."""


class Yardstick(eqx.Module):
    """How far windows of recordings of the model are from what is predicted for them, and from one another."""

    statistics: Float[Array, " window"]
    """Distances from what is predicted for a window, rising."""
    expected: Float[Array, "pooled pooled"]
    """Mean covariance of what is predicted for a window."""
    mean: Float[Array, " pooled"]
    covariance: Float[Array, "pooled pooled"]
    """Of features of all windows."""
    farthest: Float[Array, ""]
    """Largest distance of a window from the mean of all."""

    @classmethod
    def blank(cls, windows: int) -> "Yardstick":
        """One of this size and of no content."""
        pooled = _POOLING.shape[1]
        square = jnp.zeros((pooled, pooled))
        return cls(jnp.zeros(windows), square, jnp.zeros(pooled), square, jnp.zeros(()))

    @classmethod
    @eqx.filter_jit
    def from_windows(cls, windows: Residual) -> "Yardstick":
        """That of windows of the model, with a leading axis."""
        expected = jnp.mean(windows.covariance, axis=0)
        mean, covariance = jnp.mean(windows.pooled, axis=0), jnp.cov(windows.pooled.T)
        blank = cls(jnp.zeros(len(windows.pooled)), expected, mean, covariance, jnp.zeros(()))
        statistics = jnp.sort(jax.vmap(blank.statistic)(windows))
        return cls(statistics, expected, mean, covariance, jnp.max(jax.vmap(blank.distance)(windows)))

    def __len__(self) -> int:
        return len(self.statistics)

    def statistic(self, window: Residual) -> Float[Array, ""]:
        """The distance of a window from what is predicted for it."""
        covariance = _OWN * window.covariance + (1 - _OWN) * self.expected
        return _mahalanobis(window.difference, covariance, window.inside)

    def distance(self, window: Residual) -> Float[Array, ""]:
        """The distance of a window from the mean of all."""
        return _mahalanobis(window.pooled - self.mean, self.covariance, window.inside)

    def p(self, statistic: Float[np.ndarray, "*window"]) -> Float[np.ndarray, "*window"]:
        """The fraction of windows of the model that are farther from what is predicted for them."""
        farther = len(self) - np.searchsorted(np.asarray(self.statistics), statistic)
        return np.where(np.isnan(statistic), np.nan, (1 + farther) / (1 + len(self)))


def _mahalanobis(
    difference: Float[Array, " pooled"], covariance: Float[Array, "pooled pooled"], inside: Bool[Array, " pooled"]
) -> Float[Array, ""]:
    """The squared distance over the number of features, of those inside."""
    both = inside[:, None] & inside[None]
    difference = jnp.where(inside, difference, 0)
    solved = jnp.linalg.solve(jnp.where(both, covariance, jnp.eye(len(both))), difference)
    return difference @ solved / jnp.sum(inside.astype(difference.dtype))


def residual(
    standardized: Float[Array, " feature"], predicted: Float[Array, "draw feature"], inside: Bool[Array, " feature"]
) -> Residual:
    """A window less the predictions for it; a draw whose column blew up counts for nothing."""
    pooling = jnp.asarray(_POOLING, standardized.dtype)
    good = jnp.all(jnp.isfinite(predicted), axis=1)
    draws = jnp.where(good[:, None], predicted, 0) @ pooling
    weights = good.astype(draws.dtype)
    weights /= jnp.sum(weights)
    mean = weights @ draws
    centred = draws - mean[None]
    whole = inside.astype(pooling.dtype) @ pooling > 1 - 1e-3
    covariance = (centred * weights[:, None]).T @ centred
    return Residual(standardized @ pooling - mean, covariance, standardized @ pooling, whole)


class Comparison(NamedTuple):
    """A window beside what is predicted for it."""

    statistic: Float[Array, ""]
    familiar: Bool[Array, ""]
    log_density: Float[Array, "quantile frequency"]
    """Predicted."""
    left_over: Float[Array, " band"]
    beyond: Bool[Array, " band"]


def compared(
    yardstick: Yardstick,
    found: Residual,
    log_density: Float[Array, " frequency"],
    predicted: Float[Array, "draw frequency"],
    inside: Bool[Array, " frequency"],
) -> Comparison:
    """A window's distance from predictions, and its power by band.

    **Arguments:**

    - `log_density`, `predicted`: of the window and of what is predicted for it, with the power in the core as unit.
    - `inside`: which frequencies are within the usable band.
    """
    used = jnp.asarray(_IN_BAND) & inside[None]
    weights = used.astype(predicted.dtype)
    weights /= jnp.maximum(jnp.sum(weights, axis=1, keepdims=True), 1)
    own, others = weights @ log_density, predicted @ weights.T
    low, high = jnp.nanquantile(others, jnp.asarray(_BEYOND), axis=0)
    any_inside = jnp.any(used, axis=1)
    return Comparison(
        yardstick.statistic(found),
        yardstick.distance(found) <= yardstick.farthest,
        jnp.nanquantile(predicted, jnp.asarray(QUANTILES), axis=0),
        jnp.where(any_inside, jnp.exp(own - jnp.nanmedian(others, axis=0)), jnp.nan),
        any_inside & ((own < low) | (own > high)),
    )


def together(p: Float[np.ndarray, " window"]) -> float:
    """One p for several windows, by Fisher's method."""
    return float(stats.chi2.sf(-2 * np.log(p).sum(), 2 * len(p)))


class Check(eqx.Module):
    """How each window of each channel compares with what its draws of columns predict; NaN in windows not used."""

    statistic: Float[np.ndarray, "channel window"]
    """Distance of the features of a window from those of the recordings that are predicted for it."""
    p: Float[np.ndarray, "channel window"]
    """The fraction of windows of the model whose distance is larger."""
    familiar: Bool[np.ndarray, "channel window"]
    """Whether a window is like anything that the decoder was made for; without that there are no intervals."""
    density: Float[np.ndarray, "channel window frequency"]
    """Power density of the recording at `jrae_jax.decoding.FREQUENCIES`, mV^2/Hz; NaN outside the usable band."""
    predicted: Float[np.ndarray, "channel window quantile frequency"]
    """That of recordings predicted for a window, at `QUANTILES`."""
    left_over: Float[np.ndarray, "channel window band"]
    """Power in each of `BANDS` over the median of that predicted."""
    beyond: Bool[np.ndarray, "channel window band"]
    """Whether it is outside of where 99 % of that predicted are."""
    column_fraction: Float[np.ndarray, "channel window"]
    """Of the variance from 4.5 to 24 Hz, what is the column's: the median of draws."""
    explained: Bool[np.ndarray, " channel"]
    """Whether one column explains the windows of a channel together."""
    words: tuple[str, ...] = eqx.field(static=True)
    """The verdict on each channel."""

    def to_dataset(self) -> "xr.Dataset":
        """By channel and window, with names and units."""
        import xarray as xr

        over, number = ("channel", "window"), {"units": "1"}
        variables = {
            "statistic": (over, self.statistic, number),
            "p": (over, self.p, number),
            "familiar": (over, self.familiar),
            "density": ((*over, "frequency"), self.density, {"units": "mV^2/Hz"}),
            "predicted": ((*over, "quantile", "frequency"), self.predicted, {"units": "mV^2/Hz"}),
            "left_over": ((*over, "band"), self.left_over, number),
            "beyond": ((*over, "band"), self.beyond),
            "column_fraction": (over, self.column_fraction, number),
            "explained": ("channel", self.explained),
            "words": ("channel", list(self.words)),
        }
        coordinates = {
            "frequency": ("frequency", FREQUENCIES, {"units": "Hz"}),
            "quantile": list(QUANTILES),
            "band": list(BANDS),
        }
        return xr.Dataset(variables, coordinates)

    @of_numbers
    def __repr__(self) -> str:
        channels, windows = self.p.shape
        return f"Check({self.explained.sum()} of {channels} channels explained, of {windows} windows each)"
