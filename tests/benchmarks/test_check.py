"""What is committed of the benchmarks is measured again, or it is said why not."""

import math

import pytest

from benchmarks import check
from benchmarks.check import FIGURES, NOT_RERUN, RESULTS, Number


def test_every_file_of_numbers_is_rerun_or_has_a_reason():
    files = {path.name for path in RESULTS.iterdir() if path.suffix != ".png"}
    left_out = {name for names in NOT_RERUN.values() for name in names}
    assert FIGURES.keys() | left_out == files
    assert not FIGURES.keys() & left_out


@pytest.mark.parametrize("now", [1.02, 0.9, math.nan])
def test_a_number_that_is_off_fails(monkeypatch, capsys, now):
    numbers = [Number("r of y0", 1.0, 1.005, 0.01), Number("r of y1", 1.0, now, 0.01)]
    monkeypatch.setitem(FIGURES, "atlas.csv.gz", FIGURES["atlas.csv.gz"]._replace(measure=lambda: numbers))
    monkeypatch.setattr("sys.argv", ["check", "atlas.csv.gz"])
    assert check.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines if line.endswith("OFF")] == ["y1"]


def test_a_training_of_the_study_is_as_it_was():
    (loss,) = FIGURES["training.json"].measure()
    assert loss.holds
