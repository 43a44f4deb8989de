import json
from pathlib import Path

import numpy as np
import pytest

from jrae_jax import (
    RK4,
    ConstantInput,
    Euler,
    Heun,
    JansenRitParameters,
    StrangSplitting,
    Tsit5,
    eeg,
    simulate,
    suggest_dt,
)
from jrae_jax.column.step_size import _SCHEMES

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "weak_accuracy.json"


def test_the_constants_are_those_measured():
    measured = json.loads(MEASURED.read_text())["constants"]
    for kind, scheme in _SCHEMES.items():
        assert measured[kind.__name__] <= scheme.constant <= 1.05 * measured[kind.__name__]


def test_no_measured_error_is_above_the_tolerance_for_which_its_step_is_suggested():
    record = json.loads(MEASURED.read_text())
    reference = {name: np.mean([one[name] for one in record["reference"]]) for name in ("mean", "sd", "share")}
    solvers = {"Euler": Euler(), "Heun": Heun(), "StrangSplitting": StrangSplitting(), "RK4": RK4()}
    for row in record["rows"]:
        errors = [abs(row["cycle"][name] / true - 1) for name, true in record["work"]["cycle"].items()]
        errors += [abs(row[name] / true - 1) - 4 * row[f"{name}_error"] / true for name, true in reference.items()]
        for tolerance in np.geomspace(1e-4, 1, 40):
            if suggest_dt(tolerance, solver=solvers[row["method"]]) == row["dt"]:
                assert max(errors) <= max(tolerance, 2e-4)


def test_the_suggested_step_keeps_the_cycle_within_the_tolerance():
    dt = suggest_dt(0.01)
    assert dt == 1e-3
    column = simulate(JansenRitParameters(), ConstantInput(220), t1=20.0, dt=dt, burn_in=15.0, solver=StrangSplitting())
    assert abs(np.ptp(eeg(column.ys)) / 2.946132 - 1) < 0.01


def test_steps_are_round_numbers_that_shrink_with_the_tolerance_and_the_faster_synapse():
    assert [suggest_dt(tolerance) for tolerance in (1.0, 0.1, 0.03, 1e-3, 1e-5)] == [5e-3, 2e-3, 2e-3, 2e-4, 2e-5]
    assert suggest_dt(0.03, parameters=JansenRitParameters(a=[100.0, 800.0])) == 2e-4
    assert suggest_dt(0.03, parameters=JansenRitParameters(a=10.0, b=100.0)) == suggest_dt(0.03)
    assert suggest_dt(0.05, solver=Euler()) < suggest_dt(0.05, solver=Heun()) < suggest_dt(0.05, solver=RK4())


def test_what_was_not_measured_is_refused():
    with pytest.raises(ValueError, match=r"`solver` must be one of Euler\(\), Heun\(\).*, got Tsit5\(\)"):
        suggest_dt(0.01, solver=Tsit5())
    with pytest.raises(ValueError, match=r"`tolerance` must be positive, got 0"):
        suggest_dt(0.0)
