import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import PRESETS, JansenRitParameters, jansen_rit_vector_field

NAMES = tuple(field.name for field in dataclasses.fields(JansenRitParameters))


def test_defaults_are_the_values_of_1995():
    published = dict(
        A=3.25, B=22, a=100, b=50, e0=2.5, v0=6, r=0.56, C=135, alpha1=1, alpha2=0.8, alpha3=0.25, alpha4=0.25
    )
    parameters = JansenRitParameters()
    assert set(NAMES) == set(published)
    for name, value in published.items():
        assert getattr(parameters, name) == np.float32(value), name


def test_connections_are_fractions_of_c():
    parameters = JansenRitParameters(C=200.0, alpha1=0.9)
    connections = [parameters.C1, parameters.C2, parameters.C3, parameters.C4]
    np.testing.assert_allclose(connections, [180, 160, 50, 50], rtol=1e-6)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_differ_from_1995_in_the_threshold_of_tvb_alone(preset):
    parameters, standard = JansenRitParameters.preset(preset), JansenRitParameters()
    different = {name for name in NAMES if not np.isclose(getattr(parameters, name), getattr(standard, name))}
    assert different == ({"v0"} if preset == "tvb" else set())


def test_there_are_three_presets():
    assert set(PRESETS) == {"jansen_rit_1995", "tvb", "hnpe"}


def tvb_right_hand_side(y, mu, A=3.25, B=22.0, a=0.1, b=0.05, v0=5.52, nu_max=0.0025, r=0.56, J=135.0):
    """The model of The Virtual Brain, with its own names and defaults: milliseconds and millivolts."""

    def sigm(v):
        return 2 * nu_max / (1 + np.exp(r * (v0 - v)))

    return np.array(
        [
            y[3],
            y[4],
            y[5],
            A * a * sigm(y[1] - y[2]) - 2 * a * y[3] - a**2 * y[0],
            A * a * (mu + 0.8 * J * sigm(J * y[0])) - 2 * a * y[4] - a**2 * y[1],
            B * b * 0.25 * J * sigm(0.25 * J * y[0]) - 2 * b * y[5] - b**2 * y[2],
        ]
    )


def test_tvb_preset_is_the_millisecond_model_in_seconds(x64):
    per_second = np.array([1, 1, 1, 1e3, 1e3, 1e3])  # mV stay, mV/ms become mV/s
    y_ms = np.array([0.1, 18.0, 12.0, -0.004, 0.3, -0.2])
    expected = 1e3 * per_second * tvb_right_hand_side(y_ms, mu=0.22)
    parameters = JansenRitParameters.preset("tvb")
    derivative = jansen_rit_vector_field(0.0, jnp.asarray(y_ms * per_second), (parameters, jnp.asarray(220.0)))
    np.testing.assert_allclose(derivative, expected, rtol=1e-12)


def test_every_field_is_an_array_leaf_of_the_default_float_type():
    leaves = jax.tree.leaves(JansenRitParameters())
    assert len(leaves) == len(NAMES)
    assert all(isinstance(leaf, jax.Array) and leaf.dtype == jnp.float32 and leaf.shape == () for leaf in leaves)


def test_leaves_are_double_in_double_precision(x64):
    leaves = jax.tree.leaves(JansenRitParameters(C=np.float32(200), a=100))
    assert all(leaf.dtype == jnp.float64 for leaf in leaves)


@pytest.mark.parametrize(
    ("values", "messages"),
    [
        (
            {"a": 0.1, "b": 0.05, "e0": 0.0025},
            ["`a` = 0.1 1/s is as if it were in 1/ms: that would be 100 1/s", "`b`", "`e0`"],
        ),
        ({"a": np.linspace(0.05, 0.15, 5)}, ["`a` = 0.05 1/s is as if it were in 1/ms"]),
        (
            {"A": 0.00325, "r": 560.0},
            ["`A` = 0.00325 mV is as if it were in V: that would be 3.25 mV", "`r` = 560 1/mV"],
        ),
        ({"B": 0.022, "v0": 0.006}, ["`B` = 0.022 mV", "`v0` = 0.006 mV"]),
    ],
)
def test_values_as_in_other_units_are_warned_of(values, messages):
    with pytest.warns(UserWarning, match="is as if it were in") as found:
        JansenRitParameters(**values)
    shown = [str(warning.message) for warning in found]
    assert len(shown) == len(messages)
    for message in messages:
        assert any(message in line for line in shown)


def test_legal_values_far_from_the_standard_ones_are_not_warned_of():
    random = np.random.default_rng(0)
    for _ in range(50):
        far = {name: np.exp(random.uniform(np.log(0.1), np.log(10))) for name in NAMES}
        JansenRitParameters(**{name: far[name] * np.asarray(getattr(JansenRitParameters(), name)) for name in NAMES})
    JansenRitParameters(A=0.0, B=0.0, e0=0.0, v0=0.0, a=1.0, b=1.0)
    JansenRitParameters(a=np.linspace(0.1, 200.0, 5), A=np.linspace(0.0, 10.0, 1001))


def test_replace_converts_and_checks():
    parameters = dataclasses.replace(JansenRitParameters(), C=[100, 200])
    np.testing.assert_array_equal(parameters.C, [100, 200])
    with pytest.raises(ValueError, match="`a` must be positive"):
        dataclasses.replace(parameters, a=0.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        *[({name: np.nan}, f"`{name}` must be finite, got nan") for name in NAMES],
        ({"C": np.inf}, "`C` must be finite, got inf"),
        ({"r": [1.0, np.nan]}, r"`r` must be finite, got nan in an array of shape \(2,\)"),
        ({"a": 0.0}, "`a` must be positive, got 0.0"),
        ({"a": [1.0, 0.0]}, r"`a` must be positive, got 0.0 in an array of shape \(2,\)"),
        ({"b": -1.0}, "`b` must be positive, got -1.0"),
    ],
)
def test_invalid_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        JansenRitParameters(**values)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="`name` must be one of 'jansen_rit_1995', 'tvb', 'hnpe', got 'wendling'"):
        JansenRitParameters.preset("wendling")


def test_traced_values_are_not_checked():
    slopes = jax.vmap(jax.grad(lambda C: JansenRitParameters(C=C).C3))(jnp.array([100.0, 200.0]))
    np.testing.assert_array_equal(slopes, [0.25, 0.25])


def test_repr_has_values_and_units():
    text = repr(JansenRitParameters(C=[68.0, 270.0]))
    assert text.startswith("JansenRitParameters(A=3.25 mV, B=22 mV, a=100 1/s, b=50 1/s, e0=2.5 1/s, v0=6 mV, ")
    assert "r=0.56 1/mV, C=68 to 270 (batch of 2), alpha1=1, " in text
