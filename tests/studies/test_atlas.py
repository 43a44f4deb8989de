import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import (
    AtlasSettings,
    Reconstructor,
    Standardizer,
    Window,
    WindowedAutoencoder,
    atlas,
    open_scan,
)
from jrae_jax.plot.atlas import atlas_table, plot_atlas
from jrae_jax.recording.mask import as_mask
from jrae_jax.studies.pretraining import ALL_MASKS

pytest.importorskip("cuthbert")

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


def network(*masks, seed=0):
    trained = np.stack([as_mask(mask.split(",")).channels for mask in masks])
    small = WindowedAutoencoder(window=Window(past=0.01), widths=(8,), filters=2, key=jax.random.key(seed))
    return Reconstructor(small, as_mask(masks[0].split(",")), Standardizer(jnp.zeros(7), jnp.ones(7)), trained)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """An atlas in a store, made in two goes."""
    path, reports = tmp_path_factory.mktemp("atlas") / "atlas.zarr", []

    def killed(doing, done):
        reports.append((doing, done))
        raise Killed

    networks = {"small": network(*MASKS)}
    with pytest.raises(Killed):
        atlas(SETTINGS, networks=networks, store=path, progress=killed)
    assert open_scan(path).points_done == 2
    found = atlas(SETTINGS, networks=networks, store=path, progress=lambda *report: reports.append(report)).load()
    return path, found, reports


def r_of(found, mask, estimator, noise=0):
    chosen = found.r.isel(mask=MASKS.index(mask), estimator=ESTIMATORS.index(estimator), noise=noise)
    return chosen.transpose("seed", "state").values


@pytest.mark.slow
def test_an_atlas_that_was_killed_goes_on_to_the_same_numbers(stored):
    _, found, reports = stored
    whole = atlas(SETTINGS, networks={"small": network(*MASKS)}).load()
    for name in ("r", "r2", "nrmse", "expected_r", "derivatives"):
        np.testing.assert_array_equal(whole[name], found[name])
    assert reports == [
        ("seed 0: y0", 0.25),
        ("seed 0: y1 y2", 0.5),
        ("seed 1: y0", 0.75),
        ("seed 1: y1 y2", 1.0),
    ]


def test_what_an_atlas_holds(stored):
    _, found, _ = stored
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
    # Sensor noise of half a standard deviation, seen one sample at a time: r = 1 / sqrt(1 + 0.5^2) of a Gaussian.
    np.testing.assert_allclose(r_of(found, "y0", "memoryless", noise=1)[:, 0], 0.894, atol=0.03)
    assert (np.nan_to_num(np.abs(r_of(found, "y0", "small"))) < 0.99).all()


def test_theory_stands_beside_what_was_measured(stored):
    _, found, _ = stored
    np.testing.assert_array_equal(found.derivatives, [[0, 2, 0, 1, 3, 0], [0, 0, 0, 0, 1, 0]])
    smoother = found.isel(estimator=ESTIMATORS.index("kalman smoother"), noise=1).mean("seed")
    np.testing.assert_allclose(smoother.expected_r, smoother.r, atol=0.07)
    telling = [name for i, name in enumerate(ESTIMATORS) if np.isfinite(found.expected_r.isel(estimator=i)).all()]
    assert telling == ["kalman filter", "kalman smoother"]


@pytest.mark.parametrize(
    ("settings", "networks", "message"),
    [
        ({"seed": 1}, {"small": network(*MASKS)}, "made with other settings: seed was 0, now 1"),
        ({}, {"small": network(*MASKS, seed=1)}, "made with other settings: networks.small was .*, now"),
    ],
)
def test_a_store_of_another_atlas_is_left_alone(stored, settings, networks, message):
    path, _, _ = stored
    with pytest.raises(ValueError, match=message):
        atlas(AtlasSettings(**vars(SETTINGS) | settings), networks=networks, store=path)


def test_networks_must_know_the_masks():
    with pytest.raises(ValueError, match=r"`observed` must be what the network was trained for \(y0\), got y1, y2"):
        atlas(SETTINGS, networks={"small": network("y0")})


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"masks": ("y0,y9",)}, "`observed` must be one of .*, got 'y9'"),
        ({"noise": (-0.1,)}, "`noise` must be finite and not negative, got -0.1"),
        ({"noise": ()}, r"`len\(noise\)` must be a whole number of at least 1, got 0"),
        ({"masks": ()}, r"`len\(masks\)` must be a whole number of at least 1, got 0"),
        ({"seeds": 0}, "`seeds` must be .* at least 1, got 0"),
        ({"trajectories": 0}, "`trajectories` must be .* at least 1, got 0"),
        ({"seed": -1}, "`seed` must be .* at least 0, got -1"),
        ({"duration": 1.0}, "`duration` must be more than the 1 s at its ends that are not scored, got 1.0"),
    ],
)
def test_settings_out_of_range(chosen, message):
    with pytest.raises(ValueError, match=message):
        AtlasSettings(**chosen)


def test_all_masks_are_every_way_to_see_states_and_the_eeg():
    assert len({mask.names for mask in ALL_MASKS}) == 64
    assert [mask.names for mask in ALL_MASKS if "eeg" in mask.names] == [("eeg",)]


# Tables and pictures


def test_the_table_tells_means_and_half_widths(stored):
    _, found, _ = stored
    lines = atlas_table(found, masks=("y0",), noise=0.5).splitlines()
    assert lines[0] == "seen: y0, sensor noise 50%"
    assert lines[1].split() == ["y0", "y1", "y2", "y3", "y4", "y5"]
    assert [line[2:18].strip() for line in lines[2:]] == ESTIMATORS
    values = r_of(found, "y0", "wiener", noise=1)[:, 4]
    half = 12.706 * values.std(ddof=1) / np.sqrt(2)  # Student's, one degree of freedom
    assert lines[5].split()[5] == f"{values.mean():.4f}±{half:.4f}".replace("±0.", "±.")


def test_the_heat_map_shows_the_means(stored):
    _, found, _ = stored
    figure = plot_atlas(found, noise=0.0)
    panel = figure.axes[1]
    assert panel.get_title() == "y1"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(MASKS)
    assert [label.get_text() for label in panel.get_xticklabels()] == ESTIMATORS
    written = [text.get_text() for text in panel.texts]
    value = r_of(found, "y0", "wiener causal")[:, 1].mean()
    assert written[ESTIMATORS.index("wiener causal")] == f"{value:.2f}".replace("0.", ".")
    shown = np.asarray(panel.images[0].get_array())
    assert shown[0, 2] == pytest.approx(-np.log10(1 - value), rel=1e-5)


@pytest.mark.parametrize("draw", [plot_atlas, lambda found, noise: atlas_table(found, masks=("y0",), noise=noise)])
def test_only_levels_that_are_there_can_be_shown(stored, draw):
    with pytest.raises(ValueError, match=r"`noise` must be a level of the atlas, one of 0, 0.5, got 0.05"):
        draw(stored[1], noise=0.05)
