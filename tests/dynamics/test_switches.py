"""Every verb under `jax_debug_nans`, though NaN stands for what there is none of; warnings are errors in all tests."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax import dynamics, timeseries
from jrae_jax.plot.dynamics import bifurcation_diagram as plot_bifurcation_diagram

WALK = np.random.default_rng(0).normal(size=(600, 2))


def quiet(p: Any = 60.0, **values: Any):
    return jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(p)).replace(**values)


def looked_at(found):
    """All that a record computes of its leaves."""
    for values in (found.exists, found.stable, found.extrema, found.frequency):
        np.asarray(values)
    assert repr(found)
    return found


def hopf():
    found = looked_at(dynamics.hopf_points(quiet()))
    np.asarray(found.on_imaginary_axis)


def diagram():
    found = dynamics.bifurcation_diagram(quiet(), low=50.0, high=100.0, points=20)
    assert repr(found)
    assert len(found.to_dataframe())
    assert plot_bifurcation_diagram(found).axes
    looked_at(dynamics.cycle_folds(quiet(), found.cycles))


def curves():
    found = dynamics.bifurcation_curves(quiet(), "C", low=110.0, high=140.0, points=10)
    looked_at(found.hopf_points)
    looked_at(found.saddle_nodes)


VERBS = {
    "equilibria": lambda: looked_at(dynamics.equilibria(quiet())),
    "saddle_nodes": lambda: looked_at(dynamics.saddle_nodes(quiet(C=10.0))),
    "hopf_points": hopf,
    "equilibrium_curve": lambda: looked_at(dynamics.equilibrium_curve(quiet(), jnp.array([1.0, 7.0]))),
    "limit_cycle": lambda: looked_at(dynamics.limit_cycle(quiet(), burn_in=1.0)),
    "limit_cycles": lambda: looked_at(dynamics.limit_cycles(quiet())),
    "limit_cycle_branches": lambda: looked_at(dynamics.limit_cycle_branches(quiet(), longest=0.3)),
    "bifurcation_diagram": diagram,
    "bifurcation_curves": curves,
    "regime_map": lambda: dynamics.regime_map(quiet(), {"p": np.array([60.0, 400.0])}),
    "lyapunov_exponents": lambda: dynamics.lyapunov_exponents(quiet(), blocks=2, block=0.1, burn_in=0.1),
    "two_nn_dimension": lambda: timeseries.two_nn_dimension(WALK, theiler=0, key=jax.random.key(0)),
    "correlation_dimension": lambda: timeseries.correlation_dimension(WALK, theiler=0),
    "rosenstein_exponent": lambda: timeseries.rosenstein_exponent(WALK, 1e-3, theiler=3),
    "surrogate_test": lambda: timeseries.surrogate_test(WALK, 1e-3, horizon=1e-3, key=jax.random.key(0)),
    "participation_ratio": lambda: timeseries.participation_ratio(WALK),
    "straightness": lambda: timeseries.straightness(WALK),
}


def run(verb, x64):
    with jax.enable_x64(x64), jax.debug_nans(True):
        VERBS[verb]()


def test_nan_stands_for_none_under_debug_nans():
    run("saddle_nodes", False)


@pytest.mark.slow
@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_under_debug_nans(verb, x64):
    run(verb, x64)
