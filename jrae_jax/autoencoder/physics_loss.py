"""Training without true hidden states: the reconstruction must explain the recording and obey the equations.

Physics-informed, as of Raissi et al. (2019), doi 10.1016/j.jcp.2018.10.045, with a residual of the equations of the
column that takes the spread of its unknown input into account: the negative logarithm of the probability of the
reconstructed states, as weak-constraint data assimilation minimises it for one recording at a time.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import check_count, check_type
from ..column.column import Column, check_single
from ..column.states import STATES, to_channels
from ..column.transition import Transition
from ..recording.standardizer import Standardizer
from .loss import AbstractInstantLoss, AbstractLoss

# Of the standard deviation of a state: what the residual may be beside what the input explains. At 0 the states that
# the input does not reach within the steps would have to obey the equations exactly.
_TOLERANCE = 0.05


class EquationMisfit(AbstractInstantLoss):
    """How improbable a reconstruction is, given the samples of the next `steps` and the equations of the column."""

    transition: Transition
    noise: Float[Array, ""]
    """Standard deviation of the sensor noise, as a fraction of each channel's own."""
    followed_steps: int = eqx.field(static=True)

    @property
    def steps(self):
        """Those over which the equations are followed."""
        return self.followed_steps

    def __call__(self, autoencoder, instant, standardizer, key):
        """See `AbstractInstantLoss`; `truth` is not read."""
        start, end = autoencoder(instant.features), autoencoder(instant.later)

        def misfits(deviations):
            channels = self.followed(start, deviations, standardizer)
            samples = jnp.where(instant.measured, channels - instant.values, 0) / self.noise
            return jnp.append(samples, (channels[-1, : len(STATES)] - end) / _TOLERANCE)

        # One Gauss-Newton step from the mean finds the most likely input, as the misfits are nearly linear in it.
        mean = jnp.zeros(self.steps * self.transition.steps, start.dtype)
        slope = jax.lax.stop_gradient(jax.jacfwd(misfits)(mean))
        at_mean = misfits(mean)
        curvature = slope.T @ slope + jnp.eye(len(mean), dtype=start.dtype)
        input = jax.lax.stop_gradient(-jnp.linalg.solve(curvature, slope.T @ at_mean))
        return 0.5 * (jnp.sum((at_mean + slope @ input) ** 2) + jnp.sum(input**2)) / self.steps

    def followed(
        self, start: Float[Array, "6"], deviations: Float[Array, " deviation"], standardizer: Standardizer
    ) -> Float[Array, "step 7"]:
        """Standardized channels at each step, under an input in standard deviations from its mean."""

        def step(states, deviations):
            states = self.transition.step(states, deviations)
            return states, states

        each = deviations.reshape(self.steps, self.transition.steps)
        _, states = jax.lax.scan(step, standardizer.destandardize(start), each)
        return standardizer.standardize(to_channels(states))


class PhysicsLoss(AbstractLoss):
    """How far a reconstruction is from the recording and from the equations of the column; no true state is needed.

    The column's parameters and its input's statistics are known, as to a Kalman smoother, and so are the means and
    standard deviations that a simulation of them gives; of any single recording, only what was measured.

    The equations are followed for some milliseconds from the states reconstructed at an instant, under the most likely
    input. Three terms, all of which are of the size of 1 for the true states: how far the samples measured on the way
    are from what the equations predict, in standard deviations of the sensor noise; how far the states reconstructed
    at the end are from where the equations lead; and how far the input is from its mean, in standard deviations.

    `dt` and the sensor noise are those of the `SimulatedRecordings` it is trained on, which must have one level.

    **Arguments:**

    - `column`: one column, with an input as for `KalmanSmoother`.
    - `steps`: samples over which the equations are followed.

    **Raises:** `ValueError` for a batch of columns, or `steps` below 1.
    """

    column: Column
    steps: int = eqx.field(static=True, default=32)

    def __check_init__(self):
        check_type(Column, column=self.column)
        check_single("column", self.column, "choose one, column[0]")
        check_count(1, steps=self.steps)

    def resolve(self, autoencoder, *, kinds, dt, noise):
        """See `AbstractLoss`."""
        if noise is None:
            raise ValueError(
                f"`loss` must be a ReconstructionLoss for a Dataset, got {self}: it goes with SimulatedRecordings"
            )
        if autoencoder.reports_std:
            raise ValueError(
                f"`loss` must be a ReconstructionLoss for a variational autoencoder, got {self}: it trains no "
                "standard deviation; variational=False"
            )
        low, high = noise
        if not 0 < low == high:
            level = "none" if not high else f"{low:g} to {high:g}"
            raise ValueError(
                f"`data` must have one level of sensor noise for {self}, got {level}: "
                "SimulatedRecordings(..., noise=0.05)"
            )
        return EquationMisfit(Transition(self.column, dt), jnp.asarray(low, float), self.steps)

    def __repr__(self) -> str:
        return f"PhysicsLoss(steps={self.steps})"
