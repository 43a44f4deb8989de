"""The atlas as figures and as text."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

from jrae_jax import plot
from jrae_jax.plot import style

MASKS = ["y0", "y1,y2"]
ESTIMATORS = ["chance", "wiener causal", "wiener"]


@pytest.fixture(scope="module")
def dataset():
    """r of two seeds, without a simulation; of the untrained estimator there is none for y1."""
    r = np.random.default_rng(0).uniform(-0.2, 1.0, (2, 2, 2, 3, 6))
    r[..., 0, 1] = np.nan
    coords = {"mask": MASKS, "noise": [0.0, 0.5], "estimator": ESTIMATORS}
    return xr.Dataset({"r": (("seed", "mask", "noise", "estimator", "state"), r)}, coords)


def test_the_table_has_means_and_half_widths(dataset):
    lines = plot.atlas_table(dataset, masks=("y0",), noise=0.5).splitlines()
    assert lines[0] == "observed: y0, sensor noise 50%"
    assert lines[1].split() == ["y0", "y1", "y2", "y3", "y4", "y5"]
    assert [line[2:17].strip() for line in lines[2:]] == ESTIMATORS
    values = dataset.r.values[:, 0, 1, 2, 4]
    half = 12.706 * values.std(ddof=1) / np.sqrt(2)  # Student's, one degree of freedom
    assert lines[4].split()[5] == f"{values.mean():.4f}±{half:.4f}".replace("±0.", "±.")
    assert lines[2].split()[2] == "-"


def test_the_heat_map_has_the_means(dataset):
    figure = plot.atlas_scores(dataset, noise=0.0)
    panel = figure.axes[2]
    assert panel.get_title() == "y2"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == MASKS
    assert [label.get_text() for label in panel.get_xticklabels()] == ESTIMATORS
    written = [text.get_text() for text in panel.texts]
    value = dataset.r.values[:, 0, 0, 1, 2].mean()
    assert written[1] == f"{value:.2f}".replace("0.", ".")
    drawn = np.asarray(panel.images[0].get_array())
    assert drawn[0, 1] == pytest.approx(-np.log10(1 - value), rel=1e-5)
    assert figure.axes[1].texts[0].get_text() == ""
    bar = figure.axes[-1]
    assert [label.get_text() for label in bar.get_yticklabels()] == ["0", "0.9", "0.99", "0.999", "0.9999"]


@pytest.fixture(scope="module")
def whole():
    """Like an atlas of all masks and estimators, at one level of noise."""
    masks = ["y4", "y2", "y0", "y0,y1,y2", "eeg"]
    estimators = ["chance", "memoryless", "wiener", "kalman smoother", "autoencoder causal", "autoencoder"]
    r = np.random.default_rng(1).uniform(-0.2, 1.0, (2, 5, 1, 6, 6))
    r[..., 0, :] = 1.0  # chance is no estimator
    coords = {"mask": masks, "noise": [0.05], "estimator": estimators, "state": [f"y{i}" for i in range(6)]}
    return xr.Dataset({"r": (("seed", "mask", "noise", "estimator", "state"), r)}, coords)


def bars(figure, colour):
    """Length of the bar of each cell, in units of r; rows in the order in which they are drawn."""
    patches = [patch for patch in figure.axes[0].patches if to_hex(patch.get_facecolor()) == colour.lower()]
    return np.reshape([patch.get_width() / 0.84 for patch in patches], (-1, 6))


def test_the_overview_has_a_bar_for_the_best_and_for_one_instant_and_a_mark_for_the_autoencoder(whole):
    figure = plot.atlas(whole, noise=0.05)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["EEG, y1 - y2", "y0 pyramidal", "y2 inhibitory", "y0, y1, y2"]
    r = whole.r.isel(noise=0).mean("seed").sel(mask=["eeg", "y0", "y2", "y0,y1,y2"])
    best = r.sel(estimator=["wiener", "kalman smoother", "autoencoder causal", "autoencoder"]).max("estimator")
    np.testing.assert_allclose(bars(figure, style.SKY), best.clip(0))
    np.testing.assert_allclose(bars(figure, style.BLUE), r.sel(estimator="memoryless").clip(0))
    np.testing.assert_allclose(bars(figure, style.LIGHT), 1.0)
    (marks,) = figure.axes[0].collections
    assert isinstance(marks, LineCollection)
    x = np.reshape([line[0, 0] for line in marks.get_segments()], (4, 6))
    learned = r.sel(estimator=["autoencoder causal", "autoencoder"]).max("estimator").clip(0)
    np.testing.assert_allclose(x, np.arange(6) - 0.42 + 0.84 * learned)


def test_what_is_recorded_itself_has_an_electrode_and_the_rest_a_number(whole):
    ax = plot.atlas(whole, noise=0.05, masks=["y0", "y4"]).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["y0 pyramidal", "y4"]
    assert [tuple(np.concatenate(line.get_data())) for line in ax.lines] == [(0, 0), (4, 1)]
    best = whole.r.isel(noise=0).mean("seed").sel(mask="y0").isel(estimator=slice(2, None)).max("estimator").values
    assert [text.get_text() for text in ax.texts[:5]] == [f"{r:.2f}".replace("0.", ".") for r in best[1:]]


def test_an_overview_of_whatever_an_atlas_has(dataset):
    """Here neither a known recording but y0, nor one instant, nor an autoencoder."""
    few = dataset.assign_coords(state=[f"y{i}" for i in range(6)])
    figure = plot.atlas(few.sel(mask=["y1,y2"]), noise=0.5)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["y1, y2"]
    assert not figure.axes[0].collections
    assert len([text for text in figure.axes[0].texts if text.get_text()]) == 4


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda found: plot.atlas(found, noise=0.05), "`noise` must be a level of the atlas, one of 0, 0.5, got 0.05"),
        (
            lambda found: plot.atlas_scores(found, noise=0.05),
            "`noise` must be a level of the atlas, one of 0, 0.5, got 0.05",
        ),
        (
            lambda found: plot.atlas(found, masks=("y0", "y9"), noise=0.5),
            "`masks` must be some of those of the atlas, y0 y1,y2; got y9",
        ),
        (
            lambda found: plot.atlas_table(found, masks=("y0",), noise=0.05),
            "`noise` must be a level of the atlas, one of 0, 0.5, got 0.05",
        ),
        (
            lambda found: plot.atlas_table(found, masks=("y9",), noise=0.5),
            "`masks` must be some of those of the atlas, y0 y1,y2; got y9",
        ),
    ],
)
def test_only_what_the_atlas_has_can_be_drawn(dataset, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(dataset)
