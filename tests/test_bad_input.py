"""Every verb on columns, trajectories and recordings, and each argument, with what it cannot take."""

import diffrax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax import column as columns, dynamics, recording, timeseries
from tests.bad_input import (
    ARRAY,
    COUNT,
    FLAG,
    KEY,
    NAME,
    NAMES,
    NOISY,
    NUMBER,
    POINTS,
    PROGRESS,
    QUIET,
    RAGGED,
    RECORD,
    RECORDING,
    SIZE,
    STATIC_ARRAY,
    TRACED,
    TRAJECTORIES,
    YS,
    K,
    V,
    Verb,
    unclear,
)

pytestmark = [
    pytest.mark.usefixtures("without_type_checker"),
    # Equinox's, before a record is checked.
    pytest.mark.filterwarnings("ignore:A JAX array is being set as static:UserWarning"),
]

STANDARDIZER = recording.Standardizer(jnp.zeros(7), jnp.ones(7))

COLUMN = {
    "simulate": Verb(
        jrae.simulate,
        {"column": NOISY, "t1": 0.01, "dt": 1e-3, "key": K},
        {"column": RECORD, "t1": NUMBER, "dt": NUMBER, "t0": NUMBER, "burn_in": NUMBER, "y0": ARRAY, "batch": SIZE}
        | {"key": KEY, "throw": FLAG, "progress": PROGRESS, "saveat": RECORD, "adjoint": RECORD, "solver": RECORD},
    ),
    "simulate, adaptive": Verb(
        jrae.simulate,
        {"column": QUIET, "t1": 0.01, "dt": 1e-3, "solver": diffrax.Tsit5(), "rtol": 1e-3, "atol": 1e-3},
        {"rtol": NUMBER, "atol": NUMBER},
    ),
    "suggest_dt": Verb(jrae.suggest_dt, {"column": QUIET}, {"column": RECORD, "tolerance": NUMBER, "solver": RECORD}),
    "Column": Verb(jrae.Column, vars(QUIET), {"parameters": RECORD, "input": RECORD}),
    "preset": Verb(jrae.JansenRitParameters.preset, {"name": "tvb"}, {"name": NAME}),
    "JansenRitParameters": Verb(jrae.JansenRitParameters, {}, {"A": ARRAY, "a": ARRAY, "alpha4": ARRAY}),
    "replace": Verb(QUIET.replace, {}, {"C": ARRAY}),
    "value": Verb(QUIET.value, {}, {"name": NAME}),
    "UniformNoiseInput": Verb(
        jrae.UniformNoiseInput,
        {"low": 1.0, "high": 2.0, "hold": 1e-3},
        {"low": ARRAY, "high": ARRAY, "hold": NUMBER},
    ),
    "Trajectories": Verb(
        jrae.Trajectories,
        {"ys": YS, "dt": 1e-3},
        {"ys": ARRAY, "dt": NUMBER, "t0": NUMBER, "every": COUNT, "times": ARRAY},
    ),
    "eeg": Verb(columns.eeg, {}, {"ys": ARRAY}),
    "to_channels": Verb(columns.to_channels, {}, {"ys": ARRAY}),
    "potential_bounds": Verb(columns.potential_bounds, {}, {"column": RECORD}),
    "sigmoid": Verb(columns.sigmoid, {"v": 1.0, "parameters": QUIET.parameters}, {"v": ARRAY, "parameters": RECORD}),
    "noise_stream": Verb(
        columns.noise_stream, {"key": K, "trajectory": 0}, {"key": KEY, "trajectory": ("text", -1, {})}
    ),
    "Transition": Verb(
        columns.Transition, {"column": NOISY, "dt": 1e-3}, {"column": RECORD, "dt": NUMBER, "unknown": NAMES}
    ),
}
RECORDINGS = {
    "observe": Verb(
        jrae.observe,
        {"trajectories": TRAJECTORIES, "observed": "eeg"},
        {"trajectories": RECORD, "observed": (0, RAGGED, {"C": 1}), "noise": NUMBER, "noise_std": ARRAY},
    ),
    "observe, noisy": Verb(jrae.observe, {"trajectories": TRAJECTORIES, "observed": "eeg", "noise": 0.1}, {"key": KEY}),
    "of": Verb(
        jrae.Recording.of,
        {"eeg": V, "dt": 1e-3},
        {"eeg": ARRAY, "dt": NUMBER, "unit": NAME, "noise_std": ARRAY, "info": RECORD},
    ),
    "of, with a clock": Verb(jrae.Recording.of, {"eeg": V}, {"ts": STATIC_ARRAY}),
    "from_array": Verb(
        jrae.Recording.from_array,
        {"values": YS, "observed": "eeg", "dt": 1e-3},
        {"values": ARRAY, "observed": (0, RAGGED), "dt": NUMBER, "noise_std": ARRAY, "info": RECORD},
    ),
    "Recording": Verb(
        jrae.Recording,
        {"values": RECORDING.values, "measured": RECORDING.measured, "observed": recording.EEG, "dt": 1e-3},
        {"observed": RECORD, "dt": NUMBER, "info": RECORD},
    ),
    "make_dataset": Verb(
        jrae.make_dataset,
        {"trajectories": TRAJECTORIES, "observed": "eeg", "held_out": 1},
        {"held_out": COUNT, "validation": COUNT, "burn_in": NUMBER, "train_every": COUNT, "noise": NUMBER},
    ),
    "SimulatedRecordings": Verb(
        jrae.SimulatedRecordings,
        {"column": NOISY, "kinds": ["eeg"], "key": K},
        {"column": RECORD, "kinds": (0, "eeg", int), "noise": ("text", RAGGED, 1j, {"C": 1}, TRACED), "gaps": NUMBER}
        | {"ranges": ("text", 0, ["C"], np.ones(3)), "solver": RECORD, "dt": NUMBER, "burn_in": NUMBER, "key": KEY}
        | {"columns": SIZE, "samples": SIZE},
    ),
    "interval": Verb(recording.interval, {"values": np.ones((3, 6))}, {"values": STATIC_ARRAY, "confidence": NUMBER}),
    "scores": Verb(recording.r_squared, {"truth": YS[0], "estimate": YS[1]}, {"truth": ARRAY, "estimate": ARRAY}),
    "Standardizer": Verb(recording.Standardizer, vars(STANDARDIZER), {"mean": ("text", [1.0]), "std": (None, 1.0)}),
    "Standardizer.fit": Verb(recording.Standardizer.fit, {}, {"channels": (*ARRAY, np.ones((2, 7)))}),
    "standardize": Verb(STANDARDIZER.standardize, {}, {"channels": (*ARRAY, np.ones((2, 6)))}),
    "destandardize": Verb(STANDARDIZER.destandardize, {}, {"states": (*ARRAY, np.ones((2, 7)))}),
    "destandardize_std": Verb(STANDARDIZER.destandardize_std, {}, {"std": ARRAY}),
    "Estimate": Verb(
        jrae.Estimate, {"mean": YS, "dt": 1e-3}, {"mean": ("text", [1.0]), "std": (YS[0], 1.0), "dt": NUMBER}
    ),
    "evaluate": Verb(jrae.evaluate, {"estimate": jrae.Estimate(TRAJECTORIES.ys, dt=1e-3)}, {"data": RECORD}),
}
TIMESERIES = {
    "straightness": Verb(timeseries.straightness, {}, {"points": STATIC_ARRAY}),
    "participation_ratio": Verb(
        timeseries.participation_ratio, {}, {"points": (*STATIC_ARRAY, 0.5, [], np.ones((0, 6)))}
    ),
    "two_nn_dimension": Verb(
        timeseries.two_nn_dimension,
        {"points": POINTS, "theiler": 5, "key": K},
        {"points": STATIC_ARRAY, "theiler": COUNT, "key": KEY},
    ),
    "correlation_dimension": Verb(
        timeseries.correlation_dimension, {"points": POINTS}, {"points": STATIC_ARRAY, "theiler": COUNT}
    ),
    "rosenstein_exponent": Verb(
        timeseries.rosenstein_exponent,
        {"points": POINTS, "dt": 1e-3},
        {"points": STATIC_ARRAY, "dt": NUMBER, "theiler": COUNT},
    ),
    "surrogate_test": Verb(
        timeseries.surrogate_test,
        {"points": POINTS, "dt": 1e-3, "horizon": 0.01, "surrogates": 1, "key": K},
        {"points": STATIC_ARRAY, "dt": NUMBER, "horizon": NUMBER, "surrogates": SIZE, "key": KEY},
    ),
}
DYNAMICS = {
    "equilibria": Verb(dynamics.equilibria, {}, {"column": RECORD}),
    "equilibrium_curve": Verb(dynamics.equilibrium_curve, {"column": QUIET}, {"v": (*ARRAY, 1.0, np.ones((2, 2)))}),
    "bifurcation_curves": Verb(
        dynamics.bifurcation_curves,
        {"column": QUIET, "parameter": "C", "low": 100.0, "high": 150.0},
        {"column": RECORD, "parameter": NAME, "low": NUMBER, "high": NUMBER, "points": SIZE},
    ),
    "bifurcation_diagram": Verb(
        dynamics.bifurcation_diagram,
        {"column": QUIET, "low": 100.0, "high": 150.0},
        {"parameter": NAME, "low": NUMBER, "high": NUMBER, "points": SIZE, "progress": PROGRESS},
    ),
    "limit_cycle": Verb(
        dynamics.limit_cycle, {"column": QUIET}, {"column": RECORD, "y0": ARRAY, "burn_in": NUMBER, "longest": NUMBER}
    ),
    "limit_cycles": Verb(dynamics.limit_cycles, {"column": QUIET}, {"column": RECORD, "longest": NUMBER}),
    "limit_cycle_branches": Verb(
        dynamics.limit_cycle_branches,
        {"column": QUIET},
        {"hopf": RECORD, "low": NUMBER, "high": NUMBER, "points": SIZE, "longest": NUMBER},
    ),
    "cycle_folds": Verb(dynamics.cycle_folds, {"column": QUIET}, {"branches": RECORD}),
    "regime_map": Verb(
        dynamics.regime_map, {"column": QUIET, "axes": {"p": [1.0]}}, {"column": RECORD, "progress": PROGRESS}
    ),
    "lyapunov_exponents": Verb(
        dynamics.lyapunov_exponents,
        {"column": NOISY, "key": K},
        {
            "column": RECORD,
            "blocks": SIZE,
            "block": NUMBER,
            "burn_in": NUMBER,
            "dt": NUMBER,
            "y0": ARRAY,
            "batch": SIZE,
        },
    ),
}
ROOMS = {"column": COLUMN, "recording": RECORDINGS, "timeseries": TIMESERIES, "dynamics": DYNAMICS}


@pytest.mark.parametrize(("room", "verb"), [(room, verb) for room, verbs in ROOMS.items() for verb in verbs])
def test_what_cannot_be_taken_is_refused_in_one_line_that_names_it(room, verb):
    assert unclear(ROOMS[room][verb]) == []
