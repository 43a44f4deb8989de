import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import brentq

from jrae_jax.column import JansenRitParameters, jansen_rit_vector_field, sigmoid
from jrae_jax.column.equations import Coefficients, external_input_direction
from jrae_jax.column.states import EXTERNAL_INPUT_STATE

A, B, a, b, C = 3.25, 22.0, 100.0, 50.0, 135.0

TVB_RANGES = dict(
    A=(2.6, 9.75), B=(17.6, 110), a=(50, 150), b=(25, 75), v0=(3.12, 6), e0=(1.25, 3.75), r=(0.28, 0.84), C=(65, 1350)
)
STATE_RANGES = [(-0.5, 0.5), (-60, 60), (-60, 60), (-20, 20), (-5000, 5000), (-5000, 5000)]


@jax.jit
def field(y, p, parameters):
    return jansen_rit_vector_field(0.0, y, (parameters, p))


jacobian = jax.jit(jax.jacobian(field))


@settings(deadline=None, derandomize=True)
@given(
    parameters=st.fixed_dictionaries({name: st.floats(*limits) for name, limits in TVB_RANGES.items()}),
    y=st.tuples(*(st.floats(*limits) for limits in STATE_RANGES)),
    p=st.floats(0, 1000),
)
def test_field_is_that_of_the_equations(parameters, y, p, numpy_right_hand_side):
    expected = numpy_right_hand_side(y, p, **parameters)
    with jax.enable_x64(True):
        derivative = field(jnp.asarray(y), jnp.asarray(p), JansenRitParameters(**parameters))
    # The terms of a derivative may cancel, so the error is measured against the damping terms as well.
    rates = np.array([parameters["a"], parameters["a"], parameters["b"]])
    damping = 2 * rates * np.abs(y[3:]) + rates**2 * np.abs(y[:3])
    scale = 1 + abs(expected) + np.concatenate([np.zeros(3), damping])
    assert np.all(abs(np.asarray(derivative) - expected) <= 1e-12 * scale)


def firing_rate(v):
    return 5 / (1 + np.exp(0.56 * (6 - v)))


def equilibrium(v):
    """State and input of the equilibrium at which `y1 - y2` is `v`, in closed form."""
    y0 = A / a * firing_rate(v)
    y2 = B / b * 0.25 * C * firing_rate(0.25 * C * y0)
    p = a / A * (v + y2) - 0.8 * C * firing_rate(C * y0)
    return jnp.array([y0, v + y2, y2, 0.0, 0.0, 0.0]), jnp.asarray(p)


def equilibrium_at(p, lower, upper):
    return equilibrium(brentq(lambda v: equilibrium(v)[1] - p, lower, upper, xtol=1e-14))


def eigenvalues(y, p):
    return np.linalg.eigvals(np.asarray(jacobian(y, p, JansenRitParameters())))


@pytest.mark.parametrize(
    ("p", "v", "unstable"),
    [(220, 7.52028995, 2), (0, -1.90380153, 0), (0, 4.56871293, 1), (0, 6.06499359, 0)],
)
def test_published_equilibria_are_zeros_of_the_field(x64, p, v, unstable):
    y, exact_p = equilibrium_at(p, v - 0.1, v + 0.1)
    assert y[1] - y[2] == pytest.approx(v, abs=1e-8)
    np.testing.assert_allclose(field(y, exact_p, JansenRitParameters()), np.zeros(6), atol=1e-9)
    assert np.sum(eigenvalues(y, exact_p).real > 0) == unstable


@pytest.mark.parametrize(("p", "hertz"), [(-12.14749235, 7.2395), (89.82910797, 10.3771), (315.69642807, 11.1636)])
def test_published_hopf_bifurcations(x64, p, hertz):
    leading = eigenvalues(*equilibrium_at(p, 5, 12))
    leading = leading[np.argmax(leading.real + (leading.imag > 0))]
    assert leading.real == pytest.approx(0, abs=1e-6)
    assert leading.imag / (2 * np.pi) == pytest.approx(hertz, abs=1e-4)


@pytest.mark.parametrize(("p", "limits"), [(113.58627321, (1, 3.5)), (-41.30141049, (4.7, 6))])
def test_published_saddle_nodes(x64, p, limits):
    def determinant(v):
        return np.linalg.det(jacobian(*equilibrium(v), JansenRitParameters()))

    assert equilibrium(brentq(determinant, *limits))[1] == pytest.approx(p, abs=1e-6)


def test_published_stability_at_400(x64):
    assert np.max(eigenvalues(*equilibrium_at(400, 7, 15)).real) == pytest.approx(-1.73978, abs=1e-5)


@pytest.mark.parametrize("p", [0.0, 220.0, 400.0])
def test_phase_space_contracts_at_the_same_rate_everywhere(x64, p):
    y = jnp.asarray(np.random.default_rng(0).normal(size=6))
    assert np.trace(jacobian(y, jnp.asarray(p), JansenRitParameters())) == pytest.approx(-(4 * a + 2 * b), rel=1e-12)


def test_input_enters_one_state_alone():
    parameters = JansenRitParameters(A=4.0, a=90.0)
    direction = jax.jacobian(field, argnums=1)(jnp.ones(6), jnp.asarray(220.0), parameters)
    np.testing.assert_array_equal(np.flatnonzero(direction), [EXTERNAL_INPUT_STATE])
    np.testing.assert_allclose(direction[EXTERNAL_INPUT_STATE], 360, rtol=1e-6)
    np.testing.assert_array_equal(external_input_direction(Coefficients.from_parameters(parameters)), direction)


def test_time_does_not_enter(key):
    y = jax.random.normal(key, (6,))
    args = (JansenRitParameters(), jnp.asarray(220.0))
    np.testing.assert_array_equal(
        jansen_rit_vector_field(0.0, y, args), jansen_rit_vector_field(jnp.asarray(9.0), y, args)
    )


def test_vmap_over_batched_parameters_is_the_loop(key):
    ys = jax.random.normal(key, (3, 6))
    Cs = jnp.array([68.0, 135.0, 270.0])
    looped = [field(y, jnp.asarray(220.0), JansenRitParameters(C=C)) for y, C in zip(ys, Cs, strict=True)]
    vmapped = jax.vmap(lambda y, C: field(y, jnp.asarray(220.0), JansenRitParameters(C=C)))(ys, Cs)
    np.testing.assert_allclose(vmapped, looped, rtol=1e-5)


def test_sigmoid_is_the_published_one():
    vs = np.linspace(-10, 25, 71)
    np.testing.assert_allclose(sigmoid(jnp.asarray(vs), JansenRitParameters()), firing_rate(vs), rtol=2e-6)


def test_sigmoid_takes_its_own_parameters():
    parameters = JansenRitParameters(e0=1.5, v0=4.0, r=0.3)
    assert sigmoid(jnp.asarray(4.0), parameters) == pytest.approx(1.5)
    assert jax.grad(sigmoid)(jnp.asarray(4.0), parameters) == pytest.approx(1.5 * 0.3 / 2)


@pytest.mark.parametrize("v", [-3e38, -1e6, -200.0, 200.0, 1e6, 3e38])
def test_sigmoid_and_its_gradient_are_finite_at_extreme_potentials(v):
    rate, slopes = jax.value_and_grad(sigmoid, argnums=(0, 1))(jnp.asarray(v), JansenRitParameters())
    assert rate == (5 if v > 0 else 0)
    assert all(np.isfinite(slope) for slope in jax.tree.leaves(slopes))
    assert slopes[0] == 0


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_field_and_its_gradient_are_finite_at_extreme_states(sign):
    y = sign * jnp.array([1e4, 1e6, -1e6, 0.0, 0.0, 0.0])
    assert np.all(np.isfinite(field(y, jnp.asarray(220.0), JansenRitParameters())))
    assert np.all(np.isfinite(jacobian(y, jnp.asarray(220.0), JansenRitParameters())))
