"""Scores on held-out trajectories, state by state, observed and hidden apart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_number, as_numbers, check_choice, check_count, of_numbers
from ..column.quantities import described
from ..column.states import STATES
from .dataset import Dataset
from .estimate import Estimate
from .scores import NINETY, nrmse, pearson_r, r_squared

if TYPE_CHECKING:
    import pandas as pd


class Scores(eqx.Module):
    """How well each of the six states was reconstructed; `print` it for a table."""

    r: Float[np.ndarray, "6"]
    """Pearson's r, with its sign."""
    r2: Float[np.ndarray, "6"]
    """Coefficient of determination."""
    nrmse: Float[np.ndarray, "6"]
    """Root mean squared error over the true standard deviation."""
    observed: tuple[str, ...] = eqx.field(static=True)
    """The channels that were observed."""
    coverage: Float[np.ndarray, "6"] | None = None
    """Fraction of the true values within the 90 % intervals; `None` of an estimate without `std`."""

    @property
    def clipped_r(self) -> np.ndarray:
        """r with negatives set to 0, as in the study: it hides how far chance scatters."""
        return np.maximum(self.r, 0.0)

    def to_dataframe(self) -> "pd.DataFrame":
        """A row a state: `r`, `r2`, `nrmse`, `coverage` where there is one, and whether it was observed."""
        import pandas as pd  # here, as importing it is slow

        observed = [name in self.observed for name in STATES]
        columns = {"r": self.r, "r2": self.r2, "nrmse": self.nrmse, "coverage": self.coverage, "observed": observed}
        columns = {name: values for name, values in columns.items() if values is not None}
        return pd.DataFrame(columns, index=pd.Index(STATES, name="state"))

    @of_numbers
    def __repr__(self) -> str:
        numbers = {"r": self.r, "R2": self.r2, "NRMSE": self.nrmse, "in 90 %": self.coverage}
        labels = [name if name in self.observed else f"{name} (hidden)" for name in STATES]
        rows = [f"{label:<12}" for label in ("state", *labels)]
        for name, values in numbers.items():
            if values is not None:
                column = [name, *(f"{value:.4f}" for value in values)]
                width = max(9, 2 + max(map(len, column)))
                rows = [f"{row}{cell:>{width}}" for row, cell in zip(rows, column, strict=True)]
        return "\n".join([f"observed: {', '.join(self.observed)}", *rows])


class Interval(eqx.Module):
    """A mean over seeds and its confidence interval; arrays of one shape."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    std: np.ndarray
    """Standard deviation over seeds: how far a single run may be off."""

    def __repr__(self) -> str:
        return described(self, "")


def evaluate(estimate: Estimate, data: Dataset, *, on: str = "held_out") -> Scores:
    """Compare an estimate with the true states, in mV, pooled over trajectories and time.

    **Arguments:**

    - `estimate`: of the recordings of that part of the dataset: `estimator(data.held_out.recording)`.
    - `data`: from `make_dataset`.
    - `on`: `"held_out"`, or `"train"` for the optimistic scores on training data.

    **Returns:** `Scores`.

    **Raises:** `ValueError` if `data` has no such part, or `estimate` is of other recordings.
    """
    if not isinstance(data, Dataset):
        raise ValueError(
            f"`data` must be a Dataset, got {type(data).__name__}: make_dataset(trajectories, ..., held_out=4) has "
            "recordings to score on"
        )
    if not isinstance(estimate, Estimate):
        raise ValueError(
            f"`estimate` must be an Estimate, got {type(estimate).__name__}: estimator(data.{on}.recording)"
        )
    check_choice(("held_out", "train"), on=on)
    split = data.held_out if on == "held_out" else data.train
    if split is None:
        raise ValueError('`data` must hold out a trajectory, got none: make_dataset(..., held_out=1) or on="train"')
    if estimate.mean.shape != split.states.shape:
        raise ValueError(
            f"`estimate` must be of data.{on}.recording, of shape {split.states.shape}, got {estimate.mean.shape}"
        )
    r, r2, error = jax.device_get(scores(split.states, estimate.mean))
    coverage = None
    if estimate.std is not None:
        within = np.abs(np.asarray(estimate.mean) - np.asarray(split.states)) <= NINETY * np.asarray(estimate.std)
        coverage = within.reshape(-1, len(STATES)).mean(axis=0)
    return Scores(r, r2, error, data.observed.names, coverage)


@eqx.filter_jit
def scores(truth: Float[Array, "*samples 6"], estimate: Float[Array, "*samples 6"]) -> tuple[Float[Array, "6"], ...]:
    """r, R² and NRMSE of each state, pooled over all samples."""
    truth, estimate = truth.reshape(-1, len(STATES)), estimate.reshape(-1, len(STATES))
    return tuple(metric(truth, estimate) for metric in (pearson_r, r_squared, nrmse))


def interval(values: Sequence[np.ndarray] | np.ndarray, *, confidence: float = 0.95) -> Interval:
    """Mean over seeds, with Student's confidence interval of the mean.

    **Arguments:**

    - `values`: seeds in front, any shape behind. A single seed gives an interval of NaN.
    - `confidence`: of the interval, between 0 and 1.
    """
    from scipy.stats import t  # here, as importing scipy.stats costs as much as importing JAX

    if not 0 < as_number("confidence", confidence) < 1:
        raise ValueError(f"`confidence` must be between 0 and 1, got {confidence}")
    samples = as_numbers("values", values).astype(float)
    seeds = len(samples) if samples.ndim else 0
    check_count(1, **{"len(values)": seeds})
    mean = samples.mean(axis=0)
    std = samples.std(axis=0, ddof=1) if seeds > 1 else np.full_like(mean, np.nan)
    half = std / np.sqrt(seeds) * (t.ppf((1 + confidence) / 2, seeds - 1) if seeds > 1 else np.nan)
    return Interval(*map(np.asarray, (mean, mean - half, mean + half, std)))
