import numpy as np
import pytest
import xarray as xr

from jrae_jax import plot

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
    figure = plot.atlas(dataset, noise=0.0)
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


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda found: plot.atlas(found, noise=0.05), "`noise` must be a level of the atlas, one of 0, 0.5, got 0.05"),
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
