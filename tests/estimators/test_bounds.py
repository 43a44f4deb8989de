from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import transition
from jrae_jax.estimators import problem

pytest.importorskip("cuthbert")

DT = 1e-3
INPUT = jrae.UniformNoiseInput(120.0, 320.0, hold=DT)
STANDARD = jrae.JansenRitParameters()


def bound_of(states, **changes):
    known: dict[str, Any] = dict(mask="eeg", noise_std=1.0, parameters=STANDARD, input=INPUT, dt=DT)
    return jrae.posterior_cramer_rao(states, **(known | changes))


@pytest.mark.parametrize("mask", [pytest.param("y0", marks=pytest.mark.slow), "eeg"])
@pytest.mark.parametrize("causal", [True, False])
def test_the_best_estimators_reach_it(recorded, mask, causal):
    bound = bound_of(recorded.states, mask=mask, noise_std=recorded.noise_std, causal=causal)
    estimator = jrae.kalman_filter if causal else jrae.kalman_smoother
    known: dict[str, Any] = dict(parameters=STANDARD, input=INPUT, dt=DT, noise_std=recorded.noise_std)
    error = np.asarray(estimator(recorded.recordings, mask=mask, **known).mean) - recorded.states
    ratio = np.sqrt(np.mean((error / np.asarray(bound.std))[:, 500:] ** 2, axis=(0, 1)))
    np.testing.assert_allclose(ratio, 1, atol=0.15)


def test_it_shows_that_the_filter_loses_the_phase_where_only_y1_is_seen(recorded):
    bound = bound_of(recorded.states, mask="y1", noise_std=recorded.noise_std, causal=True)
    known: dict[str, Any] = dict(parameters=STANDARD, input=INPUT, dt=DT, noise_std=recorded.noise_std)
    told = jrae.kalman_filter(recorded.recordings, mask="y1", **known)
    error = np.asarray(told.mean) - recorded.states
    assert np.sqrt(np.mean((error / np.asarray(bound.std))[:, 500:, 0] ** 2)) > 1.5


def test_more_channels_and_later_samples_tell_more(recorded):
    states = recorded.states[:2]
    eeg = bound_of(states, noise_std=recorded.noise_std)
    more = bound_of(states, mask=("y0", "eeg"), noise_std=recorded.noise_std)
    earlier = bound_of(states, noise_std=recorded.noise_std, causal=True)
    assert np.all(more.std < eeg.std * 1.0001)
    assert np.all(eeg.std < earlier.std * 1.0001)
    np.testing.assert_allclose(eeg.std[:, -1], earlier.std[:, -1], rtol=1e-4)


def test_what_is_known_of_a_constant_never_gets_less(recorded):
    bound = bound_of(recorded.states[:1], unknown=("p",), noise_std=10 * recorded.noise_std, causal=True)
    std = np.asarray(bound.unknown_std)[0, :, 0]
    assert np.all(np.diff(std) < 1e-4 * std[1:])
    assert std[-1] < 0.5 * std[0]


@pytest.mark.usefixtures("x64")
def test_with_a_known_input_it_is_the_inverse_information_of_the_start_and_of_a_parameter(monkeypatch):
    """By derivatives of whole simulations, where the bound goes from step to step."""
    monkeypatch.setattr(transition, "_LEAST_PROCESS_NOISE", 1e-12)
    monkeypatch.setattr(problem, "_PRIOR_SPREAD", 10.0)
    column, drive = jrae.JansenRitParameters(), jrae.ConstantInput(220.0)
    start = jrae.simulate(column, drive, t1=3.0, dt=DT).ys[-1]

    def path(y0, log_C):
        changed = jrae.JansenRitParameters(C=135.0 * jnp.exp(log_C))
        later = jrae.simulate(changed, drive, t1=1.0, dt=DT, y0=y0, adjoint=diffrax.ForwardMode()).ys
        return jnp.concatenate([y0[None], later])

    here = start, jnp.zeros(())
    slopes = jax.jacfwd(lambda *at: path(*at)[:, :3].ravel(), argnums=(0, 1))(*here)
    both = jnp.column_stack(slopes) / 0.02
    known: dict[str, Any] = dict(mask=["y0", "y1", "y2"], parameters=column, input=drive, noise_std=0.02)
    of_start = bound_of(path(*here)[None], **known).std[0, 0]
    np.testing.assert_allclose(of_start, jrae.cramer_rao(both[:, :6].T @ both[:, :6]), rtol=0.01)
    of_parameter = bound_of(path(*here)[None], unknown=("C",), prior_std=2.0, **known).unknown_std[0, -1, 0]
    assert float(of_parameter) == pytest.approx(135.0 * float(jrae.cramer_rao(both.T @ both)[6]), rel=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(states=np.zeros((5, 6))), r"`states` must have shape \(trajectory, time, 6\), got \(5, 6\)"),
        (dict(states=np.full((1, 5, 6), np.nan)), "`states` must be finite, got nan"),
        (dict(noise_std=-1.0), "`noise_std` must be finite and not negative, got -1.0"),
        (dict(unknown=("e0",)), "`unknown` must be one of 'A', 'B'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        bound_of(**(dict(states=np.zeros((1, 5, 6))) | changes))
