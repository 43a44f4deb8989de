import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jrae_jax.column import Column, ConstantInput, EvokedPulseInput, JansenRitParameters
from jrae_jax.inference import FreeParameters

BOUNDS = {"C": (90.0, 180.0), "gain": (1.0, 3.0), "background.p": (100.0, 300.0)}
FREE = FreeParameters.from_bounds(Column(JansenRitParameters(), EvokedPulseInput(0.1, ConstantInput(220.0))), BOUNDS)


def test_any_number_leads_into_the_bounds():
    np.testing.assert_allclose(FREE.values(jnp.zeros(3)), [135.0, 2.0, 200.0])
    np.testing.assert_allclose(FREE.values(jnp.array([-99.0, 0.0, 99.0])), [90.0, 2.0, 300.0])


def test_the_column_has_the_values_and_what_is_known():
    column, gain = eqx.filter_jit(FREE.column)(jnp.array([0.0, -99.0, 99.0]))
    assert float(column.parameters.C) == 135.0
    assert float(column.value("background.p")) == 300.0
    assert float(column.value("onset")) == np.float32(0.1)
    assert float(gain) == 1.0


def test_starts_are_a_latin_hypercube():
    fractions = jax.nn.sigmoid(FREE.latin_hypercube(16, jax.random.key(0)))
    np.testing.assert_array_equal(np.sort(np.floor(16 * fractions), axis=0), np.arange(16.0)[:, None] * np.ones(3))
    assert np.abs(np.corrcoef(fractions, rowvar=False) - np.eye(3)).max() < 0.9
