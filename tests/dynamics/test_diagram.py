from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.dynamics import bifurcation_diagram, limit_cycle
from jrae_jax.plot.dynamics import bifurcation_diagram as plot_bifurcation_diagram

pytestmark = pytest.mark.usefixtures("x64")


def standard(p: Any = 220.0):
    """Made in the precision of the test."""
    return jrae.Column(jrae.JansenRitParameters(), jrae.ConstantInput(p))


@pytest.fixture(scope="module")
def diagram():
    with jax.enable_x64(True):
        return bifurcation_diagram(standard(), low=-60.0, high=400.0, points=200)


@pytest.mark.slow
def test_its_curve_goes_from_bound_to_bound(diagram):
    p = np.asarray(diagram.equilibria.p)
    assert p[[0, -1]] == pytest.approx([-60, 400], abs=1e-6)
    # Stability changes where it must, with the resolution of the curve.
    changes = np.flatnonzero(np.diff(np.asarray(diagram.equilibria.stable).astype(int)))
    np.testing.assert_allclose((p[changes] + p[changes + 1]) / 2, [113.59, -12.15, 89.83, 315.7], atol=8)


@pytest.mark.slow
def test_its_table_has_all_points(diagram):
    table = diagram.to_dataframe()
    assert set(table.kind) == {
        *("equilibrium", "saddle-node", "Hopf point", "cycle 0", "cycle 1", "cycle 2", "fold of cycles"),
    }
    assert len(table[table.kind == "equilibrium"]) == 200
    assert len(table[table.kind == "cycle 1"]) == int(jnp.sum(diagram.cycles.exists[1]))
    assert float(table[table.kind == "fold of cycles"].p.iloc[0]) == pytest.approx(137.379, abs=1e-3)
    assert (table.v_max >= table.v_min).all()


@pytest.mark.slow
def test_its_picture_has_a_line_for_each_stretch(diagram):
    above, below = plot_bifurcation_diagram(diagram).axes
    assert above.get_xlim() == pytest.approx((-60, 400), abs=1e-6)
    broken = [line for line in above.lines if line.get_linestyle() == "--" and line.get_color() == "#222222"]
    assert len(broken) == 2  # the saddle and the lower focus, and the focus within the alpha cycle
    assert below.get_ylabel() == "frequency (Hz)"


@pytest.mark.slow
def test_another_diagram_compiles_nothing(diagram, caplog):
    column = standard().replace(C=140.0, a=105.0)
    with jax.log_compiles():
        other = bifurcation_diagram(column, low=-30.0, high=300.0, points=200)
    assert len(other.cycle_folds.p) != len(diagram.cycle_folds.p)
    assert "Finished XLA compilation" not in caplog.text


@pytest.fixture(scope="module")
def along_c():
    """Where the published fold of cycles is at C = 135."""
    with jax.enable_x64(True):
        return bifurcation_diagram(standard(137.37926720), parameter="C", low=120.0, high=150.0, points=200)


@pytest.mark.slow
def test_the_published_fold_of_cycles_is_found_along_c(along_c):
    folds = along_c.cycle_folds
    assert np.min(np.abs(folds.value - 135)) < 1e-5
    np.testing.assert_allclose(np.abs(folds.multipliers[:, :2]), 1, atol=1e-3)
    spikes = jax.tree.map(lambda leaf: leaf[0][along_c.cycles.exists[0]], along_c.cycles)
    turned = np.searchsorted(spikes.period, np.sort(folds.period))
    np.testing.assert_array_equal(np.flatnonzero(np.diff(np.asarray(spikes.stable).astype(int))) + 1, turned)


@pytest.mark.slow
def test_cycles_along_c_are_those_that_columns_come_to(along_c):
    spikes = jax.tree.map(lambda leaf: leaf[0][along_c.cycles.exists[0]][-1], along_c.cycles)
    column = limit_cycle(standard(spikes.p).replace(C=spikes.value))
    np.testing.assert_allclose(column.frequency, spikes.frequency, rtol=1e-8)
    np.testing.assert_allclose(column.extrema, spikes.extrema, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a", "b"])
def test_cycles_along_a_rate_constant_begin_at_their_largest_potential(name):
    """Though the derivatives of the potentials are found with it."""
    value = float(standard().value(name))
    cycles = bifurcation_diagram(standard(), parameter=name, low=0.8 * value, high=1.3 * value, points=100).cycles
    there = np.asarray(cycles.exists)
    assert there.sum() > 10
    alpha = there & (np.asarray(cycles.frequency) > 9)
    np.testing.assert_allclose(jrae.column.eeg(cycles.states)[alpha], cycles.extrema[..., 1][alpha], atol=1e-8)


@pytest.mark.slow
def test_its_table_and_picture_name_what_changes(along_c):
    table = along_c.to_dataframe()
    assert list(table.columns) == ["kind", "C", "p", "v_min", "v_max", "frequency", "stable"]
    np.testing.assert_array_equal(table.p, 137.37926720)
    assert set(table.kind) == {"equilibrium", "Hopf point", "cycle 0", "fold of cycles"}
    above, below = plot_bifurcation_diagram(along_c).axes
    assert above.get_xlim() == (120, 150)
    assert below.get_xlabel() == "C, at p = 137.379 /s"


@pytest.mark.slow
def test_it_prints_its_bifurcations(diagram, along_c):
    lines = repr(diagram).splitlines()
    assert lines[0] == "BifurcationDiagram(p from -60 to 400 1/s"
    assert lines[2] == "  Hopf points: -12.1475 1/s (7.2395 Hz), 89.8291 1/s (10.377 Hz), 315.696 1/s (11.164 Hz)"
    assert lines[3].startswith("  cycle folds: 137.379 1/s (4.7")
    assert repr(along_c).splitlines()[:2] == ["BifurcationDiagram(C from 120 to 150", "  saddle-nodes: none"]


@pytest.mark.parametrize(
    ("column", "settings", "message"),
    [
        (standard, {"parameter": "D"}, r"`parameter` must be one of 'A', .*, 'p', got 'D'"),
        (standard, {"parameter": "a", "low": -1.0}, "`a` must be positive, got -1"),
        (standard, {"low": 2.0}, r"`low` must be below `high`, got 2\.0 and 2\.0"),
        (standard, {"low": float("nan")}, "`low` must be finite, got nan"),
        (standard, {"points": 1}, "`points` must be a whole number of at least 2, got 1"),
        (lambda: standard(jnp.ones(2)), {}, r"`column` must be one column, got a batch of 2: .*column\[i\]"),
        (
            lambda: standard().replace(input=jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)),
            {},
            r"`column` must have a ConstantInput, got a UniformNoiseInput: column\.replace\(input=",
        ),
    ],
)
def test_invalid_arguments_are_refused(column, settings, message):
    with pytest.raises(ValueError, match=message):
        bifurcation_diagram(column(), **({"low": 1.0, "high": 2.0} | settings))
