import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jrae_jax.column import (
    Column,
    ConstantInput,
    EvokedPulseInput,
    JansenRitParameters,
    UniformNoiseInput,
    WhiteNoiseInput,
    simulate,
)
from jrae_jax.inference import scaling_symmetries

COLUMN = Column(JansenRitParameters(), ConstantInput(220.0))
NAMES = [*COLUMN.quantities, "gain"]


def scaled(column, factors):
    """The column with some quantities multiplied, and the gain."""
    gain = factors.pop("gain", 1.0)
    return column.replace(**{name: column.value(name) * factor for name, factor in factors.items()}), gain


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("A", "B", "C"), ()),
        (("A", "B", "a", "b", "C", "v0", "r"), ()),
        (
            ("A", "B", "C", "p"),
            ("A multiplied by x, B multiplied by x, C divided by x, p divided by x: the EEG is the same for every x",),
        ),
        (("e0", "C"), ("e0 multiplied by x, C divided by x: the EEG is the same for every x",)),
        (
            ("A", "B", "v0", "r", "gain"),
            (
                "A multiplied by x, B multiplied by x, v0 multiplied by x, r divided by x, gain divided by x: "
                "the EEG is the same for every x",
            ),
        ),
        (("A", "B", "r", "gain"), ()),
        (("alpha1", "alpha2", "alpha3", "alpha4"), ()),
    ],
)
def test_known_symmetries(names, expected):
    assert scaling_symmetries(names, COLUMN) == expected


def test_the_inputs_own_quantities_count():
    uniform = COLUMN.replace(input=UniformNoiseInput(120.0, 320.0, hold=1e-3))
    (sentence,) = scaling_symmetries(("A", "B", "C", "low", "high"), uniform)
    expected = "A multiplied by x, B multiplied by x, C divided by x, low divided by x, high divided by x"
    assert sentence.startswith(expected)
    assert scaling_symmetries(("A", "B", "C", "low"), uniform) == ()
    white = COLUMN.replace(input=WhiteNoiseInput(220.0, 6.0))
    assert scaling_symmetries(("A", "B", "C", "p", "intensity"), white)
    assert not scaling_symmetries(("A", "B", "C", "intensity"), white)
    pulse = COLUMN.replace(input=EvokedPulseInput(0.1, ConstantInput(0.0)))
    assert scaling_symmetries(("A", "B", "C", "q"), pulse)
    on_background = COLUMN.replace(input=EvokedPulseInput(0.1, ConstantInput(220.0)))
    assert not scaling_symmetries(("A", "B", "C", "q"), on_background)
    assert scaling_symmetries(("A", "B", "C", "q", "background.p"), on_background)
    assert not scaling_symmetries(("onset", "w"), pulse)


def powers_in(sentence):
    """By name, from a sentence."""
    powers = {}
    for part in sentence.partition(":")[0].split(", "):
        name, what, _, by = part.split(" ")
        power = float(by.partition("^")[2] or 1)
        powers[name] = power if what == "multiplied" else -power
    return powers


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(NAMES), min_size=2, max_size=9), st.floats(0.8, 1.25))
def test_a_symmetry_changes_nothing(names, x):
    with jax.enable_x64(True):
        column = Column(JansenRitParameters(), ConstantInput(220.0))
        expected = simulate(column, t1=0.2, dt=1e-3).eeg
        for sentence in scaling_symmetries(sorted(names), column):
            changed, gain = scaled(column, {name: x**power for name, power in powers_in(sentence).items()})
            np.testing.assert_allclose(gain * simulate(changed, t1=0.2, dt=1e-3).eeg, expected, rtol=1e-7, atol=1e-9)


def test_the_rank_of_the_derivatives_is_that_of_the_symmetries(x64):
    column = Column(JansenRitParameters(), ConstantInput(220.0))
    some = ("A", "B", "C", "e0", "v0", "r", "p", "gain")

    def eeg(logarithms):
        changed, gain = scaled(column, dict(zip(some, jnp.exp(logarithms), strict=True)))
        return gain * simulate(changed, t1=0.4, dt=1e-3).eeg[::25]

    slopes = np.asarray(jax.jacrev(eeg)(jnp.zeros(len(some))))
    for names in ("A", "B", "C"), ("e0", "C"), ("A", "B", "v0", "r", "gain"), ("A", "r", "p", "C"), some:
        values = np.linalg.svd(slopes[:, [some.index(name) for name in names]], compute_uv=False)
        rank = np.sum(values > 1e-8 * values[0])
        assert rank == len(names) - len(scaling_symmetries(names, column)), names


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("names", "column", "message"),
    [
        (("A", "X"), COLUMN, "`names` must name some of A, .*, p, gain; got X"),
        (("A", "A"), COLUMN, "`names` must name each quantity once, got A 2 times"),
        (("A",), COLUMN.replace(C=np.ones(2)), "`column` must be one column, got a batch of 2: take one of them"),
        (("A",), COLUMN.input, "`column` must be an instance of Column, got ConstantInput"),
    ],
)
def test_invalid_arguments(names, column, message):
    with pytest.raises(ValueError, match=message):
        scaling_symmetries(names, column)
