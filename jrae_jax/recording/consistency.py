"""Whether an estimate agrees with the recording that it was made from: what its interval is worth."""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._checks import is_concrete, warn_caller
from ..column.states import CHANNELS

if TYPE_CHECKING:
    import xarray as xr


class InconsistentRecordingWarning(UserWarning):
    """A recording is unlike those that an estimator was made for."""


RESIDUAL, WHITENESS, MEAN, SPREAD, COST, INPUT, RANGE, PRIOR = (
    "residual",
    "whiteness",
    "mean",
    "spread",
    "cost",
    "input",
    "range",
    "prior",
)

_FINDINGS = {
    RESIDUAL: "what is left of {channel}, low-passed at 20 Hz, is {value:.3g} of its reported std",
    WHITENESS: "what is left of {channel} is no white noise, with an autocorrelation of {value:.2g}",
    MEAN: "the mean of {channel} is {value:.3g} of its standard deviations from the usual",
    SPREAD: "the size of {channel} is off by a factor of {factor:.3g}",
    COST: "the cost is off by {value:.3g} of what is expected",
    INPUT: "the mean of the input is {value:.3g} of its standard deviations from what was said",
    RANGE: "{channel} is outside its possible values by {value:.3g} of their range",
    PRIOR: "an unknown parameter is found {value:.3g} of its `prior_std` from its value in `column`",
}
_REMEDY = (
    "states and std cannot be relied on; check the parameters and input of the column, the noise level, and of the "
    "recording its unit (mV), gain, offset, filters, background and the rate at which it was really recorded"
)


class Consistency(eqx.Module):
    """What an estimate leaves of its recording, and how much of that the estimator's own kind of recording leaves.

    A recording in another unit, with another gain, filtered, resampled, or with noise that is not white exceeds a
    limit. Reversed polarity and white noise in place of a signal need not: nothing in a recording reveals these.
    """

    statistics: Float[Array, "*batch statistic 7"]
    """By name and channel; 0 where there is none, infinite where nothing was measured.

    `residual`: root mean square of recording less estimate, low-passed at 20 Hz, over the reported standard deviation;
    of filters, that of the innovations. `whiteness`: the largest autocorrelation of innovations, or of what is rougher
    in a recording than any column is. `mean`, `spread`: how far mean and logarithm of the standard deviation,
    sensor noise apart, are from those of the recordings that an autoencoder was trained on. `cost`, `input`: of 4D-Var,
    how far its cost is from what is expected, and the mean of the input from its own, in its standard deviations.
    `range`: how far states leave their possible values, as a fraction of these. `prior`: how far an unknown parameter
    is found from its value in the column, in standard deviations of what was said of it.
    """
    limits: Float[Array, "*batch statistic 7"]
    """What the estimator's own kind of recording hardly ever exceeds; infinite where nothing is checked."""
    when: Float[Array, "*batch statistic 7"]
    """Where it is largest, s after the first sample; infinite for a statistic of the whole recording."""
    names: tuple[str, ...] = eqx.field(static=True)
    """Of the statistics."""

    @property
    def within(self) -> Bool[Array, "*batch"]:
        """Whether all statistics of a recording are within their limits."""
        return jnp.all(_within(self.statistics, self.limits), axis=(-2, -1))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that are checked."""
        checked = np.isfinite(np.asarray(self.limits)).reshape(-1, len(CHANNELS))
        return tuple(name for i, name in enumerate(CHANNELS) if checked[:, i].any())

    def warn(self, argument: str = "recording") -> None:
        """Warn of recordings beyond a limit, for the argument of this name; not under tracing.

        **Warns:** `InconsistentRecordingWarning`, once, with the worst of each recording's statistics.
        """
        if not is_concrete(self.statistics):
            return
        shape = (-1, len(self.names), len(CHANNELS))
        # In NumPy, as this is done for every chunk of a stream.
        statistics, limits, when = (np.asarray(x).reshape(shape) for x in (self.statistics, self.limits, self.when))
        beyond = np.flatnonzero(~_within(statistics, limits).all(axis=(1, 2)))
        if not beyond.size:
            return
        first = int(beyond[0])
        of = f" ({beyond.size} of {len(statistics)}, the first is number {first})" if len(statistics) > 1 else ""
        found = self._finding(statistics[first], limits[first], when[first])
        warn_caller(
            f"`{argument}` is unlike what this estimator was made for{of}: {found}: {_REMEDY}",
            InconsistentRecordingWarning,
        )

    def _finding(
        self,
        statistics: Float[np.ndarray, "statistic 7"],
        limits: Float[np.ndarray, "statistic 7"],
        when: Float[np.ndarray, "statistic 7"],
    ) -> str:
        """The statistic that is farthest beyond its limit, in words."""
        checked = np.isfinite(limits)
        if np.isinf(statistics[checked]).any():
            index = np.argwhere(checked & np.isinf(statistics))[0]
            return f"nothing was measured of {CHANNELS[index[1]]}"
        ratio = np.where(checked, statistics / np.where(checked, limits, 1), 0)
        row, column = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
        value, limit = float(statistics[row, column]), float(limits[row, column])
        words = _FINDINGS[self.names[row]].format(
            channel=CHANNELS[column], value=value, factor=float(np.exp(min(value, 50.0)))
        )
        most = float(np.exp(limit)) if self.names[row] == SPREAD else limit
        place = "" if np.isinf(when[row, column]) else f", most at {when[row, column]:.4g} s"
        return f"{words} (at most {most:.3g}){place}"

    def to_dataset(self) -> "xr.Dataset":
        """`statistic`, `limit` and `when` over `recording`, `name` and `channel`."""
        import xarray as xr  # here, as importing it is slow

        dims = ("recording", "name", "channel")[-self.statistics.ndim :]
        parts = {"statistic": self.statistics, "limit": self.limits, "when": self.when}
        units = {"statistic": "1", "limit": "1", "when": "s"}
        variables = {name: (dims, np.asarray(values), {"units": units[name]}) for name, values in parts.items()}
        return xr.Dataset(variables, {"name": list(self.names), "channel": list(CHANNELS)})

    def __repr__(self) -> str:
        concrete = eqx.is_array_like(self.statistics) and is_concrete(self.statistics)
        if not concrete or np.ndim(self.statistics) not in (2, 3):
            return f"Consistency({', '.join(self.names)})"
        within = np.asarray(self.within)
        of = f"{int(within.sum())} of {within.size} recordings" if within.ndim else ("yes" if within else "no")
        return f"Consistency(within limits: {of}; {', '.join(self.names)} of {', '.join(self.channels)})"


def _within(statistics: Any, limits: Any) -> Any:
    return (statistics <= limits) | (limits == np.inf)
