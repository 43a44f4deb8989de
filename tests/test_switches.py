"""Under the switches that people use: `jax_debug_nans`, warnings as errors, double and single precision."""

import itertools
from typing import Any

import jax
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax import estimators, inference, recording, studies
from jrae_jax.dynamics import regime_map

DRIVEN = jrae.UniformNoiseInput
GAP = slice(100, 120)


def column(x):
    return jrae.Column.preset("jansen_rit_1995", x)


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["x32", "x64"])
def switched(request):
    """With `jax_debug_nans`, in single or double precision; that warnings are errors is so in all tests."""
    with jax.enable_x64(request.param), jax.debug_nans(True):
        yield


def recorded():
    """Trajectories, and a recording of one of them in which some samples are missing."""
    key = jax.random.key(0)
    made = jrae.simulate(column(DRIVEN(120.0, 320.0, hold=1e-3)), t1=1.5, dt=1e-3, burn_in=0.5, batch=4, key=key)
    v = np.asarray(made.eeg[0]) + 0.1 * np.random.default_rng(0).normal(size=made.eeg[0].shape)
    v[GAP] = np.nan
    return made, jrae.Recording.of(eeg=v, dt=1e-3, noise_std=0.1)


@pytest.mark.usefixtures("switched")
def test_recordings_with_gaps_scans_with_failures_and_trainings():
    made, gaps = recorded()
    assert not np.any(np.asarray(gaps.measured)[GAP])
    quiet, key = column(jrae.ConstantInput(220.0)), jax.random.key(0)
    huge = float(np.finfo(jax.numpy.result_type(float)).max) / 2
    scan = jrae.parameter_scan(
        quiet, {"initial_y1": np.array([0.0, huge])}, t1=0.05, dt=1e-3, summaries=(jrae.scan.Moments(),), key=key
    )
    assert scan.failed.values.tolist() == [False, True]
    assert np.isnan(scan.eeg_mean.values).tolist() == [False, True]
    data = jrae.make_dataset(made, observed="eeg", held_out=1, noise=0.05, train_every=10, key=key)
    training = jrae.train(jrae.Autoencoder(latent_size=2, widths=(4,), key=key), data, epochs=1, key=key)
    assert data.held_out is not None
    assert np.isfinite(jrae.evaluate(training.reconstructor(data.held_out.recording), data).r).all()
    assert np.isnan(recording.interval([np.ones(3)]).low).all()


@pytest.mark.slow
@pytest.mark.usefixtures("switched")
def test_estimators_of_recordings_with_gaps():
    made, gaps = recorded()
    driven, key = column(DRIVEN(120.0, 320.0, hold=1e-3)), jax.random.key(0)
    statistics = estimators.ColumnStatistics.from_states(made.ys, dt=1e-3, longest_lag=0.05)
    known = {"observed": "eeg", "noise_std": 0.1}
    for estimator in (
        estimators.KalmanSmoother(driven, unknown=("C", "p")),
        estimators.KalmanFilter(driven),
        estimators.FourDVar(driven),
        estimators.ObserverCascade(driven, mean=statistics.mean),
        estimators.WienerFilter.fit(statistics, **known, past=0.02),
        estimators.MemorylessPredictor.fit(statistics, **known, key=key),
    ):
        assert np.isfinite(estimator(gaps).mean).all(), estimator
    assert np.isfinite(estimators.posterior_cramer_rao(driven, made, **known).std).all()


@pytest.mark.slow
@pytest.mark.usefixtures("switched")
def test_training_on_simulations():
    driven, key = column(DRIVEN(120.0, 320.0, hold=1e-3)), jax.random.key(0)
    few: dict[str, Any] = {"columns": 8, "samples": 64, "burn_in": 0.1, "key": key}
    steps: dict[str, Any] = {"steps": 4, "steps_per_draw": 2, "batch_size": 8, "key": key}
    calibrated: dict[str, Any] = {"calibration_draws": 1, "calibration_instants": 64}
    for variational, loss in ((True, None), (False, jrae.PhysicsLoss(driven, steps=4))):
        source = jrae.SimulatedRecordings(driven, kinds=["eeg"], noise=0.05, gaps=0.0 if loss else 0.05, **few)
        small = jrae.WindowedAutoencoder(past=0.01, widths=(8,), filters=2, variational=variational, key=key)
        assert np.isfinite(jrae.train(small, source, loss=loss, **steps, **calibrated).train_loss).all()


@pytest.mark.slow
@pytest.mark.usefixtures("switched")
def test_fits_and_maps():
    quiet, key = column(jrae.ConstantInput(220.0)), jax.random.key(0)
    seen = jrae.observe(jrae.simulate(quiet, t1=1.0, dt=1e-3), observed="eeg")
    method = inference.MatchTrace(starts=4)
    fit = jrae.fit_parameters(quiet, seen, bounds={"C": (100.0, 170.0)}, method=method, key=key)
    assert np.isfinite(fit.values).all()
    found = regime_map(quiet, {"p": np.array([-50.0, 220.0])})
    assert set(itertools.chain(found.regime.values)) <= {0, 1, 2, 3}


@pytest.mark.slow
@pytest.mark.usefixtures("switched")
def test_decoding():
    v = 0.02 * np.random.default_rng(0).normal(size=(2, 1500))
    v[0, 100:120] = np.nan
    v[1, :200] = np.nan
    found = jrae.decode(jrae.Recording.of(eeg=v, dt=1 / 128), key=jax.random.key(0))
    assert found.used.tolist() == [[True], [False]]
    assert np.isfinite(found.mean[0]).all()
    assert np.isfinite(found.check.p[0]).all()


@pytest.mark.slow
@pytest.mark.usefixtures("switched")
def test_studies(monkeypatch):
    study = studies.reproduce(studies.StudySettings(seeds=2, epochs=1, duration=1.0))
    assert np.isfinite(study.cases[0].scores[0].r).all()
    sizes = studies.compare_latent_sizes([1, 2], steps=32, columns=8, samples=64, key=jax.random.key(0))
    assert len(sizes.to_dataframe())
    few = studies.AtlasSettings(masks=("eeg",), noise=(0.05,), seeds=1, trajectories=1, duration=2.0)
    assert np.isfinite(studies.atlas(few, autoencoders={}).r.sel(estimator="kalman smoother")).all()
    # Of two kinds: of all, the calibration at the end would take minutes.
    monkeypatch.setattr("jrae_jax.studies.pretraining.ALL_KINDS", studies.pretraining.ALL_KINDS[-2:])
    assert np.isfinite(studies.pretrain(steps=32, key=jax.random.key(0)).train_loss).all()
