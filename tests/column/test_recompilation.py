"""What compiles another program: types, shapes and static fields, but no value, key or time."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from jrae_jax.column import (
    AbstractExternalInput,
    Column,
    InputRange,
    InputStatistics,
    JansenRitParameters,
    OrnsteinUhlenbeckInput,
    UniformNoiseInput,
    WhiteNoiseInput,
    simulate,
)

AT_THE_END = diffrax.SaveAt(t1=True)
SHORT: dict[str, Any] = dict(t1=0.1, dt=1e-3)


def noise():
    return UniformNoiseInput(120, 320, hold=1e-3)


@pytest.mark.parametrize("batch", [None, 2])
def test_one_compiled_program_serves_all_values_and_keys(batch):
    traced = []

    class CountingInput(AbstractExternalInput):
        p: Float[Array, "*batch"] = eqx.field(converter=jnp.asarray)
        hold: float = eqx.field(static=True, default=1e-3)  # pyright: ignore[reportIncompatibleMethodOverride]

        def rate(self, t):
            traced.append("rate")
            return self.p

        def held(self, index, stream):
            traced.append("held")
            return stream.uniform(index)

        @property
        def memory(self):
            return None

        @property
        def white(self):
            return None

        @property
        def range(self):
            return InputRange(self.p, self.p + 1)

        def statistics(self, dt):
            return InputStatistics(self.p, jnp.zeros_like(self.p), jnp.zeros_like(self.p))

    def run(C, p, seed):
        column = Column(JansenRitParameters(C=C), CountingInput(p))
        return simulate(column, batch=batch, key=jax.random.key(seed), **SHORT).ys

    first = run(135.0, 220.0, 0)
    assert {"rate", "held"} == set(traced)
    once = len(traced)
    second = run(150.0, 230.0, 1)
    assert len(traced) == once
    assert not np.allclose(first, second)


def test_a_column_is_data_of_a_jitted_function():
    """Only its types, shapes and static fields decide what is compiled."""

    @eqx.filter_jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def end(column, key):
        return simulate(column, saveat=AT_THE_END, key=key, **SHORT).ys

    column = Column(JansenRitParameters(), noise())
    found = [
        end(column.replace(C=[120.0, 135.0]), jax.random.key(0)),
        end(column.replace(C=[150.0, 160.0], low=100.0), jax.random.key(1)),
    ]
    assert found[0].shape == (2, 1, 6)
    assert not np.allclose(found[0], found[1])


@pytest.mark.parametrize(
    ("input", "pieces"),
    [
        (noise(), 1),
        (WhiteNoiseInput(220.0, 6.0), 1),
        # The first piece has no past: its first value is of the stationary distribution.
        (OrnsteinUhlenbeckInput(220.0, 60.0, 0.01, hold=1e-3), 2),
    ],
    ids=["uniform", "white", "Ornstein-Uhlenbeck"],
)
def test_a_single_column_is_carried_on_by_the_program_that_began_it(compilations, input, pieces):
    column, y, ends, compiled = Column(JansenRitParameters(), input), np.zeros(6, np.float32), [], []
    for t0 in (0.0, 1.0, 2.0, 3.0):
        y = np.asarray(simulate(column, t0=t0, t1=t0 + 1.0, dt=1e-3, y0=y, key=jax.random.key(0)).ys)[-1]
        ends.append(y)
        compiled.append(len(compilations))
    assert compiled[0] > 0
    assert compiled[pieces - 1] == compiled[-1]
    assert len(np.unique(ends, axis=0)) == 4
