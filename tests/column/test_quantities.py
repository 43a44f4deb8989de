"""Quantities of records by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import (
    ConstantInput,
    EvokedPulseInput,
    JansenRitParameters,
    OrnsteinUhlenbeckInput,
    UniformNoiseInput,
    WhiteNoiseInput,
)
from jrae_jax.column.quantities import batch_axes, batch_size, described, quantities, replaced

PULSE = {"onset": "s", "q": "1/s", "w": "s"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (ConstantInput(220), {"p": "1/s"}),
        (UniformNoiseInput(120, 320, hold=1e-3), {"low": "1/s", "high": "1/s"}),
        (WhiteNoiseInput(220, 6), {"p": "1/s", "intensity": "s^-1/2"}),
        (OrnsteinUhlenbeckInput(220, 50, 0.02, hold=1e-3), {"p": "1/s", "sd": "1/s", "correlation_time": "s"}),
        (EvokedPulseInput(0.1, ConstantInput(90)), {**PULSE, "background.p": "1/s"}),
        (
            EvokedPulseInput(0.1, EvokedPulseInput(0.2, ConstantInput(90))),
            {**PULSE, **{f"background.{name}": unit for name, unit in {**PULSE, "background.p": "1/s"}.items()}},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_quantities_are_the_array_leaves_with_their_units(record, expected):
    assert quantities(record) == expected
    assert len(expected) == len(jax.tree.leaves(record))


def test_quantities_of_the_parameters():
    units = quantities(JansenRitParameters())
    assert list(units) == ["A", "B", "a", "b", "e0", "v0", "r", "C", "alpha1", "alpha2", "alpha3", "alpha4"]
    assert (units["A"], units["a"], units["v0"], units["r"], units["C"]) == ("mV", "1/s", "mV", "1/mV", "1")


def test_several_quantities_are_replaced_at_once():
    """Each of the two alone would be refused."""
    moved = replaced(UniformNoiseInput(120, 320, hold=1e-3), {"low": 400.0, "high": 500.0})
    assert (float(moved.low), float(moved.high), moved.hold) == (400, 500, 1e-3)


def test_quantities_within_records_are_replaced():
    pulse = EvokedPulseInput(0.1, EvokedPulseInput(0.2, ConstantInput(90)))
    other = replaced(pulse, {"q": 2.0, "background.background.p": 70.0, "background.onset": 0.3})
    assert isinstance(other.background, EvokedPulseInput)
    assert isinstance(other.background.background, ConstantInput)
    found = other.onset, other.q, other.background.onset, other.background.q, other.background.background.p
    np.testing.assert_allclose(found, [0.1, 2.0, 0.3, 0.5, 70.0], rtol=1e-6)
    assert replaced(pulse, {}) is pulse


@pytest.mark.parametrize(
    ("parameters", "p", "size"), [({}, 220.0, None), ({"C": [1, 2, 3]}, 220.0, 3), ({"C": [1, 2]}, [120, 220], 2)]
)
def test_batch_size_is_that_of_the_batched_leaves(parameters, p, size):
    assert batch_size(parameters=JansenRitParameters(**parameters), input=ConstantInput(p)) == size


@pytest.mark.parametrize(
    ("parameters", "p", "message"),
    [
        ({"C": [1, 2]}, [1, 2, 3], r"`input\.p` has a batch axis of 3, but 2 columns were given before it"),
        ({"C": np.ones((2, 3))}, 1, r"`parameters\.C` must be a scalar or one value a column, got shape \(2, 3\)"),
    ],
)
def test_batches_that_do_not_fit_are_refused_by_the_name_of_the_leaf(parameters, p, message):
    with pytest.raises(ValueError, match=message):
        batch_size(parameters=JansenRitParameters(**parameters), input=ConstantInput(p))


def test_batch_axes_are_those_of_vmap():
    axes = batch_axes(UniformNoiseInput([120.0, 90.0], 320.0, hold=1e-3))
    assert (axes.low, axes.high, axes.hold) == (0, None, 1e-3)


def test_a_description_has_values_units_and_batches_and_no_values_under_tracing():
    record = EvokedPulseInput(jnp.array([0.1, 0.2, 0.15]), WhiteNoiseInput(220, 6))
    assert described(record) == (
        "EvokedPulseInput(onset=0.1 to 0.2 s (batch of 3), background=WhiteNoiseInput(p=220 1/s, intensity=6 s^-1/2), "
        "q=0.5 1/s, w=0.005 s, n=7)"
    )
    texts = []
    jax.eval_shape(lambda record: texts.append(described(record)), ConstantInput(220))
    assert texts == ["ConstantInput(p=f32[])"]
