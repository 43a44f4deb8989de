import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax.recording import Standardizer
from jrae_jax.studies import AtlasSettings, atlas
from jrae_jax.studies.pretraining import ALL_KINDS

MASKS = ("y0", "y1,y2")
SETTINGS = AtlasSettings(masks=MASKS, noise=(0.0, 0.5), seeds=2, trajectories=1, duration=3.0)
ESTIMATORS = [
    "chance",
    "memoryless",
    "wiener causal",
    "wiener",
    "observer",
    "kalman filter",
    "kalman smoother",
    "4d-var",
    "small",
]


def small_reconstructor(*masks, seed=0):
    small = jrae.WindowedAutoencoder(past=0.01, dt=1e-3, widths=(8,), filters=2, key=jax.random.key(seed))
    return jrae.Reconstructor(small, [mask.split(",") for mask in masks], Standardizer(jnp.zeros(7), jnp.ones(7)))


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """An atlas in a store, made in two goes."""
    path, reports = tmp_path_factory.mktemp("atlas") / "atlas.zarr", []

    def killed(*report):
        reports.append(report)
        if len(reports) == 2:  # before the second of the sets and masks
            raise Killed

    autoencoders = {"small": small_reconstructor(*MASKS)}
    with pytest.raises(Killed):
        atlas(SETTINGS, autoencoders=autoencoders, store=path, progress=killed)
    assert jrae.open_scan(path).points_done == 2
    progress = lambda *report: reports.append(report)  # noqa: E731
    found = atlas(SETTINGS, autoencoders=autoencoders, store=path, progress=progress).load()
    return path, found, reports


def r_of(found, mask, estimator, noise=0):
    chosen = found.r.isel(mask=MASKS.index(mask), estimator=ESTIMATORS.index(estimator), noise=noise)
    return chosen.transpose("seed", "state").values


@pytest.mark.slow
def test_an_atlas_that_was_killed_is_resumed_to_the_same_numbers(stored):
    _, found, reports = stored
    whole = atlas(SETTINGS, autoencoders={"small": small_reconstructor(*MASKS)}).load()
    for name in ("r", "r2", "nrmse", "expected_r", "derivatives"):
        np.testing.assert_array_equal(whole[name], found[name])
    # It was killed before the second, and resumed there.
    assert reports == [
        (0, 4, "seed 0: y0"),
        (1, 4, "seed 0: y1 y2"),
        (1, 4, "seed 0: y1 y2"),
        (2, 4, "seed 1: y0"),
        (3, 4, "seed 1: y1 y2"),
        (4, 4, "all scores are there"),
    ]


def test_what_an_atlas_holds(stored):
    path, found, _ = stored
    xr.testing.assert_equal(xr.open_zarr(path, chunks=None).r, found.r)  # without a warning, an error here
    assert dict(found.sizes) == {"seed": 2, "mask": 2, "noise": 2, "estimator": 9, "state": 6}
    assert list(found.estimator.values) == ESTIMATORS
    assert list(found.mask.values) == list(MASKS)
    assert found.noise.attrs["long_name"].startswith("sensor noise")
    known = np.isfinite(found.nrmse.values)
    np.testing.assert_allclose(1 - found.nrmse.values[known] ** 2, found.r2.values[known], atol=2e-3)
    assert (found.r.isel(seed=0).values != found.r.isel(seed=1).values).any()


def test_scores_are_those_that_theory_expects(stored):
    _, found, _ = stored
    np.testing.assert_allclose(r_of(found, "y0", "memoryless")[:, 0], 1, atol=1e-3)
    assert (r_of(found, "y0", "memoryless")[:, [1, 4]] < 0.6).all()
    assert (r_of(found, "y0", "kalman smoother")[:, 1] > 0.98).all()
    assert (r_of(found, "y1,y2", "kalman smoother") > 0.97).all()
    for estimator in ("wiener", "kalman smoother"):
        assert (r_of(found, "y0", estimator, noise=1) < r_of(found, "y0", estimator)).all()
    # Sensor noise of half a standard deviation, one sample at a time: r = 1 / sqrt(1 + 0.5^2) of a Gaussian.
    np.testing.assert_allclose(r_of(found, "y0", "memoryless", noise=1)[:, 0], 0.894, atol=0.03)
    assert (np.nan_to_num(np.abs(r_of(found, "y0", "small"))) < 0.99).all()


def test_what_theory_expects_is_beside_what_was_measured(stored):
    _, found, _ = stored
    np.testing.assert_array_equal(found.derivatives, [[0, 2, 0, 1, 3, 0], [0, 0, 0, 0, 1, 0]])
    smoother = found.isel(estimator=ESTIMATORS.index("kalman smoother"), noise=1).mean("seed")
    np.testing.assert_allclose(smoother.expected_r, smoother.r, atol=0.07)
    expecting = [name for i, name in enumerate(ESTIMATORS) if np.isfinite(found.expected_r.isel(estimator=i)).all()]
    assert expecting == ["kalman filter", "kalman smoother"]


@pytest.mark.parametrize(
    ("settings", "seed", "message"),
    [
        ({"seed": 1}, 0, "made with other settings: seed was 0, now 1"),
        ({}, 1, "made with other settings: autoencoders.small was .*, now"),
    ],
)
def test_a_store_of_another_atlas_is_left_alone(stored, settings, seed, message):
    path, _, _ = stored
    autoencoders = {"small": small_reconstructor(*MASKS, seed=seed)}
    with pytest.raises(ValueError, match=message):
        atlas(AtlasSettings(**vars(SETTINGS) | settings), autoencoders=autoencoders, store=path)


def test_autoencoders_must_have_been_trained_for_the_masks():
    with pytest.raises(ValueError, match=r"`masks` must be of a kind that .* was trained for \(y0\), got y1, y2"):
        atlas(SETTINGS, autoencoders={"small": small_reconstructor("y0")})


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"masks": ("y0,y9",)}, "`masks` must be one of .*, got 'y9'"),
        ({"noise": (-0.1,)}, "`noise` must be finite and not negative, got -0.1"),
        ({"noise": ()}, r"`len\(noise\)` must be a whole number of at least 1, got 0"),
        ({"masks": ()}, r"`len\(masks\)` must be a whole number of at least 1, got 0"),
        ({"seeds": 0}, "`seeds` must be .* at least 1, got 0"),
        ({"trajectories": 0}, "`trajectories` must be .* at least 1, got 0"),
        ({"seed": -1}, "`seed` must be .* at least 0, got -1"),
        ({"duration": 1.0}, "`duration` must be more than the 1 s at both ends of it that are not scored, got 1.0"),
    ],
)
def test_settings_out_of_range(chosen, message):
    with pytest.raises(ValueError, match=message):
        AtlasSettings(**chosen)


def test_kinds_are_every_way_to_observe_states_and_the_eeg():
    assert len({kind.names for kind in ALL_KINDS}) == 64
    assert [kind.names for kind in ALL_KINDS if "eeg" in kind.names] == [("eeg",)]
