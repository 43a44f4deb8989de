"""Figures of scans, as figure objects."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.contour import QuadContourSet

import jrae_jax as jrae
from jrae_jax.scan import BANDS, REGIMES

UNITS = dict(eeg_mean="mV", eeg_sd="mV", eeg_min="mV", eeg_max="mV", dominant_frequency="Hz", spike_rate="1/s")
NAMES = dict(eeg_mean="mean of eeg", eeg_sd="standard deviation of eeg", spike_rate="spikes in a second")
MOMENTS = ("eeg_mean", "eeg_sd", "eeg_min", "eeg_max")


def made(axes: dict[str, np.ndarray], names: Any = tuple(UNITS), *, bands=True, regime=True) -> xr.Dataset:
    """A scan as `parameter_scan` gives it, of numbers that are made up: each quantity its own multiple of a ramp."""
    shape = tuple(map(len, axes.values()))
    ramp = np.arange(float(np.prod(shape))).reshape(shape)
    data: dict[str, Any] = {"failed": np.zeros(shape, bool), "failure_time": np.full(shape, np.nan)}
    data |= {name: (i + 1) * ramp for i, name in enumerate(names)}
    scan = xr.Dataset({name: (tuple(axes), values) for name, values in data.items()})
    if "eeg_min" in names:
        scan["eeg_min"] = -scan.eeg_max
    if regime:
        scan["regime"] = (tuple(axes), (3 * ramp // ramp.size).astype(np.int8), {"long_name": "regime of the column"})
    if bands:
        scan["band_power"] = ((*axes, "band"), np.stack([ramp + i for i in range(5)], axis=-1))
        scan = scan.assign_coords(band=list(BANDS))
    for name in names:
        scan[name].attrs = {"units": UNITS.get(name, "1"), "long_name": NAMES.get(name, name.replace("_", " "))}
    units = {"C": "1", "p": "1/s", "a": "1/s"}
    return scan.assign_coords({d: (d, v, {"units": units.get(d, "")}) for d, v in axes.items() if d != "point"})


def drawn(figure) -> list[Any]:
    """The panels with something in them, colour bars apart."""
    return [ax for ax in figure.axes if ax.axison and not hasattr(ax, "_colorbar")]


def bars(figure) -> list[Any]:
    return [ax for ax in figure.axes if hasattr(ax, "_colorbar")]


def lines(ax):
    return {line.get_label(): line.get_xydata() for line in ax.lines}


C, P = np.linspace(100, 140, 9), np.linspace(90, 330, 7)


# Curves


def test_one_axis_gives_curves_with_names_and_units():
    figure = jrae.plot.scan(made({"p": P}))
    panels = drawn(figure)
    labels = [ax.get_ylabel() for ax in panels]
    assert labels == [
        "y1 - y2 (mV)",
        "dominant frequency (Hz)",
        "standard deviation of eeg (mV)",
        "spikes in a second (1/s)",
        "fraction of the power in the bands",
    ]
    assert {ax.get_xlabel() for ax in panels} == {"p (1/s)"}
    ramp = np.arange(7.0)
    for label, values in {"largest": 4 * ramp, "mean": ramp, "least": -4 * ramp}.items():
        np.testing.assert_array_equal(lines(panels[0])[label], np.column_stack([P, values]))
    np.testing.assert_array_equal(panels[1].lines[0].get_ydata(), 5 * ramp)
    np.testing.assert_allclose(lines(panels[4])["delta"][:, 1], ramp / (5 * ramp + 10))
    assert list(lines(panels[4])) == list(BANDS)


def test_the_lowest_panel_of_each_column_has_numbers_along_its_axis():
    """Also the one above an empty place."""
    figure = jrae.plot.scan(made({"p": P}))
    figure.draw_without_rendering()
    lowest = {ax.get_position().x0: ax for ax in drawn(figure)}
    assert len(lowest) == 2
    for ax in lowest.values():
        assert any(label.get_visible() for label in ax.get_xticklabels()), ax.get_ylabel()


def test_repetitions_give_the_median_and_the_range():
    values = np.random.default_rng(0).normal(size=(9, 20))
    scan = made({"C": C, "repeat": np.arange(20)}, MOMENTS, bands=False, regime=False)
    scan["eeg_sd"] = (("C", "repeat"), values, {"units": "mV", "long_name": "sd"})
    panel = drawn(jrae.plot.scan(scan))[1]
    np.testing.assert_allclose(panel.lines[0].get_ydata(), np.median(values, axis=1))
    corners = panel.collections[0].get_paths()[0].vertices
    low, high = np.quantile(values, [0.1, 0.9], axis=1)
    assert (corners[:, 1].min(), corners[:, 1].max()) == pytest.approx((low.min(), high.max()))


def test_regimes_are_shaded_where_they_are():
    figure = jrae.plot.scan(made({"C": C}, MOMENTS, bands=False))
    spans = drawn(figure)[0].patches
    assert len(spans) == 9
    assert len({patch.get_facecolor() for patch in spans}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(REGIMES)
    assert spans[0].get_x() == 100
    assert spans[1].get_x() == pytest.approx(102.5)


def test_what_is_not_done_is_no_regime():
    scan = made({"C": C}, MOMENTS, bands=False)
    scan["regime"] = scan.regime.where(np.arange(9) < 6, -1)
    figure = jrae.plot.scan(scan)
    spans = drawn(figure)[0].patches
    assert [patch.get_hatch() for patch in spans] == [None] * 6 + ["////"] * 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*REGIMES, "not done, or failed"]
    panel = drawn(
        jrae.plot.scan(made({"C": C, "p": P}).pipe(lambda x: x.assign(regime=x.regime.where(x.p > 150, -1))))
    )[0]
    assert panel.patch.get_hatch() == "////"
    legend = panel.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["not done, or failed"]


def test_a_single_sampled_quantity_is_drawn_along_its_values():
    """In the order of the values, whatever that of the points."""
    order = np.random.default_rng(1).permutation(9)
    scan = made({"point": np.arange(9)}, MOMENTS, bands=False).assign_coords(C=("point", C[order], {"units": "1"}))
    panel = drawn(jrae.plot.scan(scan))[1]
    assert panel.get_xlabel() == "C"
    np.testing.assert_array_equal(panel.lines[0].get_xdata(), C)
    np.testing.assert_array_equal(panel.lines[0].get_ydata(), 2.0 * np.argsort(order))


# Maps


def test_two_axes_give_maps():
    scan = made({"C": C, "p": P})
    figure = jrae.plot.scan(scan)
    panels = drawn(figure)
    assert [bar.get_ylabel() for bar in bars(figure)] == [
        "regime",
        "dominant frequency (Hz)",
        "standard deviation of eeg (mV)",
        "spikes in a second (1/s)",
    ]
    assert {ax.get_xlabel() for ax in panels[2:]} == {"p (1/s)"}
    assert {ax.get_ylabel() for ax in panels[::2]} == {"C"}
    image = panels[1].collections[0]
    np.testing.assert_array_equal(np.ma.getdata(image.get_array()).reshape(9, 7), scan.dominant_frequency)
    assert image.get_datalim(panels[1].transData).bounds == pytest.approx((70, 97.5, 280, 45))
    assert [label.get_text() for label in bars(figure)[0].get_yticklabels()] == list(REGIMES)
    for ax in panels:
        assert sum(isinstance(drawing, QuadContourSet) for drawing in ax.collections) == 3


def test_further_axes_and_repetitions_are_drawn_as_the_median_of_what_is_known():
    scan = made({"C": C, "p": P, "a": np.array([50.0, 100.0, 150.0]), "repeat": np.arange(2)}, bands=False)
    values = np.random.default_rng(0).normal(size=(9, 7, 3, 2))
    values[2, 3, 1, 0], values[4, 5] = np.nan, np.nan
    scan["eeg_sd"] = (scan.failed.dims, values)
    image = drawn(jrae.plot.scan(scan))[2].collections[0]
    medians = np.median(values, axis=(2, 3))
    medians[2, 3] = np.nanmedian(values[2, 3])
    np.testing.assert_allclose(np.ma.getdata(image.get_array()).reshape(9, 7), medians)


def test_values_of_an_axis_may_come_in_any_order():
    scan = made({"C": C, "p": P})
    with_order = jrae.plot.scan(scan.isel(C=[3, 0, 8, 1, 2, 4, 5, 7, 6]))
    image = drawn(with_order)[1].collections[0]
    np.testing.assert_array_equal(np.ma.getdata(image.get_array()).reshape(9, 7), scan.dominant_frequency)


def test_an_axis_of_length_one_is_no_axis():
    assert len(drawn(jrae.plot.scan(made({"p": np.array([220.0]), "C": C})))) == 5


# Sampled points


def test_quantities_together_give_points():
    generator = np.random.default_rng(0)
    scan = made({"point": np.arange(9)}).assign_coords(
        C=("point", generator.uniform(100, 140, 9), {"units": "1"}),
        p=("point", generator.uniform(90, 330, 9), {"units": "1/s"}),
    )
    figure = jrae.plot.scan(scan)
    panels = drawn(figure)
    assert len(panels) == 4
    assert (panels[2].get_xlabel(), panels[2].get_ylabel()) == ("C", "p (1/s)")
    points = panels[1].collections[0]
    np.testing.assert_array_equal(points.get_offsets(), np.column_stack([scan.C, scan.p]))
    np.testing.assert_array_equal(points.get_array(), scan.dominant_frequency)
    assert len({tuple(colour) for colour in panels[0].collections[0].get_facecolors()}) == 3


# What is not all there


@pytest.mark.parametrize(
    "axes", [{"C": C}, {"C": C, "p": P}, {"C": C, "repeat": np.arange(3)}, {"point": np.arange(9)}]
)
@pytest.mark.parametrize("done", [0, 4])
def test_a_running_scan_is_drawn_as_far_as_it_is(axes, done):
    scan = made(axes)
    first = next(iter(axes))
    if first == "point":
        scan = scan.assign_coords(C=("point", C), p=("point", C[::-1]))
    known = xr.DataArray(np.arange(9) < done, dims=first)
    running = scan.map(lambda values: values.where(known) if values.dtype.kind == "f" else values, keep_attrs=True)
    running["regime"] = scan.regime.where(known, -1)
    figure = jrae.plot.scan(running)
    assert len(drawn(figure)) == (5 if "p" not in axes and first != "point" else 4)
    if list(axes) == ["C"]:
        assert np.isfinite(drawn(figure)[1].lines[0].get_ydata()).sum() == done
        assert [patch.get_hatch() for patch in drawn(figure)[1].patches].count(None) == done


@pytest.mark.parametrize(
    ("names", "others", "panels"),
    [
        (MOMENTS, {}, ["y1 - y2 (mV)", "standard deviation of eeg (mV)"]),
        (("mine", "yours"), {}, ["mine", "yours"]),
        (("spike_rate",), dict(regime=True), ["spikes in a second (1/s)"]),
        (("dominant_frequency",), dict(bands=True), ["dominant frequency (Hz)", "fraction of the power in the bands"]),
        (("eeg_min", "eeg_max"), {}, ["eeg min (mV)", "eeg max (mV)"]),
    ],
)
def test_some_summaries_are_enough(names, others, panels):
    figure = jrae.plot.scan(made({"C": C}, names, **{"bands": False, "regime": False, **others}))
    assert [ax.get_ylabel() for ax in drawn(figure)] == panels


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="`dataset` must have an axis along which something changes, got one point"):
        jrae.plot.scan(made({"C": np.array([100.0]), "repeat": np.arange(3)}))
    samples = made({"C": C}, (), bands=False, regime=False)
    samples["eeg_samples"] = (("C", "time"), np.zeros((9, 4)))
    for axes in ({"C": 9}, {}):
        with pytest.raises(ValueError, match="`dataset` must hold a summary that is one number a point, got none"):
            jrae.plot.scan(samples if axes else samples.expand_dims(p=P, axis=1))
