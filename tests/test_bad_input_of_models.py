"""Every verb that fits, estimates, learns, scans and studies, and each argument, with what it cannot take."""

import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax import autoencoder, decoding, estimators, inference, scan, studies
from jrae_jax.decoding.check import Yardstick
from tests.bad_input import (
    ARRAY,
    COUNT,
    FLAG,
    KEY,
    NAME,
    NAMES,
    NOISY,
    NUMBER,
    PATH,
    POINTS,
    PROGRESS,
    QUIET,
    RAGGED,
    RECORD,
    RECORDING,
    SIZE,
    STATIC_ARRAY,
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

STATISTICS = estimators.ColumnStatistics.from_states(YS, dt=1e-3, longest_lag=0.01)
FREE = inference.FreeParameters.from_bounds(QUIET, {"C": (100.0, 170.0)})

INFERENCE = {
    "fit_parameters": Verb(
        jrae.fit_parameters,
        {"column": QUIET, "recording": RECORDING, "bounds": {"C": (100.0, 170.0)}, "key": K},
        {"column": RECORD, "recording": RECORD, "bounds": ("text", ["C"], 0, np.ones(3), {}, {"C": "a"}, {"C": 1.0})}
        | {"method": RECORD, "key": KEY, "progress": PROGRESS},
    ),
    "MatchTrace": Verb(inference.MatchTrace, {}, {"y0": ARRAY, "starts": SIZE}),
    "MatchSpectrum": Verb(
        inference.MatchSpectrum,
        {},
        {"resolution": NUMBER, "duration": NUMBER, "band": ("text", 1.0, [1.0], RAGGED, {"C": 1}), "starts": SIZE}
        | {"candidates": SIZE, "repeats": SIZE, "draws": COUNT},
    ),
    "values": Verb(FREE.values, {}, {"x": (*ARRAY, [1.0, 2.0])}),
    "latin_hypercube": Verb(FREE.latin_hypercube, {"count": 2, "key": K}, {"count": SIZE, "key": KEY}),
    "scaling_symmetries": Verb(inference.scaling_symmetries, {"column": QUIET}, {"names": NAMES}),
    "power_spectrum": Verb(
        inference.power_spectrum,
        {"v": V, "dt": 1e-3, "resolution": 5.0},
        {"v": ARRAY, "dt": NUMBER, "resolution": NUMBER, "band": ("text", 1.0, RAGGED, (1.0, 600.0))},
    ),
    "spectral_residuals": Verb(
        inference.spectral_residuals,
        {"simulated": V, "recorded": V, "dt": 1e-3, "resolution": 5.0},
        {"simulated": ARRAY, "recorded": ARRAY},
    ),
    "summary_residuals": Verb(
        inference.summary_residuals,
        {"simulated": V, "recorded": V, "dt": 1e-3},
        {"simulated": ARRAY, "recorded": ARRAY, "dt": NUMBER},
    ),
    "shooting_residuals": Verb(
        inference.shooting_residuals,
        {"column": QUIET, "y0": np.zeros((2, 6)), "recorded": V, "dt": 1e-3},
        {"column": RECORD, "y0": (*ARRAY, []), "recorded": ARRAY, "dt": NUMBER},
    ),
}
ESTIMATORS = {
    "KalmanFilter": Verb(
        estimators.KalmanFilter, {"column": NOISY}, {"column": RECORD, "unknown": NAMES, "prior_std": ARRAY}
    ),
    "an estimator": Verb(estimators.KalmanFilter(NOISY), {}, {"recording": RECORD}),
    "FourDVar": Verb(estimators.FourDVar, {"column": NOISY}, {"column": RECORD, "max_steps": COUNT}),
    "ObserverCascade": Verb(
        estimators.ObserverCascade, {"column": NOISY, "mean": np.ones(6)}, {"column": RECORD, "mean": ARRAY}
    ),
    "from_states": Verb(
        estimators.ColumnStatistics.from_states,
        {"states": YS, "dt": 1e-3, "longest_lag": 0.01},
        {"states": STATIC_ARRAY, "dt": NUMBER, "longest_lag": NUMBER},
    ),
    "WienerFilter": Verb(
        estimators.WienerFilter.fit,
        {"statistics": STATISTICS, "observed": "eeg", "noise_std": 0.1, "past": 0.01},
        {"statistics": RECORD, "noise_std": STATIC_ARRAY, "past": NUMBER, "future": NUMBER},
    ),
    "MemorylessPredictor": Verb(
        estimators.MemorylessPredictor.fit,
        {"statistics": STATISTICS, "observed": "eeg", "noise_std": 0.1, "key": K},
        {"statistics": RECORD, "noise_std": STATIC_ARRAY, "key": KEY},
    ),
    "posterior_cramer_rao": Verb(
        estimators.posterior_cramer_rao,
        {"column": NOISY, "trajectories": TRAJECTORIES, "observed": "eeg", "noise_std": 0.1},
        {"column": RECORD, "trajectories": RECORD, "noise_std": ARRAY, "unknown": NAMES, "causal": FLAG}
        | {"prior_std": (*ARRAY, np.ones(3))},
    ),
    "cramer_rao": Verb(estimators.cramer_rao, {}, {"information": (*STATIC_ARRAY, 1.0, np.ones((6, 5)))}),
    "lie_singular_values": Verb(
        estimators.lie_singular_values,
        {"column": QUIET, "states": np.ones(6), "observed": "eeg", "scale": 1.0},
        {"column": RECORD, "states": ARRAY, "scale": ARRAY, "derivatives": COUNT},
    ),
    "observability_gramian": Verb(
        estimators.observability_gramian,
        {"column": QUIET, "trajectories": TRAJECTORIES, "observed": "eeg", "noise_std": 0.1},
        {"column": RECORD, "trajectories": RECORD, "noise_std": ARRAY},
    ),
}
SMALL = jrae.Autoencoder(widths=(4,), key=K)
DATA = jrae.make_dataset(TRAJECTORIES, observed="eeg", held_out=1)
AUTOENCODER = {
    "Autoencoder": Verb(
        jrae.Autoencoder,
        {"key": K},
        {"latent_size": SIZE, "widths": (0, 1.5, int, [10**12]), "activation": NAME, "inputs": (0, RAGGED), "key": KEY},
    ),
    "WindowedAutoencoder": Verb(
        jrae.WindowedAutoencoder,
        {"past": 0.01, "key": K},
        {
            "past": (*NUMBER, 1e10),
            "future": (*NUMBER, 1e10),
            "dt": NUMBER,
            "filters": SIZE,
            "widths": (0, int),
            "variational": FLAG,
        },
    ),
    "train": Verb(
        jrae.train,
        {"autoencoder": SMALL, "data": DATA, "epochs": 1, "key": K},
        {"data": RECORD, "loss": RECORD, "optimiser": RECORD, "learning_rate": NUMBER, "batch_size": COUNT}
        | {"epochs": COUNT, "patience": COUNT, "checkpoint": PATH, "progress": PROGRESS, "key": KEY},
    ),
    "train_ensemble": Verb(
        jrae.train_ensemble,
        {"autoencoders": [SMALL], "data": DATA, "keys": K[None]},
        {"autoencoders": (0, int, ["text"], SMALL), "keys": (0, K, [0])},
    ),
    "ReconstructionLoss": Verb(
        jrae.ReconstructionLoss, {"weights": np.ones(7)}, {"weights": STATIC_ARRAY, "observed_only": FLAG}
    ),
    "PhysicsLoss": Verb(jrae.PhysicsLoss, {"column": NOISY}, {"column": RECORD, "steps": COUNT}),
    "save": Verb(jrae.save, {"path": "x"}, {"training": (*RECORD, SMALL)}),
    "load": Verb(jrae.load, {}, {"path": PATH}),
    "load_pretrained": Verb(jrae.load_pretrained, {}, {"causal": FLAG}),
    "Window": Verb(autoencoder.Window, {"past": 0.01}, {"past": NUMBER, "future": NUMBER, "dt": NUMBER}),
}
POSTERIOR = decoding.ColumnPosterior(decoding.Prior(), width=4, layers=1, knots=3, key=K)
DECODER = decoding.Decoder(POSTERIOR, Yardstick.blank(3))
DECODING = {
    "decode": Verb(
        jrae.decode,
        {"recording": RECORDING, "key": K, "decoder": DECODER},
        {"recording": (*RECORD, []), "share": NAME, "decoder": RECORD, "key": KEY, "progress": PROGRESS},
    ),
    "train_decoder": Verb(
        decoding.train_decoder,
        {"key": K},
        {"prior": RECORD, "columns": COUNT, "steps": COUNT, "windows": COUNT, "key": KEY, "progress": PROGRESS},
    ),
    "train_posterior": Verb(
        decoding.train_posterior,
        {"key": K},
        {"prior": RECORD, "columns": COUNT, "steps": COUNT, "key": KEY, "progress": PROGRESS},
    ),
    "save_decoder": Verb(
        decoding.save_decoder, {"path": "x.jrae", "decoder": DECODER}, {"path": PATH, "decoder": RECORD}
    ),
    "load_decoder": Verb(decoding.load_decoder, {}, {"path": PATH}),
    "Prior": Verb(
        decoding.Prior,
        {},
        {
            "quantities": ("text", 0, ["C"], {}, {"C": 1}, dict.fromkeys(decoding.STANDARD, (0.0, 1.0))),
            "column": RECORD,
        },
    ),
    "draw of a prior": Verb(decoding.Prior().draw, {"number": 2, "key": K}, {"number": COUNT, "key": KEY}),
    "ColumnPosterior": Verb(
        decoding.ColumnPosterior,
        {"prior": decoding.Prior(), "key": K},
        {"prior": RECORD, "width": COUNT, "layers": COUNT, "knots": COUNT, "key": KEY},
    ),
}
SCANS = {
    "parameter_scan": Verb(
        jrae.parameter_scan,
        {"column": NOISY, "axes": {"C": [100.0, 135.0]}, "t1": 3.0, "dt": 1e-3, "key": K},
        {
            "column": RECORD,
            "t1": NUMBER,
            "dt": NUMBER,
            "burn_in": NUMBER,
            "repeats": SIZE,
            "y0": ARRAY,
            "solver": RECORD,
        }
        | {"store": PATH, "key": KEY, "progress": PROGRESS},
    ),
    "open_scan": Verb(jrae.open_scan, {}, {"path": PATH}),
    "zipped": Verb(scan.zipped, {}, {"C": STATIC_ARRAY}),
    "sampled": Verb(
        scan.sampled,
        {"points": 2, "key": K, "C": (1.0, 2.0)},
        {"points": SIZE, "key": KEY, "design": ("text", 0), "log": NAMES, "C": (*ARRAY, 1.0)},
    ),
    "Moments": Verb(scan.Moments, {}, {"channels": NAMES}),
    "Samples": Verb(scan.Samples, {}, {"channels": NAMES, "every": COUNT}),
    "Spectrum": Verb(scan.Spectrum, {}, {"channel": NAME, "resolution": NUMBER}),
}
STUDIES = {
    "StudySettings": Verb(
        studies.StudySettings,
        {},
        {"seeds": SIZE, "epochs": COUNT, "latent_size": SIZE, "seed": COUNT, "duration": NUMBER},
    ),
    "AtlasSettings": Verb(
        studies.AtlasSettings, {}, {"masks": (0, "eeg", (0,)), "noise": ("text", RAGGED), "seeds": SIZE}
    ),
    "measure_latent_dynamics": Verb(
        studies.measure_latent_dynamics,
        {"points": POINTS, "dt": 1e-3, "key": K},
        {"points": STATIC_ARRAY, "dt": NUMBER, "key": KEY},
    ),
    "pretrain": Verb(studies.pretrain, {"key": K}, {"causal": FLAG, "steps": COUNT, "key": KEY, "progress": PROGRESS}),
    "compare_latent_sizes": Verb(
        studies.compare_latent_sizes, {"key": K}, {"sizes": (0, [0.5], [-1]), "key": KEY, "progress": PROGRESS}
    ),
    "reproduce": Verb(studies.reproduce, {}, {"settings": RECORD, "checkpoints": PATH, "progress": PROGRESS}),
    "atlas": Verb(studies.atlas, {"autoencoders": {}}, {"settings": RECORD, "store": PATH, "progress": PROGRESS}),
}
ROOMS = {
    "inference": INFERENCE,
    "estimators": ESTIMATORS,
    "autoencoder": AUTOENCODER,
    "decoding": DECODING,
    "scan": SCANS,
    "studies": STUDIES,
}


@pytest.mark.parametrize(("room", "verb"), [(room, verb) for room, verbs in ROOMS.items() for verb in verbs])
def test_what_cannot_be_taken_is_refused_in_one_line_that_names_it(room, verb):
    assert unclear(ROOMS[room][verb]) == []
