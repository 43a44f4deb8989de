import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import jrae_jax as jrae

CONSTANT = jrae.ConstantInput(220.0)
NOISE = jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)
PARAMETERS = [field.name for field in dataclasses.fields(jrae.JansenRitParameters)]


@pytest.mark.parametrize(
    ("free", "expected"),
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
def test_known_symmetries(free, expected):
    assert jrae.unidentifiable(free, CONSTANT) == expected


def test_the_inputs_own_quantities_count():
    (told,) = jrae.unidentifiable(("A", "B", "C", "low", "high"), NOISE)
    assert told.startswith("A multiplied by x, B multiplied by x, C divided by x, low divided by x, high divided by x")
    assert jrae.unidentifiable(("A", "B", "C", "low"), NOISE) == ()
    pulse = jrae.EvokedPulseInput(0.1, jrae.ConstantInput(0.0))
    assert jrae.unidentifiable(("A", "B", "C", "q"), pulse)
    assert not jrae.unidentifiable(("A", "B", "C", "q"), jrae.EvokedPulseInput(0.1, CONSTANT))
    assert not jrae.unidentifiable(("onset", "w"), pulse)


def powers_in(told):
    """By name, from a sentence."""
    powers = {}
    for part in told.partition(":")[0].split(", "):
        name, what, _, by = part.split(" ")
        power = float(by.partition("^")[2] or 1)
        powers[name] = power if what == "multiplied" else -power
    return powers


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from([*PARAMETERS, "p", "gain"]), min_size=2, max_size=9), st.floats(0.8, 1.25))
def test_what_is_said_to_change_nothing_changes_nothing(names, x):
    with jax.enable_x64(True):
        standard = jrae.JansenRitParameters()
        expected = jrae.eeg(jrae.simulate(standard, jrae.ConstantInput(220.0), t1=0.2, dt=1e-3).ys)
        for told in jrae.unidentifiable(sorted(names), CONSTANT):
            factors = {name: x**power for name, power in powers_in(told).items()}
            gain, p = factors.pop("gain", 1.0), 220.0 * factors.pop("p", 1.0)
            values = {name: getattr(standard, name) * factor for name, factor in factors.items()}
            changed = jrae.simulate(jrae.JansenRitParameters(**values), jrae.ConstantInput(p), t1=0.2, dt=1e-3)
            np.testing.assert_allclose(gain * jrae.eeg(changed.ys), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("free", [("A", "B", "C"), ("e0", "C"), ("A", "B", "v0", "r", "gain"), ("A", "r", "p", "C")])
def test_the_rank_of_the_derivatives_is_as_told(free, x64):
    def eeg(logarithms):
        factors = dict(zip(free, jnp.exp(logarithms), strict=True))
        gain, p = factors.pop("gain", 1.0), 220.0 * factors.pop("p", 1.0)
        values = {name: getattr(jrae.JansenRitParameters(), name) * factor for name, factor in factors.items()}
        ys = jrae.simulate(jrae.JansenRitParameters(**values), jrae.ConstantInput(p), t1=0.4, dt=1e-3).ys
        return gain * jrae.eeg(ys)

    slopes = jax.jacrev(lambda x: eeg(x)[::50])(jnp.zeros(len(free)))
    values = np.linalg.svd(slopes, compute_uv=False)
    assert np.sum(values > 1e-8 * values[0]) == len(free) - len(jrae.unidentifiable(free, CONSTANT))
