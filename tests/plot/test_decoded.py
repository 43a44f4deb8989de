"""Figures of what was decoded, as figure objects."""

import equinox as eqx
import numpy as np
import pytest
from matplotlib.colors import to_hex

import jrae_jax as jrae
from jrae_jax.decoding import BANDS, FREQUENCIES, STANDARD
from jrae_jax.inference import scaling_symmetries
from jrae_jax.plot.style import DARK, VERMILION
from tests.made_decoded import made_decoded

EVERY = [(0, 0), (0, 1), (0, 2)]


@pytest.fixture(scope="module")
def good():
    return made_decoded(channels=2)


@pytest.fixture(scope="module")
def mixed():
    """One window refused for two reasons, one unfamiliar, one with too much beta."""
    return made_decoded(refused={"flat": [(0, 0)], "large": [(0, 0)]}, unfamiliar=[(0, 1)], beyond={"beta": 2.7})


def drawn(line):
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def vertices(collection):
    return np.asarray(collection.get_paths()[0].vertices)


def test_a_recording_above_the_shapes_with_their_bands(good):
    top, *panels = jrae.plot.decoded(good, "O2", window=1, seconds=2.0).axes
    time, recorded = drawn(top.lines[0])
    np.testing.assert_allclose((time[0], time[-1]), (29.0, 31.0), atol=good.dt)
    there = np.isin(good.ts, time)
    np.testing.assert_allclose(recorded, 1e3 * good.eeg[1, there])
    assert [ax.get_ylabel() for ax in (top, *panels)] == ["uV", *["std"] * 6]
    for i, ax in enumerate(panels):
        mean = good.shape_mean[1, there, i]
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), mean)
        band = vertices(ax.collections[0])[:, 1]
        half = 1.645 * good.shape_std[1, there, i]
        np.testing.assert_allclose((band.min(), band.max()), ((mean - half).min(), (mean + half).max()))
    assert "Window 2 of 3" in jrae.plot.decoded(good, 1, window=1).get_suptitle()


def test_the_first_window_with_intervals_is_drawn(mixed):
    assert jrae.plot.decoded(mixed).get_suptitle().startswith("Window 3 of 3; states")
    unlike = jrae.plot.decoded(mixed, window=1)
    assert unlike.get_suptitle() == "Window 2 of 3: unlike anything the decoder was made for, so without intervals"
    assert len(unlike.axes) == 7
    refused = jrae.plot.decoded(mixed, window=0)
    assert refused.get_suptitle() == "Window 1 of 3, refused: flat, over 500 uV"
    assert len(refused.axes) == 1
    assert np.ptp(refused.axes[0].lines[0].get_xdata()) == pytest.approx(20.0, abs=0.01)
    assert jrae.plot.decoded(made_decoded(refused={"missing": EVERY})).get_suptitle().startswith("Window 1 of 3, ref")


def test_a_simulated_column_is_drawn_in_mv():
    simulated = made_decoded(unit="column")
    top = jrae.plot.decoded(simulated, seconds=1.0).axes[0]
    assert top.get_ylabel() == "mV"
    assert np.max(top.lines[0].get_ydata()) == np.nanmax(
        simulated.eeg[0, np.isin(simulated.ts, top.lines[0].get_xdata())]
    )
    assert jrae.plot.decoded_spectrum(simulated).axes[0].get_ylabel() == "power density (mV²/Hz)"


def test_spectrum_over_that_predicted_with_bands_beyond_in_orange(mixed, good):
    ax = jrae.plot.decoded_spectrum(mixed).axes[0]
    recorded = next(line for line in ax.lines if line.get_color() == DARK and line.get_linewidth() > 1)
    pooled = 1e6 * np.exp(np.log(mixed.check.density[0, 1:]).mean(axis=0))
    np.testing.assert_allclose(drawn(recorded), (FREQUENCIES, pooled))
    band = vertices(ax.collections[0])[:, 1]
    predicted = 1e6 * np.exp(np.log(mixed.check.predicted[0, 1:]).mean(axis=0))
    np.testing.assert_allclose((band.min(), band.max()), (predicted[0].min(), predicted[2].max()))
    named = {text.get_text(): to_hex(text.get_color()) for text in ax.texts}
    assert [name.split()[0] for name in named] == list(BANDS)
    assert [name for name, colour in named.items() if colour == VERMILION.lower()] == ["beta\n2.7 x"]
    assert ax.get_ylabel() == "power density (uV²/Hz)"
    alone = jrae.plot.decoded_spectrum(good, window=2).axes[0]
    np.testing.assert_allclose(drawn(alone.lines[1])[1], 1e6 * good.check.density[0, 2])


def test_what_was_not_measured_is_left_out(good):
    unknown = good.check.left_over.copy()
    unknown[..., 4] = np.nan
    unknown[0, :, 0] = 1.0, 2.0, 4.0
    figure = jrae.plot.decoded_spectrum(eqx.tree_at(lambda tree: tree.check.left_over, good, unknown))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert (texts[0], texts[4]) == ("delta\n2 x", "gamma")


def test_posterior_over_the_range_of_the_prior(mixed):
    panels = jrae.plot.decoded_posterior(mixed).axes
    assert len(panels) == 11
    names = ("C", "B", "time_scale", "p", "sigma", "gain", "background", "exponent", "column_fraction")
    for name, ax in zip(names, panels, strict=False):
        if name in STANDARD:
            assert ax.get_xlim() == (STANDARD[name].low, STANDARD[name].high)
            assert ax.get_xscale() == ("log" if STANDARD[name].logarithmic else "linear")
        np.testing.assert_allclose(drawn(ax.lines[-1])[0], np.median(mixed.draws[name][0, 2:], axis=1))
    for ax in panels[9:]:
        assert len(drawn(ax.lines[0])[0]) == mixed.draws["C"].shape[-1]  # of the only window with intervals


def test_the_line_beside_the_draws_is_the_symmetry_of_the_equations(good):
    column = jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(220.0, 1.8))
    (sentence,) = scaling_symmetries(("A", "B", "C", "p", "intensity", "gain"), column)
    powers = {part.split()[0]: 1 if "multiplied" in part else -1 for part in sentence.split(":")[0].split(", ")}
    draws = {name: np.median(values[0]) for name, values in good.draws.items()}
    for ax, (x, y) in zip(jrae.plot.decoded_posterior(good).axes[9:], (("B", "C"), ("C", "p")), strict=True):
        along, across = drawn(ax.lines[1])
        factor = (along / draws[x]) ** powers[x]
        np.testing.assert_allclose(across, draws[y] * factor ** powers[y])
        assert factor.min() < 0.5
        assert factor.max() > 2


def test_windows_over_time(mixed, good):
    above, below = jrae.plot.decoded_windows(mixed).axes
    labels = [label.get_text() for label in above.get_yticklabels()]
    assert labels == ["used", "unlike any simulated", "refused: flat", "refused: over 500 uV"]
    starts = [vertices(rows)[:, 0].min() for rows in above.collections]
    assert starts == [40.0, 20.0, 0.0, 0.0]
    np.testing.assert_array_equal(below.lines[0].get_ydata(), mixed.check.p[0])
    assert len(jrae.plot.decoded_windows(good).axes[0].get_yticklabels()) == 1
    assert len(jrae.plot.decoded_windows(made_decoded(refused={"missing": EVERY})).axes) == 1


@pytest.mark.parametrize("channel", ["Cz", 2, -1, 0.5])
@pytest.mark.parametrize("name", ["decoded", "decoded_spectrum", "decoded_posterior", "decoded_windows"])
def test_a_channel_that_there_is_not(good, name, channel, without_type_checker):
    with pytest.raises(ValueError, match=r"^`channel` must be one of O1, O2, or a place from 0 to 1, got "):
        getattr(jrae.plot, name)(good, channel)


def test_what_cannot_be_drawn(good):
    with pytest.raises(ValueError, match=r"^`window` must be from 0 to 2, got 3$"):
        jrae.plot.decoded(good, window=3)
    with pytest.raises(ValueError, match="`seconds`"):
        jrae.plot.decoded(good, seconds=0.0)
    refused = made_decoded(refused={"clipped": EVERY})
    with pytest.raises(ValueError, match=r"^`decoded` must have used a window of O1 to be drawn, got none$"):
        jrae.plot.decoded_spectrum(refused)
    with pytest.raises(ValueError, match=r"^`decoded` must have a window of O1 with intervals to be drawn, got none$"):
        jrae.plot.decoded_posterior(made_decoded(unfamiliar=EVERY))
