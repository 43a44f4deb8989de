"""Arguments that do not fit, for every estimator and bound, and the message that each gives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import (
    Column,
    ConstantInput,
    EvokedPulseInput,
    OrnsteinUhlenbeckInput,
    Trajectories,
    UniformNoiseInput,
)
from jrae_jax.estimators import (
    ColumnStatistics,
    FourDVar,
    KalmanFilter,
    KalmanSmoother,
    MemorylessPredictor,
    ObserverCascade,
    WienerFilter,
    derivatives_needed,
    lie_singular_values,
    observability_gramian,
    posterior_cramer_rao,
    simulate_statistics,
)
from jrae_jax.recording import Background, Recording

DT = 1e-3
DRIVE = UniformNoiseInput(120.0, 320.0, hold=DT)
COLUMN = Column.preset("jansen_rit_1995", DRIVE)
QUIET = COLUMN.replace(input=ConstantInput(220.0))
PULSE = COLUMN.replace(input=EvokedPulseInput(0.1, DRIVE))
CORRELATED = COLUMN.replace(input=OrnsteinUhlenbeckInput(220.0, 30.0, 0.01, hold=DT))
THREE = COLUMN.replace(C=jnp.array([120.0, 135.0, 150.0]))
COLOURED = Background.one_over_f(std=1.0, exponent=1.0)
THREE_COLOURED = COLOURED.broadcast(3)
PATHS = Trajectories(jnp.asarray(np.random.default_rng(0).normal(size=(2, 400, 6)), jnp.float32), dt=DT)
STATISTICS = ColumnStatistics.from_states(PATHS.ys, dt=DT)
BY_SENSORS: dict[str, Any] = {"observed": "eeg", "noise_std": 1.0}


def recorded(*, samples=5, **changes):
    known = {**BY_SENSORS, "dt": DT, **changes}
    return Recording.from_array(np.zeros((2, samples, 7)), **known)


def wiener(**changes):
    return WienerFilter.fit(STATISTICS, **{**BY_SENSORS, "past": 0.005, **changes})


def memoryless(statistics=STATISTICS, **changes):
    return MemorylessPredictor.fit(statistics, **{**BY_SENSORS, **changes}, key=jax.random.key(0))


def bound(column=COLUMN, trajectories=PATHS, **changes):
    return posterior_cramer_rao(column, trajectories, **{**BY_SENSORS, **changes})


def gramian(column=COLUMN, trajectories=PATHS, **changes):
    return observability_gramian(column, trajectories, **{**BY_SENSORS, **changes})


def singular_values(column=QUIET, **changes):
    known = {"observed": "eeg", "scale": np.ones(6)}
    return lie_singular_values(column, np.zeros(6), **(known | changes))


def of_each_column_model(call, message):
    """The same case for each of the estimators that know the equations."""
    return [
        (lambda estimator=estimator: call(estimator), message.replace("ESTIMATOR", estimator.__name__))
        for estimator in (KalmanFilter, KalmanSmoother, FourDVar)
    ]


NO_STATISTICS = r"`column` must have a ConstantInput, WhiteNoiseInput or UniformNoiseInput, got "
CASES = {
    "recordings for those that know the column": [
        *of_each_column_model(
            lambda estimator: estimator(COLUMN)(recorded(noise_std=None)),
            r"`recording` must have a noise_std for ESTIMATOR, got None: Recording.of\(..., noise_std=0.1\), in mV",
        ),
        *of_each_column_model(
            lambda estimator: estimator(COLUMN.replace(b=2400.0))(recorded(dt=3e-3)),
            "`column` must have synapses with rates a and b below 2367 /s, up to which steps of 0.001 s between "
            "samples are stable, got 2400 /s",
        ),
        *of_each_column_model(
            lambda estimator: estimator(COLUMN, background=COLOURED)(recorded(observed=("y0", "y1"))),
            "`background` must be of a channel that `recording` observes, y0 or y1, got channel='eeg'",
        ),
        *of_each_column_model(
            lambda estimator: estimator(COLUMN, background=THREE_COLOURED)(recorded()),
            "`recording` must be one, or one for each of 3 backgrounds, got 2",
        ),
        *of_each_column_model(
            lambda estimator: estimator(THREE[:2], background=THREE_COLOURED)(recorded()),
            "`background` must be one, or one for each of 2 columns, got 3",
        ),
        *of_each_column_model(lambda estimator: estimator(PULSE)(recorded()), f"{NO_STATISTICS}EvokedPulseInput"),
        *of_each_column_model(
            lambda estimator: estimator(CORRELATED)(recorded()), f"{NO_STATISTICS}OrnsteinUhlenbeckInput"
        ),
        *of_each_column_model(
            lambda estimator: estimator(THREE)(recorded()),
            "`recording` must be one, or one for each of 3 columns, got 2",
        ),
    ],
    "settings of those that know the column": [
        (lambda: KalmanFilter(COLUMN, prior_std=0.0), "`prior_std` must be positive, got 0.0"),
        (lambda: KalmanSmoother(COLUMN, unknown=("e0",)), "`unknown` must name some of A, B, a, b, C, p; got e0"),
        (lambda: KalmanFilter(COLUMN, unknown=("A", "A")), "`unknown` must name each quantity once, got A 2 times"),
        (lambda: FourDVar(COLUMN, max_steps=0), "`max_steps` must be a whole number of at least 1, got 0"),
    ],
    "bounds": [
        (lambda: bound(observed="y7"), "`observed` must be one of 'y0', .*, got 'y7'"),
        (lambda: bound(noise_std=-1.0), "`noise_std` must be finite and not negative, got -1.0"),
        (lambda: bound(noise_std=np.ones(2)), r"`noise_std` must be one number or 7, .*, got shape \(2,\)"),
        (lambda: bound(unknown=("e0",)), "`unknown` must name some of A, B, a, b, C, p; got e0"),
        (lambda: bound(prior_std=-1.0), "`prior_std` must be positive, got -1.0"),
        (
            lambda: bound(background=COLOURED, observed="y0"),
            "`background` must be of a channel that `trajectories` observes, y0, got channel='eeg'",
        ),
        (lambda: bound(PULSE), f"{NO_STATISTICS}EvokedPulseInput"),
        (lambda: bound(THREE), "`trajectories` must be one, or one for each of 3 columns, got 2"),
        (
            lambda: bound(trajectories=Trajectories(jnp.full((1, 5, 6), jnp.nan), dt=DT)),
            "`trajectories` must be finite, got y0 = nan in trajectory 0 at t = 0 s",
        ),
        (
            lambda: bound(trajectories=Trajectories(PATHS.ys[:, :3], dt=DT, times=(0.0, 0.1, 0.5))),
            "`trajectories.ts` must rise evenly",
        ),
    ],
    "statistics": [
        (
            lambda: ColumnStatistics.from_states(np.zeros((5, 6)), dt=DT),
            r"`states` must have shape \(trajectory, time, 6\), got \(5, 6\)",
        ),
        (lambda: ColumnStatistics.from_states(np.full((1, 5, 6), np.nan), dt=DT), "`states` must be finite, got nan"),
        (lambda: ColumnStatistics.from_states(np.zeros((1, 5, 6)), dt=0.0), "`dt` must be positive, got 0.0"),
        *(
            (
                lambda lag=lag: ColumnStatistics.from_states(np.zeros((1, 5, 6)), dt=DT, longest_lag=lag),
                f"`longest_lag` must be less than the 0.005 s of a trajectory, got {lag} s",
            )
            for lag in (0.005, -1.0)
        ),
        (lambda: simulate_statistics(THREE, dt=DT, key=jax.random.key(0)), "`column` must be one column, got a batch"),
        (
            lambda: simulate_statistics(COLUMN, dt=DT),
            "`key` must be one key of jax.random.key for a UniformNoiseInput, got None",
        ),
    ],
    "the Wiener filter": [
        (lambda: wiener(observed=()), "`observed` must name at least one of y0, .*, got none"),
        (lambda: wiener(noise_std=-1.0), "`noise_std` must be finite and not negative, got -1.0"),
        (lambda: wiener(noise_std=np.ones(2)), r"`noise_std` must be one number or 7, one a channel, got \(2,\)"),
        (lambda: wiener(past=np.inf), "`past` must be finite, got inf"),
        *(
            (lambda window=window: wiener(**window), f"`past` and `future` must be .*; got {message}")
            for window, message in (
                ({"past": 0.0}, "0.0 s and 0.0 s"),
                ({"future": -0.001}, "0.005 s and -0.001 s"),
                ({"past": 0.32, "future": 0.002}, "0.32 s and 0.002 s"),
            )
        ),
        (
            lambda: wiener()(recorded(observed="y0")),
            "`recording` must observe eeg for this WienerFilter, got y0",
        ),
        (lambda: wiener()(recorded(dt=2e-3)), "`recording` must have dt = 0.001 s for this WienerFilter, got 0.002 s"),
    ],
    "the memoryless predictor": [
        (
            lambda: memoryless(ColumnStatistics.from_states(np.zeros((1, 299, 6)), dt=DT, longest_lag=0.0)),
            "`statistics` must hold at least 300 samples, got 299",
        ),
        (lambda: memoryless(observed="y9"), "`observed` must be one of 'y0', .*, got 'y9'"),
        (lambda: memoryless(noise_std=np.nan), "`noise_std` must be finite and not negative, got nan"),
        (lambda: memoryless(noise_std=np.ones(2)), r"`noise_std` must be one number or 7, one a channel, got \(2,\)"),
        (
            lambda: memoryless()(recorded(observed=("y0", "eeg"))),
            "`recording` must observe eeg for this MemorylessPredictor, got y0, eeg",
        ),
    ],
    "the observer": [
        (lambda: ObserverCascade(THREE, mean=np.zeros(6)), "`column` must be one column, got a batch of 3"),
        (lambda: ObserverCascade(COLUMN, mean=np.zeros(7)), r"`mean` must have 6 numbers, .*, got shape \(7,\)"),
        (lambda: ObserverCascade(COLUMN, mean=np.full(6, np.nan)), "`mean` must be finite, got nan"),
        (
            lambda: ObserverCascade(COLUMN, mean=np.zeros(6))(recorded(samples=20)),
            "`recording` must have at least 21 samples of 0.001 s, got 20",
        ),
        (lambda: derivatives_needed("y9"), "`observed` must be one of 'y0', .*, got 'y9'"),
        (lambda: derivatives_needed(()), "`observed` must name at least one of"),
    ],
    "observability": [
        (lambda: gramian(observed=("y6",)), "`observed` must be one of 'y0', .*, got 'y6'"),
        (lambda: gramian(observed=()), "`observed` must name at least one of"),
        (lambda: gramian(noise_std=0.0), "`noise_std` must be positive, got 0.0"),
        (lambda: gramian(noise_std=np.ones(2)), r"`noise_std` must be one number or 7, .*, got shape \(2,\)"),
        (lambda: gramian(THREE), "`column` must be one column, got a batch of 3"),
        (lambda: singular_values(observed="y6"), "`observed` must be one of 'y0', .*, got 'y6'"),
        (lambda: singular_values(derivatives=-1), "`derivatives` must be a whole number of at least 0, got -1"),
        (lambda: singular_values(scale=np.zeros(6)), "`scale` must be positive, got 0.0"),
        (lambda: singular_values(scale=-1.0), "`scale` must be positive, got -1.0"),
        (
            lambda: lie_singular_values(QUIET, np.zeros((2, 7)), observed="eeg", scale=1.0),
            r"`states` must end in an axis of the 6 states, got shape \(2, 7\)",
        ),
        (lambda: singular_values(scale=np.ones(2)), r"`scale` must be one number or 6, one a state, got shape \(2,\)"),
        (lambda: singular_values(COLUMN), r"`column` must have a ConstantInput, got a UniformNoiseInput"),
        (lambda: singular_values(QUIET.replace(C=jnp.ones(2))), "`column` must be one column, got a batch of 2"),
    ],
}


@pytest.mark.parametrize(
    ("call", "message"),
    [pytest.param(*case, id=f"{verb}, {i}") for verb, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_arguments_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
