import json
from pathlib import Path

import diffrax
import numpy as np
import pytest

from jrae_jax.column import (
    RK4,
    Column,
    ConstantInput,
    FixedStepHeun,
    JansenRitParameters,
    StrangSplitting,
    simulate,
    suggest_dt,
)
from jrae_jax.column.step_size import _SCHEMES

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "weak_accuracy.json"
SOLVERS = {"Euler": diffrax.Euler(), "Heun": FixedStepHeun(), "StrangSplitting": StrangSplitting(), "RK4": RK4()}
"""By their names in the file."""
COLUMN = Column.preset("jansen_rit_1995", ConstantInput(220))


def test_the_constants_are_those_measured():
    measured = json.loads(MEASURED.read_text())["constants"]
    assert {type(solver) for solver in SOLVERS.values()} == set(_SCHEMES)
    for name, solver in SOLVERS.items():
        assert measured[name] <= _SCHEMES[type(solver)].constant <= 1.05 * measured[name]


def test_no_measured_error_is_above_the_tolerance_for_which_its_step_is_suggested():
    record = json.loads(MEASURED.read_text())
    reference = {name: np.mean([one[name] for one in record["reference"]]) for name in ("mean", "sd", "share")}
    for row in record["rows"]:
        errors = [abs(row["cycle"][name] / true - 1) for name, true in record["work"]["cycle"].items()]
        errors += [abs(row[name] / true - 1) - 4 * row[f"{name}_error"] / true for name, true in reference.items()]
        for tolerance in np.geomspace(1e-4, 1, 40):
            if suggest_dt(COLUMN, tolerance, solver=SOLVERS[row["method"]]) == row["dt"]:
                assert max(errors) <= max(tolerance, 2e-4)


@pytest.mark.parametrize("solver", [StrangSplitting(), RK4()])
def test_the_suggested_step_keeps_the_cycle_within_the_tolerance(solver):
    dt = suggest_dt(COLUMN, 0.01, solver=solver)
    assert dt == (1e-3 if isinstance(solver, StrangSplitting) else 5e-3)
    trajectory = simulate(COLUMN, t1=20.0, dt=dt, burn_in=15.0, solver=solver)
    assert abs(np.ptp(trajectory.eeg) / 2.946132 - 1) < 0.01


def test_the_suggested_step_is_for_the_default_solver_of_simulate():
    assert suggest_dt(COLUMN) == suggest_dt(COLUMN, 0.01, solver=RK4())


def test_steps_are_round_numbers_that_shrink_with_the_tolerance_and_the_faster_synapse():
    def suggested(tolerance, **changes):
        return suggest_dt(COLUMN.replace(**changes), tolerance, solver=StrangSplitting())

    assert [suggested(tolerance) for tolerance in (1.0, 0.1, 0.03, 1e-3, 1e-5)] == [5e-3, 2e-3, 2e-3, 2e-4, 2e-5]
    assert suggested(0.03, a=[100.0, 800.0]) == 2e-4
    assert suggested(0.03, a=10.0, b=100.0) == suggested(0.03)
    euler, heun, rk4 = (suggest_dt(COLUMN, 0.05, solver=SOLVERS[name]) for name in ("Euler", "Heun", "RK4"))
    assert euler < heun < rk4


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"column": JansenRitParameters()}, "`column` must be an instance of Column"),
        ({"solver": diffrax.Tsit5()}, r"`solver` must be one of Euler\(\), FixedStepHeun\(\).*, got Tsit5\(\)"),
        ({"tolerance": 0.0}, "`tolerance` must be positive, got 0"),
        ({"tolerance": -0.01}, "`tolerance` must be positive, got -0.01"),
        ({"tolerance": np.nan}, "`tolerance` must be positive, got nan"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        suggest_dt(**{"column": COLUMN, **arguments})
