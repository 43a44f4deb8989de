import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.dynamics import ATTRACTORS, equilibria, limit_cycle, regime_map
from jrae_jax.dynamics.regime_map import equilibria_in_parts

STANDARD = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(0.0))
ALONG_P = {
    -60: "rest",
    -30: "rest",
    0: "bistable",  # the lower node, and the focus above the Hopf point at -12.1
    60: "bistable",
    100: "bistable",  # the lower node, and the alpha cycle from the Hopf point at 89.8 on
    120: "bistable",  # alpha and spikes, between the saddle-node at 113.6 and the fold of cycles at 137.4
    135: "bistable",
    139: "alpha",
    300: "alpha",
    330: "rest",  # above the Hopf point at 315.7
}
"""What bifurcation theory says of the standard column."""


REPORTS = []
"""What `progress` was called with."""


@pytest.fixture(scope="module")
def along_p():
    return regime_map(
        STANDARD, {"p": np.array(list(ALONG_P), float)}, progress=lambda *report: REPORTS.append(report[:2])
    )


def test_the_standard_column_along_p(along_p):
    assert [ATTRACTORS[code] for code in along_p.regime.values] == list(ALONG_P.values())
    np.testing.assert_array_equal(along_p.stable_equilibria, [1, 1, 2, 2, 1, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(along_p.cycles, [0, 0, 0, 0, 1, 2, 2, 1, 1, 0])
    assert along_p.regime.attrs["flag_meanings"] == "rest alpha spike bistable"
    # Simulations: from zero, and from the one or two outer equilibria that are not stable.
    assert REPORTS == [(0, 16), (16, 16)]


def test_over_two_parameters_it_is_what_single_columns_do():
    C, p = np.linspace(70, 270, 5), np.array([20.0, 260.0])  # as many points as along p, for one compiled program
    found = regime_map(STANDARD, {"C": C, "p": p})
    assert found.regime.dims == ("C", "p")
    np.testing.assert_allclose(found.C, C)
    columns = STANDARD.replace(C=jnp.repeat(C, 2), p=jnp.tile(p, 5))
    columns = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (10,)), columns)
    stable = np.sum(equilibria(columns).stable, axis=-1).reshape(5, 2)
    np.testing.assert_array_equal(found.stable_equilibria, stable)
    for row, column in np.ndindex(5, 2):
        cycle = limit_cycle(STANDARD.replace(C=C[row], p=p[column]))
        if bool(cycle.exists):
            assert int(found.cycles[row, column]) >= 1


def test_a_simulation_that_fails_is_marked_and_its_neighbour_is_not_touched():
    found = regime_map(STANDARD.replace(p=400.0), {"a": np.append(np.linspace(100, 104, 9), 3000.0)})
    np.testing.assert_array_equal(found.regime, [*[ATTRACTORS.index("rest")] * 9, -1])


def test_equilibria_in_parts_are_those_of_all_at_once():
    columns = STANDARD.replace(p=jnp.array(list(ALONG_P), float))
    columns = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(ALONG_P),)), columns)
    whole, parts = equilibria_in_parts(columns), equilibria_in_parts(columns, at_once=4)
    np.testing.assert_allclose(parts.states, whole.states, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(parts.stable, whole.stable)


@pytest.mark.parametrize(
    ("column", "axes", "message"),
    [
        (
            STANDARD.replace(input=jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)),
            {"C": np.ones(1)},
            r"`column` must have a ConstantInput, got a UniformNoiseInput: column\.replace\(input=",
        ),
        (STANDARD.replace(C=np.ones(2)), {"p": np.ones(1)}, "`column` must be one column, got a batch of 2: .* `axes`"),
        (STANDARD, {"D": np.ones(1)}, "`axes` must name some of A, B, .*; got D"),
        (STANDARD, {"initial_y0": np.ones(1)}, "`axes` must name some of A, B, .*; got initial_y0"),
        (STANDARD, {"A": np.zeros(1)}, r"`A` must be positive, got 0\.0"),
        (
            STANDARD,
            {"a": np.array([2e3, 3e3])},
            "`axes` must have rates a and b below 1184 /s, .* got 2000 /s",
        ),
    ],
)
def test_invalid_arguments_are_refused(column, axes, message):
    with pytest.raises(ValueError, match=message):
        regime_map(column, axes)
