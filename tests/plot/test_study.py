import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.art3d import Line3D

from jrae_jax import Trajectories, plot
from jrae_jax.plot.study import rhythm
from jrae_jax.studies import AS_PUBLISHED, CORRECTED, LatentSizes


def drawn(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_ydata())


def test_recovery_has_a_panel_for_each_condition_and_protocol(small_study):
    figure = plot.recovery(small_study)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[:2] == ["As published: all six states observed", "Corrected: all six states observed"]
    assert len(titles) == 6
    ticks = [tick.get_text() for tick in figure.axes[-1].get_xticklabels()]
    assert ticks == ["y0\nobserved", *(f"y{i}\nhidden" for i in range(1, 6))]
    seeds = {tuple(drawn(line)) for line in figure.axes[-1].lines}
    for loss in ("observed", "all"):
        assert {tuple(r) for r in small_study.case(CORRECTED, "pyramidal", loss).r} <= seeds


def test_means_are_those_of_the_published_loss_and_of_the_corrected_one(small_study):
    figure = plot.recovery_means(small_study)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "all six states observed",
        "three potentials observed",
        "pyramidal potential observed",
    ]
    means = [drawn(bars.lines[0]) for bars in figure.axes[2].containers if isinstance(bars, ErrorbarContainer)]
    for mean, (protocol, loss) in zip(means, ((AS_PUBLISHED, "observed"), (CORRECTED, "all")), strict=True):
        np.testing.assert_allclose(mean, small_study.case(protocol, "pyramidal", loss).r.mean(axis=0))


def test_reconstruction_draws_the_truth_and_both_losses(small_study):
    figure = plot.reconstruction(small_study, seconds=0.1)
    panel = next(ax for ax in figure.axes if "y5" in ax.get_title(loc="left"))
    assert figure.axes[0].get_title(loc="left") == "y0  pyramidal potential, observed"
    truth, observed, everything = panel.lines
    np.testing.assert_array_equal(truth.get_ydata(), small_study.examples["corrected"].ys[:100, 5])
    assert [line.get_label() for line in (truth, observed, everything)] == [
        "true",
        "loss on observed states",
        "loss on all six states",
    ]
    assert np.corrcoef(drawn(truth), drawn(everything))[0, 1] > 0.5


def test_latents_are_drawn_in_three_dimensions(small_study):
    figure = plot.latents(small_study)
    points = small_study.case(AS_PUBLISHED, "full", "observed").latents[0]
    line = figure.axes[0].lines[0]
    assert isinstance(line, Line3D)
    x, y, z = line.get_data_3d()
    np.testing.assert_array_equal(np.stack([x, y, z], axis=1), points)
    assert "% of variance on one line" in figure.axes[0].get_title()


def test_losses_are_drawn_for_each_case(small_study):
    figure = plot.losses(small_study)
    assert [len(ax.lines) for ax in figure.axes] == [3, 5]
    case = small_study.case(CORRECTED, "pyramidal", "all")
    mean = np.mean([training.train_loss for training in case.trainings], axis=0)
    np.testing.assert_allclose(drawn(figure.axes[1].lines[-1]), mean)


def test_latent_sizes_are_drawn_for_each_kind_of_recording():
    r = np.arange(12.0).reshape(2, 6) / 12
    figure = plot.latent_sizes(LatentSizes((1, 4), {"full": r, "pyramidal": r / 2}))
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "all six states observed",
        "pyramidal potential observed",
    ]
    np.testing.assert_array_equal(figure.axes[1].lines[4].get_ydata(), r[:, 4] / 2)
    np.testing.assert_array_equal(figure.axes[1].lines[4].get_xdata(), (1, 4))


def test_traces_name_the_solvers(small_study):
    trace, spectrum = plot.traces(small_study, seconds=0.5).axes
    labels = [line.get_label() for line in trace.lines]
    assert labels == ["As published (Euler, 1 ms)", "Corrected (RK4, 1 ms)"]
    assert all(len(drawn(line)) in (500, 501) for line in trace.lines)
    assert len(spectrum.lines) == 2


def test_rhythm_of_a_sine():
    time = 1e-3 * np.arange(5000)
    ys = np.zeros((5000, 6), np.float32)
    ys[:, 1] = 3 * np.sin(2 * np.pi * 10 * time)
    found = rhythm(Trajectories(jnp.asarray(ys), dt=1e-3))
    assert found.peak == pytest.approx(10, abs=0.3)
    assert found.range == pytest.approx(2 * 3 * np.sin(0.475 * np.pi), rel=1e-2)
