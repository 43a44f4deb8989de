"""The posterior Cramer-Rao bound: reached by the best estimators, and the inverse of the information elsewhere."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import STATES, Column, ConstantInput, Trajectories, simulate
from jrae_jax.column.states import POTENTIAL_STATES
from jrae_jax.estimators import (
    cramer_rao,
    posterior_cramer_rao,
    square_root as square_root_module,
    state_space as state_space_module,
)

DT = 1e-3


@pytest.fixture
def bound(column, recorded):
    """The bound along the recorded trajectories."""

    def along(observed, noise=1.0, **settings):
        noise_std = noise * recorded.noise_std
        return posterior_cramer_rao(column, recorded.trajectories, observed=observed, noise_std=noise_std, **settings)

    return along


@pytest.mark.parametrize("observed", ["y0", "eeg"])
@pytest.mark.parametrize("causal", [True, False])
def test_the_best_estimators_reach_it(recorded, kalman, bound, observed, causal):
    estimate = kalman("filter" if causal else "smoother", observed)
    errors = (np.asarray(estimate.mean) - recorded.states) / np.asarray(bound(observed, causal=causal).std)
    np.testing.assert_allclose(np.sqrt(np.mean(errors[:, 500:] ** 2, axis=(0, 1))), 1, atol=0.15)


def test_the_filter_is_far_from_it_where_only_y1_is_observed(recorded, kalman, bound):
    errors = np.asarray(kalman("filter", "y1").mean) - recorded.states
    y0 = (errors / np.asarray(bound("y1", causal=True).std))[..., STATES.index("y0")]
    assert np.sqrt(np.mean(y0[:, 500:] ** 2)) > 1.5


def test_more_channels_and_later_samples_lower_it(bound):
    eeg, more, earlier = bound("eeg"), bound(("y0", "eeg")), bound("eeg", causal=True)
    assert np.all(more.std < eeg.std * 1.0001)
    assert np.all(eeg.std < earlier.std * 1.0001)
    np.testing.assert_allclose(eeg.std[:, -1], earlier.std[:, -1], rtol=1e-4)


def test_the_bound_on_a_constant_never_rises(bound):
    found = bound("eeg", noise=10.0, unknown=("p",), causal=True).parameter_std
    assert list(found) == ["p"]
    std = np.asarray(found["p"])
    assert np.all(np.diff(std, axis=1) < 1e-4 * std[:, 1:])
    assert np.all(std[:, -1] < 0.5 * std[:, 0])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("unknown", [("C",), pytest.param((), marks=pytest.mark.slow)])
def test_with_a_known_input_it_is_the_inverse_information_of_start_and_parameter(monkeypatch, unknown):
    """By derivatives of whole simulations, where the bound goes from step to step."""
    monkeypatch.setattr(square_root_module, "_LEAST_PROCESS_NOISE", 1e-12)
    monkeypatch.setattr(state_space_module, "_PRIOR_SPREAD", 10.0)
    column = Column.preset("jansen_rit_1995", ConstantInput(220.0))

    def potentials(y0, log_C):
        changed = column.replace(C=135.0 * jnp.exp(log_C))
        later = simulate(changed, t1=1.0, dt=DT, y0=y0, adjoint=diffrax.ForwardMode()).ys
        ys = jnp.concatenate([y0[None], later])
        return ys[:, jnp.array(POTENTIAL_STATES)].ravel(), ys

    start = jnp.array([0.1, 24.0, 17.0, 0.5, 100.0, 20.0])
    slopes, ys = jax.jacfwd(potentials, argnums=(0, 1), has_aux=True)(start, jnp.zeros(()))
    slopes = jnp.column_stack(slopes)[:, : len(STATES) + len(unknown)] / 0.02
    expected = cramer_rao(slopes.T @ slopes)
    settings = {"unknown": unknown, "prior_std": 2.0} if unknown else {}
    trajectory = Trajectories(ys, dt=DT)
    found = posterior_cramer_rao(column, trajectory, observed=("y0", "y1", "y2"), noise_std=0.02, **settings)
    assert found.std.shape == ys.shape
    np.testing.assert_allclose(found.std[0], expected[: len(STATES)], rtol=0.01)
    for name, std in zip(unknown, expected[len(STATES) :], strict=True):
        assert float(found.parameter_std[name][-1]) == pytest.approx(135.0 * float(std), rel=0.01)


def test_the_bound_from_information_is_the_root_of_the_inverse():
    rng = np.random.default_rng(0)
    units = np.array([0.02, 3.0, 2.0, 1.0, 250.0, 100.0])
    slopes = rng.normal(size=(3, 20, 6)) / units
    information = np.einsum("kti,ktj->kij", slopes, slopes)
    expected = np.sqrt(np.einsum("kii->ki", np.linalg.inv(information)))
    np.testing.assert_allclose(cramer_rao(jnp.asarray(information, jnp.float32)), expected, rtol=1e-3)
    lacking = np.diag([1.0, 0, 4.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(cramer_rao(jnp.asarray(lacking, jnp.float32)), [1, np.inf, 0.5, 1, 1, 1])
