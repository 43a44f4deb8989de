"""Training without a single true hidden state: what is reconstructed must explain the recording and obey the equations.

Physics-informed, as of Raissi et al. (2019), doi 10.1016/j.jcp.2018.10.045, with a residual of the equations of the
column that knows how far an input that nobody sees drives it: the negative logarithm of the probability of the
reconstructed states, as weak-constraint data assimilation minimises it for one recording at a time.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._checks import check_count, check_positive, check_type
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters, batch_size
from ..column.transition import Transition, known_column
from ..recording.dataset import Standardizer
from ..recording.mask import to_channels

_TOLERANCE = 0.05  # of the standard deviation of a state: what the residual may be beside that of the input


class PhysicsLoss(eqx.Module):
    """What `fit_endless` minimises where no hidden state is known.

    Of the column's parameters and its input's statistics everything is known, as to a Kalman smoother, and so are the
    means and standard deviations that a simulation of them gives; of what any column did, only what was measured.

    The equations are followed for some milliseconds from the states reconstructed at an instant, under the most likely
    input. Three terms, all of which are of the size of 1 for the true states: how far the samples measured on the way
    are from what the equations predict, in standard deviations of the sensor noise; how far the states reconstructed
    at the end are from where the equations lead; and how far the input is from its mean, in standard deviations.

    **Arguments:**

    - `parameters`, `input`: of the column; leaves of shape `()`. The input as for `kalman_filter`.
    - `noise`: standard deviation of the sensor noise, as a fraction of each channel's own.
    - `dt`: seconds between samples.
    - `steps`: samples over which the equations are followed.

    **Raises:** `ValueError` for arguments out of range.
    """

    transition: Transition
    noise: float = eqx.field(static=True)
    steps: int = eqx.field(static=True)

    def __init__(
        self,
        parameters: JansenRitParameters,
        input: AbstractExternalInput,
        *,
        noise: float,
        dt: float = 1e-3,
        steps: int = 32,
    ):
        """See the class."""
        check_type(JansenRitParameters, parameters=parameters)
        check_positive(noise=noise, dt=dt)
        check_count(1, steps=steps)
        column = known_column(parameters, input, dt)
        if batch_size(column=column) is not None:
            raise ValueError("`parameters` and `input` must be of one column, got a batch")
        self.transition = Transition(column, float(dt), ())
        self.noise, self.steps = float(noise), int(steps)

    @property
    def sampling(self) -> tuple[float, float]:
        """Seconds between samples, and the sensor noise."""
        return self.transition.dt, self.noise

    def __call__(
        self,
        network: Callable[[Any], Float[Array, "6"]],
        now: Any,
        later: Any,
        measured: Float[Array, "step 7"],
        seen: Bool[Array, "step 7"],
        standardizer: Standardizer,
    ) -> Float[Array, ""]:
        """The loss of one instant.

        **Arguments:**

        - `network`: what is seen in, six standardized states out.
        - `now`, `later`: what is seen at the instant, and so many `steps` after it.
        - `measured`, `seen`: what sensors gave at each step after the instant, standardized, and which of them.
        """
        start, end = network(now), network(later)

        def misfits(input):
            channels = self._followed(start, input, standardizer)
            samples = jnp.where(seen, channels - measured, 0) / self.noise
            return jnp.append(samples, (channels[-1, :6] - end) / _TOLERANCE)

        none = jnp.zeros(self.steps)
        slope = jax.lax.stop_gradient(jax.jacfwd(misfits)(none))
        found = misfits(none)
        input = jax.lax.stop_gradient(-jnp.linalg.solve(slope.T @ slope + jnp.eye(self.steps), slope.T @ found))
        return 0.5 * (jnp.sum((found + slope @ input) ** 2) + jnp.sum(input**2)) / self.steps

    def _followed(
        self, start: Float[Array, "6"], input: Float[Array, " step"], standardizer: Standardizer
    ) -> Float[Array, "step 7"]:
        """Standardized channels at each step, under an input that is told in standard deviations from its mean."""

        def step(states, deviation):
            states = self.transition.step(states, deviation)
            return states, states

        _, states = jax.lax.scan(step, standardizer.destandardize(start), input)
        return standardizer.standardize(to_channels(states))
