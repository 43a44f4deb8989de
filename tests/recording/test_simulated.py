from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jrae_jax.column import Column, ConstantInput, JansenRitParameters, UniformNoiseInput, simulate, to_channels
from jrae_jax.recording import EEG, FULL, ObservationMask, SimulatedRecordings

KINDS = (EEG, ObservationMask.from_names("y0", "y4"), FULL)
NOISE, GAPS = (0.03, 0.5), 0.2
COLUMNS, SAMPLES = 256, 300


def simulated(column=None, **arguments: Any):
    column = noisy() if column is None else column
    return SimulatedRecordings(column, **{"kinds": [EEG], "burn_in": 0.1, "key": jax.random.key(0), **arguments})


def noisy():
    return Column(JansenRitParameters(), UniformNoiseInput(120.0, 320.0, hold=1e-3))


def steady(p: Any = 220.0, **parameters: Any):
    return Column(JansenRitParameters(**parameters), ConstantInput(p))


@eqx.filter_jit
def drawn(source, key, columns=COLUMNS, samples=SAMPLES):
    return source.draw(columns, samples, key=key)


@pytest.fixture(scope="module")
def rich():
    """Recordings of several kinds, with noise and gaps."""
    return simulated(kinds=KINDS, noise=NOISE, gaps=GAPS)


@pytest.fixture(scope="module")
def plain():
    return simulated(noise=0.25)


@pytest.fixture(scope="module")
def draw(rich):
    return jax.device_get(drawn(rich, jax.random.key(1)))


def test_the_same_key_gives_the_same_recordings(rich, draw):
    again, other = (jax.device_get(drawn(rich, jax.random.key(seed))) for seed in (1, 2))
    assert eqx.tree_equal(again, draw)
    for name in ("values", "truth"):
        assert np.mean(getattr(other, name) == getattr(draw, name)) < 1e-3
    noise = [np.ravel(each.values - each.truth) for each in (draw, other)]
    assert abs(np.corrcoef(noise)[0, 1]) < 0.02
    assert not np.array_equal(other.measured, draw.measured)


def test_columns_differ_from_each_other(draw):
    columns = draw.truth[:60].reshape(60, -1)
    distances = np.sqrt(np.mean((columns[:, None] - columns[None]) ** 2, axis=-1))
    assert np.min(distances + np.eye(60)) > 0.05


def test_the_size_of_the_sensor_noise_is_log_uniform_over_columns(draw):
    noise = np.asarray(draw.values, float) - draw.truth
    level = noise.std(axis=(1, 2))
    assert np.all((level > 0.95 * NOISE[0]) & (level < 1.05 * NOISE[1]))
    low, high = np.log(NOISE)
    assert stats.kstest(np.log(level), stats.uniform(low, high - low).cdf).pvalue > 1e-3
    scaled = noise / level[:, None, None]
    assert stats.kstest(scaled[:, ::5].ravel(), "norm").pvalue > 1e-3
    # Every channel, instant and column has noise of its own.
    assert np.max(np.abs(np.corrcoef(scaled.reshape(-1, 7), rowvar=False) - np.eye(7))) < 0.02
    assert abs(np.mean(scaled[:, 1:] * scaled[:, :-1])) < 0.01
    assert np.max(np.abs(np.corrcoef(scaled[:40].reshape(40, -1)) - np.eye(40))) < 0.12


def test_noise_is_relative_to_each_column_where_columns_differ_and_can_be_absolute():
    ranges = {"C": (20.0, 300.0)}
    relative = simulated(noise=0.1, ranges=ranges)
    draw = jax.device_get(drawn(relative, jax.random.key(1), columns=16))
    noise, own = (np.std(values, axis=1) for values in (draw.values - draw.truth, draw.truth))
    np.testing.assert_allclose(noise / own, 0.1, rtol=0.2)
    assert np.max(own / own.min(axis=0)) > 3  # so that a noise relative to all columns would differ from this
    absolute = simulated(noise_std=np.arange(1.0, 8.0), ranges=ranges)
    assert "noise of 1, 2, 3, 4, 5, 6, 7 mV, derivatives mV/s, 0.0% missing" in repr(absolute)
    draw = jax.device_get(drawn(absolute, jax.random.key(1), columns=16))
    noise = np.std((draw.values - draw.truth) * np.asarray(absolute.standardizer.std), axis=1)
    np.testing.assert_allclose(noise, np.tile(np.arange(1.0, 8.0), (16, 1)), rtol=0.2)


def test_noise_masks_and_gaps_leave_the_truth_and_the_standardizer_alone(plain, rich, draw):
    assert eqx.tree_equal(plain.standardizer, rich.standardizer)
    np.testing.assert_allclose(drawn(plain, jax.random.key(1)).truth, draw.truth, atol=1e-4)


def test_with_one_kind_and_one_level_and_no_gaps_all_recordings_are_alike(plain):
    found = jax.device_get(drawn(plain, jax.random.key(0)))
    np.testing.assert_allclose((found.values - found.truth).std(axis=(1, 2)), 0.25, rtol=0.1)
    np.testing.assert_array_equal(found.measured, np.broadcast_to(EEG.channels, found.measured.shape))


def test_each_column_is_recorded_in_one_of_the_kinds_all_equally_often(draw):
    channels = draw.measured.any(axis=1)
    measured = channels[channels.any(axis=1)]
    counts = [np.sum(np.all(measured == kind.channels, axis=1)) for kind in KINDS]
    assert sum(counts) == len(measured) > 0.9 * COLUMNS
    assert stats.chisquare(counts).pvalue > 1e-3


def test_gaps_are_runs_of_all_channels_and_have_the_fraction_given(draw):
    channels = draw.measured.any(axis=1)
    times = draw.measured.any(axis=2)
    # All observed channels are measured at the same instants.
    np.testing.assert_array_equal(draw.measured, times[:, :, None] & channels[:, None])
    assert np.mean(~times) == pytest.approx(GAPS, abs=0.06)
    runs = [np.mean(_runs(~column)) for column in times if not column.all()]
    assert min(runs) < 3
    assert max(runs) > 60
    # Some columns have single samples missing, some have long gaps: lengths are spread over orders of magnitude.
    assert np.std(np.log(runs)) > 0.8
    edges = np.diff(times.astype(int), axis=1) != 0
    assert np.all(edges.any(axis=0))


def _runs(missing):
    """Lengths of the runs of missing samples."""
    ends = np.flatnonzero(np.diff(np.pad(missing.astype(int), 1)))
    return ends[1::2] - ends[::2]


def unstandardized(source, truth):
    return np.asarray(truth, float) * np.asarray(source.standardizer.std) + np.asarray(source.standardizer.mean)


def test_the_truth_is_what_simulate_gives_after_the_burn_in():
    source = simulated(steady(A=3.4), burn_in=0.5)
    expected = np.asarray(to_channels(simulate(steady(A=3.4), t1=4.5, dt=1e-3, burn_in=0.5).ys), dtype=float)
    np.testing.assert_allclose(source.standardizer.mean, expected.mean(axis=0), rtol=1e-3, atol=0.05)
    np.testing.assert_allclose(source.standardizer.std, expected.std(axis=0), rtol=1e-3)
    found = drawn(source, jax.random.key(0), 3, 100)
    np.testing.assert_array_equal(found.values, found.truth)
    std = np.asarray(source.standardizer.std)
    for column in unstandardized(source, found.truth):
        np.testing.assert_allclose(column / std, expected[:100] / std, atol=1e-3)


@pytest.mark.slow
def test_ranges_vary_the_columns_uniformly():
    """The input and a gain follow from the trajectories: they drive y4 and y3, by the equations."""
    dt, bounds = 2.5e-4, {"p": (100.0, 300.0), "A": (3.0, 3.6)}
    source = simulated(steady(), ranges=bounds, dt=dt)
    found = drawn(source, jax.random.key(4), 100, 200)
    y0, y1, y2, y3, y4, _ = np.moveaxis(unstandardized(source, found.truth)[..., :6], -1, 0)
    a, C = 100.0, 135.0

    def rate(v):
        return 5 / (1 + np.exp(0.56 * (6 - v)))

    def slope(y):
        return (8 * (y[:, 3:-1] - y[:, 1:-3]) - (y[:, 4:] - y[:, :-4])) / (12 * dt)

    middle = np.s_[:, 2:-2]
    A = (slope(y3) + 2 * a * y3[middle] + a**2 * y0[middle]) / (a * rate((y1 - y2)[middle]))
    A = np.median(A, axis=1)
    p = (slope(y4) + 2 * a * y4[middle] + a**2 * y1[middle]) / (A[:, None] * a) - 0.8 * C * rate(C * y0[middle])
    p = np.median(p, axis=1)
    for drawn_values, (low, high) in zip((p, A), bounds.values(), strict=True):
        margin = 0.02 * (high - low)
        assert np.all((drawn_values > low - margin) & (drawn_values < high + margin))
        assert stats.kstest(drawn_values, stats.uniform(low, high - low).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(p, A)[0, 1]) < 0.4
    ys = simulate(steady(A=A, p=p), t1=0.1 + 200 * dt, dt=dt, burn_in=0.1, batch=100).ys
    error = np.asarray(to_channels(ys), dtype=float) - unstandardized(source, found.truth)
    assert np.median(np.abs(error / np.asarray(source.standardizer.std))) < 0.02


def test_the_standardizer_makes_new_recordings_standard(plain):
    truth = np.asarray(drawn(plain, jax.random.key(7), 64, 4000).truth, float).reshape(-1, 7)
    np.testing.assert_allclose(truth.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(truth.std(axis=0), 1, rtol=0.15)


def test_draws_are_double_precision_where_that_is_enabled(x64, rich):
    source = jax.tree.map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, rich)
    found = jax.eval_shape(lambda: source.draw(4, 50, key=jax.random.key(0)))
    assert found.values.dtype == found.truth.dtype == jnp.float64
    assert found.values.shape == found.measured.shape == found.truth.shape == (4, 50, 7)


def test_all_channels_of_any_kind_are_observed():
    assert simulated(kinds=["y0", ("y4", "eeg")], burn_in=0.0).observed.names == ("y0", "y4", "eeg")


def test_columns_that_blow_up_are_replaced_by_others():
    """RK4 at 1 ms is unstable from a = 2785 /s on."""
    source = simulated(ranges={"a": (100.0, 6000.0)}, burn_in=0.0)
    truth = np.asarray(eqx.filter_jit(lambda key: source.draw(16, 64, key=key).truth)(jax.random.key(0)))
    assert np.isfinite(truth).all()
    different = {column.tobytes() for column in truth}
    assert 2 < len(different) < 16


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": -0.1}, r"`noise` must be a fraction .* got -0\.1"),
        ({"noise": float("nan")}, "`noise` must be a fraction .* got nan"),
        ({"noise": float("inf")}, "`noise` must be a fraction .* got inf"),
        ({"noise": (0.5, 0.1)}, r"`noise` must be .* the least and the largest, both positive, got \(0\.5, 0\.1\)"),
        ({"noise": (0.0, 0.1)}, r"both positive, got \(0\.0, 0\.1\)"),
        ({"noise": (0.1, float("nan"))}, r"both positive, got \(0\.1, nan\)"),
        ({"noise": (0.1, 0.2, 0.3)}, r"both positive, got \(0\.1, 0\.2, 0\.3\)"),
        ({"noise": 0.1, "noise_std": 0.2}, r"`noise` and `noise_std` exclude each other, got 0\.1 and 0\.2"),
        ({"noise_std": -0.2}, "`noise_std` must be finite and not negative, got -0.2"),
        ({"noise_std": np.ones(6)}, r"`noise_std` must be one number or 7, one a channel, got shape \(6,\)"),
        ({"gaps": -0.1}, r"`gaps` must be a fraction from 0 to below 1, got -0\.1"),
        ({"gaps": 1.0}, r"`gaps` must be a fraction from 0 to below 1, got 1\.0"),
        ({"gaps": float("nan")}, "`gaps` must be a fraction from 0 to below 1, got nan"),
        ({"kinds": []}, r"`len\(kinds\)` must be a whole number of at least 1, got 0"),
        ({"kinds": "eeg"}, r"`kinds` must be a list of kinds of recordings, got one: \['eeg'\]"),
        ({"kinds": ["y9"]}, "`kinds` must be one of .*, got 'y9'"),
        ({"kinds": [EEG, ()]}, "`kinds` must name at least one of"),
        ({"ranges": {"Q": (1.0, 2.0)}}, "`ranges` must name some of A, B, .*; got Q"),
        ({"ranges": {"C": (float("nan"), 2.0)}}, r"`ranges` must give .* value of C, got \(nan, 2.0\)"),
        ({"ranges": {"C": (2.0, 1.0)}}, r"`ranges` must give the least and the largest value of C, got \(2.0, 1.0\)"),
        ({"ranges": {"C": (1.0, 2.0, 3.0)}}, r"`ranges` must give .* value of C, got \(1.0, 2.0, 3.0\)"),
        ({"ranges": {"C": 135.0}}, r"`ranges` must give .* value of C, got 135.0"),
        ({"ranges": {"a": (-1.0, 100.0)}}, "`a` must be positive, got -1.0"),
        ({"columns": 0}, "`columns` must be a whole number of at least 1, got 0"),
        ({"samples": 1.5}, "`samples` must be a whole number of at least 1, got 1.5"),
        ({"dt": 0.0}, r"`dt` must be positive, got 0\.0"),
        ({"dt": -1e-3}, r"`dt` must be positive, got -0\.001"),
        ({"dt": 2e-3}, "`dt` must divide the input's `hold`"),
        ({"burn_in": -1.0}, r"`burn_in` must be finite and not negative, got -1\.0"),
        ({"column": JansenRitParameters()}, "`column` must be an instance of Column"),
        ({"column": steady(C=[120.0, 135.0])}, "`column` must be one column, got a batch of 2: .* `ranges`"),
        ({"column": steady(p=0.0), "burn_in": 4.0}, "`column` must vary, got a constant"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulated(**arguments)
