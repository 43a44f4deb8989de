import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import JansenRitParameters, bifurcation_diagram, plot_bifurcations
from jrae_jax._dynamics.diagram import diagram_table

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("x64")]


@pytest.fixture(scope="module")
def diagram():
    with jax.enable_x64(True):
        return bifurcation_diagram(JansenRitParameters(), -60.0, 400.0, points=200)


def test_its_curve_goes_from_bound_to_bound(diagram):
    p = np.asarray(diagram.equilibria.p)
    assert p[[0, -1]] == pytest.approx([-60, 400], abs=1e-6)
    # Stability changes where it must, with the resolution of the curve.
    changes = np.flatnonzero(np.diff(np.asarray(diagram.equilibria.stable).astype(int)))
    np.testing.assert_allclose((p[changes] + p[changes + 1]) / 2, [113.59, -12.15, 89.83, 315.7], atol=8)


def test_its_table_has_all_points(diagram):
    table = diagram_table(diagram)
    assert set(table.kind) == {
        *("equilibrium", "saddle-node", "Hopf point", "cycle 0", "cycle 1", "cycle 2", "fold of cycles"),
    }
    assert len(table[table.kind == "equilibrium"]) == 200
    assert len(table[table.kind == "cycle 1"]) == int(jnp.sum(diagram.cycles.exists[1]))
    assert float(table[table.kind == "fold of cycles"].p.iloc[0]) == pytest.approx(137.379, abs=1e-3)
    assert (table.v_max >= table.v_min).all()


def test_its_picture_has_a_line_for_each_stretch(diagram):
    above, below = plot_bifurcations(diagram).axes
    assert above.get_xlim() == pytest.approx((-60, 400), abs=1e-6)
    broken = [line for line in above.lines if line.get_linestyle() == "--" and line.get_color() == "#222222"]
    assert len(broken) == 2  # the saddle and the lower focus, and the focus within the alpha cycle
    assert below.get_ylabel() == "frequency (Hz)"


def test_bounds_must_be_in_order():
    with pytest.raises(ValueError, match=r"`low` must be below `high`, got 2\.0 and 1\.0"):
        bifurcation_diagram(JansenRitParameters(), 2.0, 1.0)
    with pytest.raises(ValueError, match="`parameters` must be of one column, got a batch"):
        bifurcation_diagram(JansenRitParameters(C=jnp.ones(2)), 0.0, 1.0)
