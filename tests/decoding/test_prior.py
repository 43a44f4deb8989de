"""The prior over columns and sensors: ranges, draws, and the columns that they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.decoding import STANDARD, Prior
from jrae_jax.decoding.prior import SENSORS


def test_quantities_are_uniform_in_their_ranges_or_their_logarithms_are(key):
    found = Prior().values(Prior().draw(20_000, key=key))
    assert list(found) == list(STANDARD)
    for name, (low, high, _, _, logarithmic) in STANDARD.items():
        values, bounds = np.asarray(found[name]), np.array([low, high])
        assert values.min() >= low * (1 - 1e-6), name
        assert values.max() <= high * (1 + 1e-6), name
        if logarithmic:
            values, bounds = np.log(values), np.log(bounds)
        uniform = np.sort((values - bounds[0]) / (bounds[1] - bounds[0]))
        # Kolmogorov's distance is beyond 1.95 / sqrt(n) once in a thousand times.
        assert np.abs(uniform - np.arange(20_000) / 20_000).max() < 1.95 / np.sqrt(20_000), name


def test_normal_numbers_and_values_are_inverse(key):
    prior = Prior({name: quantity._replace(high=0.9 * quantity.high) for name, quantity in STANDARD.items()})
    normal = jnp.clip(prior.draw(200, key=key), -3.5, 3.5)
    np.testing.assert_allclose(prior.normal(prior.values(normal)), normal, atol=2e-3)
    bounds = {name: jnp.array([quantity.low, 0.9 * quantity.high]) for name, quantity in STANDARD.items()}
    np.testing.assert_allclose(prior.normal(bounds), np.outer([-3.719, 3.719], np.ones(8)), rtol=2e-3)


def test_other_sensors_leave_columns_as_they_are(key):
    prior = Prior()
    normal = prior.draw(50, key=key)
    other = prior.draw_sensors(normal, key=jax.random.key(1))
    same = [bool(np.all(np.asarray(normal[:, i] == other[:, i]))) for i in range(len(prior.names))]
    assert [name for name, as_before in zip(prior.names, same, strict=True) if not as_before] == list(SENSORS)


def test_columns_have_the_quantities(key):
    other = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(0.0)).replace(A=4.0)
    prior = Prior(column=other)
    values = prior.values(prior.draw(5, key=key))
    column = prior.columns(values)
    for name, quantity in {"C": "C", "B": "B", "p": "p", "sigma": "intensity"}.items():
        np.testing.assert_array_equal(column.value(quantity), values[name])
    np.testing.assert_allclose(column.value("a"), 100 * values["time_scale"], rtol=1e-6)
    np.testing.assert_allclose(column.value("b"), 50 * values["time_scale"], rtol=1e-6)
    np.testing.assert_array_equal(column.value("A"), 4.0)


def test_what_is_no_prior():
    quantity = STANDARD["C"]
    with pytest.raises(ValueError, match=r"^`quantities` must be C, B, .*, white, got C$"):
        Prior({"C": quantity})
    for low, high, logarithmic in ((300.0, 60.0, False), (0.0, 1.0, True), (float("nan"), 1.0, False)):
        wrong = dict(STANDARD) | {"C": quantity._replace(low=low, high=high, logarithmic=logarithmic)}
        with pytest.raises(ValueError, match=r"^`quantities` must rise, C goes from"):
            Prior(wrong)
