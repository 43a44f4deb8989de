import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jrae_jax.cli import main as _cli, runtime


@pytest.fixture(autouse=True)
def jax_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(runtime, "configure_jax", lambda device, cores: None)


def test_two_axes_make_a_map(tmp_path, capsys):
    table, plot = tmp_path / "map.csv", tmp_path / "map.png"
    arguments = ["dynamics", "--axis", "C=100,135", "--axis", "p=0,220,400", "--set", "v0=6.0"]
    assert _cli.main([*arguments, "--table", str(table), "--plot", str(plot)]) == 0
    out = capsys.readouterr().out
    assert "of 6 points" in out
    assert plot.read_bytes().startswith(b"\x89PNG")
    found = pd.read_csv(table)
    np.testing.assert_array_equal(found.regime[found.C == 135], [3, 1, 0])


@pytest.mark.slow
def test_a_diagram_along_p(tmp_path, capsys):
    table, plot = tmp_path / "diagram.csv", tmp_path / "diagram.png"
    assert _cli.main(["dynamics", "--range=-60:400", "--table", str(table), "--plot", str(plot)]) == 0
    out = capsys.readouterr().out
    for value in ("113.58627321", "-41.30141049", "-12.14749235", "89.82910797", "315.69642807", "137.379"):
        assert value in out
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "fold of cycles" in set(pd.read_csv(table).kind)
    assert jnp.zeros(()).dtype == jnp.float32


@pytest.mark.slow
def test_a_diagram_along_a_parameter(tmp_path, capsys):
    table = tmp_path / "diagram.csv"
    arguments = ["dynamics", "--along", "C", "--set", "p=89.82910797", "--range", "130:136", "--table", str(table)]
    assert _cli.main(arguments) == 0
    out = capsys.readouterr().out
    assert "along C from 130 to 136, at p = 89.8291 /s" in out
    assert "C =  135.0000000" in out
    assert "saddle-node      none" in out
    assert {"C", "p"} < set(pd.read_csv(table).columns)


def test_a_range_without_cycles_says_so(capsys):
    assert _cli.main(["dynamics", "--along", "C", "--range", "100:110"]) == 0
    out = capsys.readouterr().out
    assert "at p = 220 /s" in out
    assert "Hopf point       none" in out
    assert "no Hopf point that cycles could begin at" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--axis", "C=1,2"], "`--axis` must be given twice for a map, got 1"),
        (["--range", "a:2"], "`--range low` must be a number, got 'a'"),
        (["--range", "400"], "`--range high` must be a number, got ''"),
        (["--range", "2:1"], "`--range` must have a range that rises, got 2 to 1"),
        (["--along", "D", "--range", "1:2"], "`--along` must be one of 'A', 'B'"),
        (["--along", "C"], "`--range` must be given for C as LOW:HIGH, got none"),
        (["--along", "C", "--range", "1:2", "--set", "C=1"], "`--set` must not name what changes along the diagram"),
        (["--along", "C", "--axis", "C=1,2"], "`--along` must not be given with `--axis`, which makes a map; got C"),
        (["--along", "A", "--range", "0:2"], "`--range` must be positive, got 0"),
        (["--set", "A=0"], "`--set A` must be positive, got 0"),
        (["--set", "X=1"], "`--set` must name some of A, B"),
        (["--preset", "none"], "`--preset` must be one of"),
        (["--axis", "C=1,2", "--axis", "X=1,2"], "`--axis` must name some of A, B"),
        (["--axis", "C=1,2", "--axis", "initial_y0=1,2"], "`--axis` must name some of A, B"),
        (["--axis", "A=0,2", "--axis", "p=1,2"], "`--axis A` must be positive, got 0"),
        (["--axis", "C=1,2", "--axis", "p=1,2", "--range", "1:2"], "`--range` must not be given with `--axis`"),
        (["--table", "missing/points.csv"], "`--table` must lie in a folder that exists, got missing/points.csv"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message, capsys):
    assert _cli.main(["dynamics", *arguments]) == 2
    assert message in capsys.readouterr().err
