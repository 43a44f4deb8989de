"""Every public record: how it prints, and how what is labelled is exported."""

import inspect
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax import (
    autoencoder,
    column,
    decoding,
    dynamics,
    estimators,
    inference,
    recording,
    scan,
    studies,
    timeseries,
)
from jrae_jax.decoding.check import Yardstick
from tests.made_decoded import made_decoded

LABELLED = (
    "BifurcationCurves",
    "BifurcationDiagram",
    "Check",
    "ColumnStatistics",
    "Consistency",
    "CorrelationDimension",
    "Decoded",
    "Equilibria",
    "ErrorBound",
    "Estimate",
    "LatentSizes",
    "LimitCycle",
    "LyapunovExponents",
    "ParameterFit",
    "Recording",
    "RosensteinExponent",
    "Scores",
    "Study",
    "Training",
    "Trajectories",
)
ROOMS = (autoencoder, column, decoding, dynamics, estimators, inference, recording, scan, studies, timeseries)


def some(*shape: int, dtype: type = float):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.result_type(dtype))


@cache
def standard():
    return jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0))


@cache
def driven():
    return standard().replace(input=jrae.WhiteNoiseInput(220.0, 6.0))


@cache
def trajectories():
    return jrae.Trajectories(some(4, 300, 6), dt=1e-3, t0=3600.0)


@cache
def data():
    return jrae.make_dataset(trajectories(), observed="eeg", held_out=1, noise=0.1, key=jax.random.key(0))


@cache
def training():
    windowed = jrae.WindowedAutoencoder(past=0.01, widths=(4, 3), filters=2, variational=True, key=jax.random.key(0))
    calibration = autoencoder.Calibration.blank(1, np.dtype("float32"))
    reconstructor = jrae.Reconstructor(windowed, ["eeg"], data().standardizer, calibration)
    settings = autoencoder.EpochSettings("all", 2, 32, None)
    return jrae.Training(reconstructor, np.array([1.0, 0.5]), np.full(2, np.nan), None, None, settings)


def columns():
    return [
        standard(), standard().parameters, standard().input, trajectories(), driven().input,
        jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3), jrae.EvokedPulseInput(1.0, jrae.ConstantInput(90.0)),
        jrae.OrnsteinUhlenbeckInput(220.0, 50.0, 0.01, hold=1e-3), driven().input.statistics(1e-3),
        column.noise_stream(jax.random.key(0), jnp.arange(3)), column.Transition(driven(), 1e-3), column.RK4(),
        column.FixedStepHeun(), column.StrangSplitting(), column.States(*some(6)),
    ]  # fmt: skip


def of_timeseries():
    curve = np.linspace(0.1, 1, 5)
    return [
        timeseries.Dimension(1.5, 0.1),
        timeseries.CorrelationDimension(1.5, 0.1, curve, curve, (0.1, 1.0)),
        timeseries.RosensteinExponent(0.1, 0.9, False, 0.5, curve, curve),
        timeseries.SurrogateTest(0.5, 0.6, curve, 0.05),
    ]


def recordings():
    info = recording.RecordingInfo(("O1", "O2"), "uV", (0.5, 45.0), None, 3600.0)
    unknown = recording.QuantityEstimate(some(2, 8), some(2, 8))
    return [
        jrae.Recording.of(eeg=some(2, 8), y0=some(2, 8), dt=1e-3, noise_std=0.1, info=info), info, recording.EEG,
        recording.cut_windows(jrae.Recording.of(eeg=some(2, 99), dt=1e-2, info=info), seconds=0.25),
        data(), data().train, data().standardizer, recording.RecordingModel(some(3), some(3), some(3), some(3)),
        jrae.SimulatedRecordings(
            driven(), kinds=["y0", "eeg"], noise=(0.1, 0.5), ranges={"C": (100.0, 150.0)}, burn_in=0.0,
            key=jax.random.key(0),
        ),
        recording.Background.one_over_f(std=np.array([1.0, 2.0]), exponent=1.0, offset_std=3.0),
        recording.Interval(*(np.linspace(0, 1, 3) for _ in range(4))),
        recording.LinearSensors.from_scales(jnp.ones(6), jnp.ones(7)), unknown, scores(),
        jrae.Estimate(some(2, 8, 6), some(2, 8, 6), {"C": unknown, "p": unknown}, some(2, 8), dt=1e-3),
        recording.Consistency(some(3, 7), some(3, 7), some(3, 7), ("residual", "mean", "cost")),
    ]  # fmt: skip


def scores():
    return recording.Scores(np.ones(6), np.ones(6), np.zeros(6), ("y0",))


def scans():
    return [
        scan.Moments(), scan.Samples(), scan.Spectrum(), scan.Regime(), scan.zipped(C=np.array([1.0, 2.0])),
        scan.TrajectoryInfo(standard(), 2, 1e-3, 0.0, 10), scan.Variable("mV", "a variable"),
    ]  # fmt: skip


def of_dynamics():
    points = dynamics.Equilibria(some(3), some(3, 6), some(3, 6, dtype=complex), some(3), "C")
    multipliers = some(2, 4, 6).astype(jnp.result_type(complex))
    cycles = dynamics.LimitCycle(some(2, 4), some(2, 4), some(2, 4, 6), multipliers, some(2, 4, 2), some(2, 4), "C")
    folds = jax.tree.map(lambda leaf: leaf[0], cycles)
    return [
        points,
        cycles,
        dynamics.BifurcationCurves(points, points),
        dynamics.BifurcationDiagram(points, points, points, cycles, folds, some(2), standard()),
        dynamics.LyapunovExponents(np.asarray(some(20, 5, 6))),
    ]


def fits():
    pairs = {"values": some(2), "std": some(2), "correlation": some(2, 2)}
    compared = {"axis": some(4), "recorded": some(4), "simulated": some(4)}
    fit = inference.ParameterFit(
        ("A", "gain"),
        **{name: np.asarray(values) for name, values in (pairs | compared).items()},
        at_bound=np.array([False, True]),
        column=standard(), gain=1.0, y0=None, explained=0.9, converged=True, agreeing=3, starts=4,
    )  # fmt: skip
    free = inference.FreeParameters.from_bounds(standard(), {"A": (3.0, 4.0), "gain": (0.5, 2.0)})
    return [fit, free, inference.MatchSpectrum(), inference.MatchTrace(y0=jnp.zeros(6))]


def of_estimators():
    statistics = estimators.ColumnStatistics.from_states(some(2, 400, 6), dt=1e-3, longest_lag=0.01)
    return [
        statistics,
        estimators.ErrorBound(some(2, 8, 6), {"C": some(2, 8)}, dt=1e-3),
        estimators.FourDVar(driven()),
        estimators.KalmanFilter(driven()),
        estimators.KalmanSmoother(driven()),
        estimators.ObserverCascade(driven(), mean=jnp.zeros(6)),
        estimators.MemorylessPredictor.fit(statistics, observed="eeg", noise_std=0.1, key=jax.random.key(0)),
        estimators.WienerFilter.fit(statistics, observed="eeg", noise_std=0.1, past=0.003),
    ]


def autoencoders():
    reconstructor = training().reconstructor
    return [
        jrae.Autoencoder(latent_size=2, widths=(4, 3), key=jax.random.key(0)), reconstructor.autoencoder,
        reconstructor.calibration, reconstructor, training(), training().settings,
        autoencoder.StepSettings("all", 10, 4), autoencoder.Gaussian(some(3), some(3)),
        autoencoder.PhysicsLoss(driven()), jrae.ReconstructionLoss.all(), autoencoder.Window(past=0.01),
        autoencoder.Whitener.blank(3, np.dtype("float32")),
        autoencoder.WindowFeatures(some(5, 7), some(5, 7), some(7), some(7)),
        autoencoder.Familiarity.blank(2, np.dtype("float32")),
        autoencoder.Instant(some(7), some(7), some(7), some(1, 7), jnp.ones((1, 7), bool)),
        jrae.StreamingDecoder(reconstructor, observed="eeg", dt=1e-3),
        jrae.StreamingDecoder(jrae.load_pretrained(causal=True), observed="eeg", dt=1e-3).init(),
    ]  # fmt: skip


def of_decoding():
    prior, decoded = decoding.Prior(), made_decoded(refused={"flat": [(0, 1)]})
    posterior = decoding.ColumnPosterior(prior, width=4, layers=1, knots=3, key=jax.random.key(0))
    model = recording.RecordingModel(some(3), some(3), some(3), some(3))
    return [
        prior, decoded, decoded.check, posterior, decoding.Decoder(posterior, Yardstick.blank(3)),
        decoding.Draws({"C": some(3)}, some(3), model), decoding.STANDARD["C"],
        decoding.PosteriorTraining(posterior, np.ones(2)),
    ]  # fmt: skip


def of_studies():
    latents = studies.LatentDynamics(1.5, 0.9, 0.8, *of_timeseries())
    latent, states = np.asarray(some(4, 3)), np.asarray(some(4, 6))
    case = studies.Case(studies.CORRECTED, "full", "all", [training()], [scores()], [scores()], [latent], states)
    return [
        latents, case, studies.CORRECTED, studies.AtlasSettings.quick(), studies.StudySettings(),
        studies.Finding("claim", "supported", "1", "evidence"),
        studies.LatentSizes((1, 2), {"full": np.ones((2, 6)), "pyramidal": np.zeros((2, 6))}),
        studies.Study(studies.StudySettings(), [case, case], {"corrected": trajectories()[0]}, {"full": [latents]}),
    ]  # fmt: skip


@cache
def records():
    """One of every public record, by its name; made without simulations where that can be done."""
    rooms = (
        columns, of_timeseries, recordings, scans, of_dynamics, fits, of_estimators, autoencoders, of_decoding,
        of_studies,
    )  # fmt: skip
    return {type(record).__name__: record for made in rooms for record in made()}


def test_every_public_record_is_looked_at():
    classes = {thing for room in ROOMS for thing in vars(room).values() if inspect.isclass(thing)}
    public = {kind.__name__ for kind in classes if issubclass(kind, eqx.Module) and not inspect.isabstract(kind)}
    assert {name for name in public if not name.startswith("Abstract")} <= set(records())


def test_every_record_prints_a_few_lines_of_values():
    for name, record in records().items():
        text = repr(record)
        assert "f32[" not in text, text
        assert "f64[" not in text, text
        assert len(text.splitlines()) < 15, text
        assert max(map(len, text.splitlines())) < 800, text
        assert name in text or name in ("ParameterFit", "Scores", "ObservationMask"), text


def test_records_print_under_tracing_and_as_trees_of_axes():
    def texts(arrays):
        for name, static in rest.items():
            assert repr(eqx.combine(arrays[name], static))

    modules = {name: record for name, record in records().items() if isinstance(record, eqx.Module)}
    arrays, rest = {}, {}
    for name, record in modules.items():
        arrays[name], rest[name] = eqx.partition(record, eqx.is_array)
    jax.eval_shape(texts, arrays)
    for record in modules.values():
        assert repr(jax.tree.map(lambda leaf: 0, record))
        assert repr(eqx.filter(record, lambda leaf: False))


def exported(record):
    return record.to_dataset() if hasattr(record, "to_dataset") else record.to_dataframe()


def test_what_is_labelled_is_exported():
    found = {
        name for name, record in records().items() if hasattr(record, "to_dataset") or hasattr(record, "to_dataframe")
    }
    assert found == set(LABELLED)


@pytest.mark.parametrize("name", LABELLED)
def test_an_export_is_read_back_equal(name, tmp_path):
    found = exported(records()[name])
    if isinstance(found, xr.Dataset):
        found.to_netcdf(tmp_path / "x.nc")
        with xr.open_dataset(tmp_path / "x.nc") as read:
            xr.testing.assert_equal(read, found)
            assert {key: values.attrs for key, values in read.variables.items()} == {
                key: values.attrs for key, values in found.variables.items()
            }
        assert all("units" in values.attrs for values in found.data_vars.values() if values.dtype.kind == "f")
        if name == "Decoded":
            return  # a table of times, frequencies and draws would take 200 GB
        found = found.to_dataframe()
    found.to_csv(tmp_path / "x.csv")
    read = pd.read_csv(tmp_path / "x.csv", index_col=list(range(found.index.nlevels)))
    pd.testing.assert_frame_equal(read, found, check_index_type=False, check_dtype=False)
