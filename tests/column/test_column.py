"""Columns: parameters and an input as one record."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import (
    Column,
    ConstantInput,
    EvokedPulseInput,
    JansenRitParameters,
    UniformNoiseInput,
    simulate,
)
from jrae_jax.column.column import check_constant, check_single


def column():
    return Column(JansenRitParameters(), UniformNoiseInput(120.0, 320.0, hold=1e-3))


def evoked():
    return column().replace(input=EvokedPulseInput(0.1, ConstantInput(90.0)))


def columns():
    return column().replace(C=[68.0, 135.0, 270.0], low=[100.0, 110.0, 120.0])


def test_a_preset_is_that_of_the_parameters():
    assert Column.preset("tvb", ConstantInput(220)).parameters.v0 == np.float32(5.52)
    with pytest.raises(ValueError, match="`name` must be one of 'jansen_rit_1995', 'tvb', 'hnpe', got 'wendling'"):
        Column.preset("wendling", ConstantInput(220))


def test_quantities_are_those_of_the_parameters_and_then_of_the_input():
    names = list(evoked().quantities)
    assert names[:8] == ["A", "B", "a", "b", "e0", "v0", "r", "C"]
    assert names[12:] == ["onset", "background.p", "q", "w"]
    assert evoked().quantities["background.p"] == "1/s"


def test_values_by_name():
    assert [float(evoked().value(name)) for name in ("C", "q", "background.p")] == [135, 0.5, 90]
    assert column().value("high") == 320


def test_replace_changes_the_named_quantities_and_nothing_else():
    other = evoked().replace(C=200.0, q=2.0, **{"background.p": 70.0})
    changed = {name for name in other.quantities if other.value(name) != evoked().value(name)}
    assert changed == {"C", "q", "background.p"}
    assert [float(other.value(name)) for name in ("C", "q", "background.p")] == [200, 2, 70]
    assert column().replace(low=400.0, high=500.0).value("low") == 400


def test_replace_takes_records_and_values_of_the_new_record_together():
    other = column().replace(parameters=JansenRitParameters(A=4.0), input=ConstantInput(220.0), p=90.0)
    assert [float(other.value(name)) for name in ("A", "C", "p")] == [4, 135, 90]


def test_replace_works_on_traced_values():
    def excitation(C, p):
        return evoked().replace(C=C, **{"background.p": p}).parameters.C2 + p

    Cs, p = jnp.array([100.0, 200.0]), jnp.asarray(90.0)
    np.testing.assert_allclose(jax.jit(excitation)(Cs[0], p), 170)
    np.testing.assert_allclose(jax.vmap(excitation, (0, None))(Cs, p), [170, 250])
    np.testing.assert_allclose(jax.vmap(jax.grad(excitation, (0, 1)), (0, None))(Cs, p), [[0.8] * 2, [1] * 2])


def test_a_column_goes_through_jit_vmap_and_grad():
    def excitation(column):
        return column.parameters.C2 + column.input.low

    expected = np.array([68.0, 135.0, 270.0]) * 0.8 + [100, 110, 120]
    np.testing.assert_allclose(jax.jit(excitation)(columns()), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(excitation, in_axes=(columns().axes,))(columns()), expected, rtol=1e-6)
    slopes = jax.grad(excitation)(column())
    assert isinstance(slopes, Column)
    assert (slopes.value("C"), slopes.value("low"), slopes.value("high")) == (np.float32(0.8), 1, 0)


def test_vmap_over_the_axes_is_the_batch():
    batch = columns().replace(input=ConstantInput(220.0))

    def trajectory(column):
        return simulate(column, t1=0.05, dt=1e-3).ys

    together = jax.vmap(trajectory, in_axes=(batch.axes,))(batch)
    np.testing.assert_allclose(together, trajectory(batch), rtol=1e-4, atol=1e-3)


def test_batch_length_and_parts():
    assert (column().batch, columns().batch, len(columns())) == (None, 3, 3)
    for index, C, low in ((0, 68, 100), (2, 270, 120), (-1, 270, 120), (-3, 68, 100)):
        one = columns()[index]
        assert one.batch is None
        assert (one.value("C"), one.value("low"), one.value("high")) == (C, low, 320)
    some = columns()[1:]
    assert len(some) == 2
    np.testing.assert_array_equal(some.value("C"), [135, 270])
    assert [float(each.value("C")) for each in columns()] == [68, 135, 270]


def test_parts_that_do_not_exist():
    for index in (3, -4):
        with pytest.raises(IndexError):
            columns()[index]
    for use in (len, lambda single: single[0]):
        with pytest.raises(TypeError, match="a single Column has no length"):
            use(column())


def test_repr_has_values_units_and_batches():
    text = repr(columns())
    assert text.startswith("Column(parameters=JansenRitParameters(A=3.25 mV, B=22 mV, ")
    assert "C=68 to 270 (batch of 3)" in text
    assert text.endswith("input=UniformNoiseInput(low=100 to 120 1/s (batch of 3), high=320 1/s, hold=0.001 s))")
    assert "\n" not in text


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: column().replace(Q=1.0), "`replace` must name some of A, B, .*, low, high; got Q"),
        (lambda: column().replace(p=1.0), "`replace` must name some of A, B, .*, low, high; got p"),
        (lambda: column().replace(hold=1.0), "`replace` must name some of .*; got hold"),
        (lambda: evoked().replace(background=1.0), r"`replace` must name some of .*background\.p.*; got background"),
        (lambda: column().replace(a=0.0), "`a` must be positive, got 0.0"),
        (lambda: column().replace(C=np.nan), "`C` must be finite, got nan"),
        (lambda: column().replace(low=330.0), "`high - low` must be positive, got -10.0"),
        (
            lambda: columns().replace(B=[1.0, 2.0]),
            r"`column\.parameters\.C` has a batch axis of 3, but 2 columns were given before it",
        ),
        (lambda: columns().replace(low=[1.0, 2.0]), r"`column\.input\.low` has a batch axis of 2, but 3 columns"),
        (
            lambda: Column(JansenRitParameters(C=np.ones((2, 3))), ConstantInput(220)),
            r"`column\.parameters\.C` must be a scalar or one value a column, got shape \(2, 3\)",
        ),
        (lambda: Column(ConstantInput(220), JansenRitParameters()), "`parameters` must be an instance of JansenRit"),  # pyright: ignore[reportArgumentType]
        (lambda: Column(JansenRitParameters(), 220.0), "`input` must be an instance of AbstractExternalInput, got 220"),  # pyright: ignore[reportArgumentType]
        (lambda: column().replace(input=220.0), "`input` must be an instance of AbstractExternalInput, got 220"),  # pyright: ignore[reportArgumentType]
        (lambda: column().value("Q"), "`name` must name some of A, B, .*, low, high; got Q"),
        (
            lambda: check_single("column", columns(), "take column[0]"),
            "`column` must be one column, got a batch of 3: ",
        ),
        (
            lambda: check_constant("column", column()),
            r"`column` must have a ConstantInput, got a UniformNoiseInput: column\.replace\(input=ConstantInput",
        ),
    ],
)
def test_invalid_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
