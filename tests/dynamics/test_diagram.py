import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import JansenRitParameters, bifurcation_diagram, limit_cycle, plot_bifurcations
from jrae_jax.dynamics.diagram import diagram_table

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


@pytest.fixture(scope="module")
def along_c():
    """Where the published fold of cycles is at C = 135."""
    with jax.enable_x64(True):
        return bifurcation_diagram(JansenRitParameters(), 120.0, 150.0, along="C", p=137.37926720, points=200)


def test_the_published_fold_of_cycles_is_found_along_c(along_c):
    folds = along_c.cycle_folds
    assert np.min(np.abs(folds.value - 135)) < 1e-5
    np.testing.assert_allclose(np.abs(folds.multipliers[:, :2]), 1, atol=1e-3)
    spikes = jax.tree.map(lambda leaf: leaf[0][along_c.cycles.exists[0]], along_c.cycles)
    turned = np.searchsorted(spikes.period, np.sort(folds.period))
    np.testing.assert_array_equal(np.flatnonzero(np.diff(np.asarray(spikes.stable).astype(int))) + 1, turned)


def test_cycles_along_c_are_those_that_columns_come_to(along_c):
    spikes = jax.tree.map(lambda leaf: leaf[0][along_c.cycles.exists[0]][-1], along_c.cycles)
    column = limit_cycle(JansenRitParameters(C=spikes.value), spikes.p)
    np.testing.assert_allclose(column.frequency, spikes.frequency, rtol=1e-8)
    np.testing.assert_allclose(column.extrema, spikes.extrema, atol=1e-7)


def test_its_table_and_picture_tell_what_changes(along_c):
    table = diagram_table(along_c)
    assert list(table.columns) == ["kind", "C", "p", "v_min", "v_max", "frequency", "stable"]
    np.testing.assert_array_equal(table.p, 137.37926720)
    assert set(table.kind) == {"equilibrium", "Hopf point", "cycle 0", "fold of cycles"}
    above, below = plot_bifurcations(along_c).axes
    assert above.get_xlim() == (120, 150)
    assert below.get_xlabel() == "C, at p = 137.379 /s"


def test_arguments_that_make_no_sense_are_refused():
    column = JansenRitParameters()
    with pytest.raises(ValueError, match=r"`along` must be one of 'p', 'A', .*, got 'D'"):
        bifurcation_diagram(column, 1.0, 2.0, along="D", p=220.0)
    with pytest.raises(
        ValueError, match="`p` must be given where a parameter changes, and only there; got None along C"
    ):
        bifurcation_diagram(column, 1.0, 2.0, along="C")
    with pytest.raises(ValueError, match=r"`p` must be given where .*; got 1\.0 along p"):
        bifurcation_diagram(column, 1.0, 2.0, p=1.0)
    with pytest.raises(ValueError, match="`p` must be finite, got nan"):
        bifurcation_diagram(column, 1.0, 2.0, along="C", p=float("nan"))
    with pytest.raises(ValueError, match="`a` must be positive, got -1"):
        bifurcation_diagram(column, -1.0, 2.0, along="a", p=220.0)


def test_bounds_must_be_in_order():
    with pytest.raises(ValueError, match=r"`low` must be below `high`, got 2\.0 and 1\.0"):
        bifurcation_diagram(JansenRitParameters(), 2.0, 1.0)
    with pytest.raises(ValueError, match="`parameters` must be of one column, got a batch"):
        bifurcation_diagram(JansenRitParameters(C=jnp.ones(2)), 0.0, 1.0)
