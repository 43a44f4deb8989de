import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import (
    ENDS,
    ConstantInput,
    JansenRitParameters,
    UniformNoiseInput,
    equilibria,
    limit_cycle,
    regime_map,
)

STANDARD = JansenRitParameters.preset("jansen_rit_1995")
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


@pytest.fixture(scope="module")
def along_p():
    return regime_map(STANDARD, ConstantInput(0.0), {"p": np.array(list(ALONG_P), float)})


def test_the_standard_column_along_p(along_p):
    assert [ENDS[code] for code in along_p.regime.values] == list(ALONG_P.values())
    np.testing.assert_array_equal(along_p.stable_equilibria, [1, 1, 2, 2, 1, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(along_p.cycles, [0, 0, 0, 0, 1, 2, 2, 1, 1, 0])
    assert along_p.regime.attrs["flag_meanings"] == "rest alpha spike bistable"


def test_over_two_parameters_it_is_what_single_columns_do():
    C, p = np.linspace(70, 270, 4), np.linspace(20, 380, 4)
    found = regime_map(STANDARD, ConstantInput(0.0), {"C": C, "p": p})
    assert found.regime.dims == ("C", "p")
    np.testing.assert_allclose(found.C, C)
    for row, column in np.ndindex(4, 4):
        one = JansenRitParameters(C=C[row])
        rest = equilibria(one, float(p[column]))
        assert int(found.stable_equilibria[row, column]) == int(jnp.sum(rest.stable))
        cycle = limit_cycle(one, float(p[column]))
        if bool(cycle.exists):
            assert int(found.cycles[row, column]) >= 1


def test_a_column_that_blows_up_is_told_and_its_neighbour_is_not_touched():
    found = regime_map(STANDARD, ConstantInput(400.0), {"a": np.array([100.0, 3000.0])})
    np.testing.assert_array_equal(found.regime, [ENDS.index("rest"), -1])


def test_its_input_is_constant():
    with pytest.raises(ValueError, match="`input` must be an instance of ConstantInput, got UniformNoiseInput"):
        regime_map(STANDARD, UniformNoiseInput(120.0, 320.0, hold=1e-3), {"p": np.ones(1)})


def test_many_points_are_worked_through_in_parts(monkeypatch, along_p):
    from jrae_jax.dynamics import regime_map as regimes

    monkeypatch.setattr(regimes, "_AT_ONCE", 4)
    in_parts = regime_map(STANDARD, ConstantInput(0.0), {"p": np.array(list(ALONG_P), float)})
    np.testing.assert_array_equal(in_parts.regime, along_p.regime)
