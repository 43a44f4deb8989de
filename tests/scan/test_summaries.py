"""Summaries fed by hand, block by block; what the engine feeds them is tested in `test_engine.py`."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import welch

import jrae_jax as jrae
from jrae_jax.scan import BANDS, REGIMES, Moments, Regime, Samples, Spectrum, TrajectoryInfo

COLUMN = jrae.Column(jrae.JansenRitParameters(), jrae.ConstantInput(220.0))


def info_of(samples, *, start=0.0, batch=1):
    return TrajectoryInfo(COLUMN, batch, 1e-3, start, samples)


def fed(summary, samples, *, blocks=None, dt=1e-3, column=COLUMN):
    """The results of one channel, `(time, columns)`, or several, `(time, channels, columns)`, cut into blocks.

    Of each block it gets the samples that it asks for.
    """
    samples = np.asarray(samples)[:, None] if np.ndim(samples) == 2 else np.asarray(samples)
    blocks = [len(samples)] if blocks is None else blocks
    assert sum(blocks) == len(samples)
    info = TrajectoryInfo(column, samples.shape[-1], dt, 0.0, len(samples))
    state, update = eqx.filter_jit(summary.init)(info), eqx.filter_jit(summary.update)
    for block in np.split(samples, np.cumsum(blocks)[:-1]):
        every = summary.blocks(dt).every
        state = update(info, state, jnp.asarray(block[every - 1 :: every], float))
    return {
        name: np.asarray(values, dtype=float) for name, values in eqx.filter_jit(summary.result)(info, state).items()
    }


def assert_same(results, others, **tolerance):
    assert results.keys() == others.keys()
    for name, values in results.items():
        np.testing.assert_allclose(values, others[name], **tolerance)


@pytest.fixture(scope="module")
def noise():
    """2200 samples of two channels of three columns."""
    return np.random.default_rng(0).normal([[[1.0], [-20.0]]], [[[0.5], [7.0]]], size=(2200, 2, 3))


# Moments


@pytest.mark.parametrize("blocks", [[2200], [1000, 1000, 200], [1, 999, 1200], [1100, 1099, 1]])
def test_moments_are_those_of_numpy_however_cut(noise, blocks):
    results = fed(Moments(("y1", "eeg")), noise, blocks=blocks)
    for i, channel in enumerate(("y1", "eeg")):
        values = noise[:, i]
        np.testing.assert_allclose(results[f"{channel}_mean"], values.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(results[f"{channel}_sd"], values.std(axis=0), rtol=1e-5)
        np.testing.assert_array_equal(results[f"{channel}_min"], values.min(axis=0).astype(np.float32))
        np.testing.assert_array_equal(results[f"{channel}_max"], values.max(axis=0).astype(np.float32))


def test_moments_sample_by_sample_are_those_block_by_block(noise):
    """As the kernel makes them, about the sample before the block."""
    summary, info = Moments(("y1", "eeg")), info_of(2200, batch=3)
    noise = jnp.asarray(noise, float)

    def channels(sample):
        return dict(zip(summary.channels, sample, strict=True)).__getitem__

    def block(state, before, samples):
        add = lambda running, sample: (summary.add(running, channels(sample)), None)  # noqa: E731
        running, _ = jax.lax.scan(add, summary.begin(channels(before)), samples)
        return summary.end(state, running, len(samples))

    state, before = summary.init(info), noise[700]
    for samples in np.split(noise, [900, 901, 1900]):
        state, before = eqx.filter_jit(block)(state, before, samples), samples[-1]
    blocks = fed(summary, noise)
    for name, values in summary.result(info, state).items():
        np.testing.assert_allclose(values, blocks[name], rtol=1e-5)


def test_moments_keep_a_small_spread_about_a_large_mean():
    values = np.random.default_rng(1).normal(1000, 0.01, size=(20_000, 16)).astype(np.float32)
    results = fed(Moments(), values, blocks=[1000] * 20)
    np.testing.assert_allclose(results["eeg_sd"], values.std(axis=0, dtype=float), rtol=2e-3)
    np.testing.assert_allclose(results["eeg_mean"], values.mean(axis=0, dtype=float), atol=5e-4)


def test_moments_of_one_sample():
    assert fed(Moments(), [[3.0]]) == dict(eeg_mean=3.0, eeg_sd=0.0, eeg_min=3.0, eeg_max=3.0)


# Samples


@pytest.mark.parametrize(("every", "blocks"), [(1, [1000, 1000, 200]), (7, [994, 994, 212]), (1100, [1100, 1100])])
def test_samples_are_every_nth(noise, every, blocks):
    summary = Samples(every, ("y1", "y4"))
    assert all(block % math.prod(summary.blocks(1e-3)) == 0 for block in blocks[:-1])
    results = fed(summary, noise, blocks=blocks)
    for i, channel in enumerate(("y1", "y4")):
        np.testing.assert_array_equal(results[f"{channel}_samples"], noise[every - 1 :: every, i].astype(np.float32))
    described = summary.variables(info_of(2200, start=0.5))["y4_samples"]
    assert described.units == "mV/s"
    np.testing.assert_allclose(described.coords["time"], 0.5 + 1e-3 * np.arange(1, 2201)[every - 1 :: every])


def test_a_last_block_may_hold_no_sample_to_be_kept(noise):
    results = fed(Samples(1000, ("y1", "y4")), noise, blocks=[2000, 200])
    np.testing.assert_array_equal(results["y1_samples"], noise[[999, 1999], 0].astype(np.float32))


# Spectrum

# every so many samples, so that at least 200 a second are left
THINNING = {1e-4: 50, 5e-4: 10, 1e-3: 5, 2e-3: 2, 5e-3: 1, 1e-2: 1}


def alpha_with_noise(dt, seconds):
    """Two columns: 10.3 Hz with noise, and noise alone about a mean."""
    ts = dt * np.arange(1, round(seconds / dt) + 1)
    noise = np.random.default_rng(2).normal(size=(len(ts), 2))
    return np.stack([7 + 1.4 * np.cos(2 * np.pi * 10.3 * ts), 2 + 0 * ts], axis=1) + [[0.3, 1.0]] * noise


def by_scipy(values, dt, resolution):
    """Band powers and dominant frequency from the density of scipy."""
    every = THINNING[dt]
    half = round(0.5 / (resolution * dt * every))
    frequencies, density = welch(
        values[every - 1 :: every].T, 1 / (dt * every), "hann", 2 * half, half, detrend="constant"
    )
    powers = [
        density[:, (frequencies >= low) & (frequencies < high)].sum(axis=1) * frequencies[1]
        if high <= frequencies[-1]
        else np.full(len(density), np.nan)
        for low, high in BANDS.values()
    ]
    peaks = []
    for row in np.log(density):
        top = 1 + np.argmax(row[1:-1])
        parabola = np.polyfit([-1, 0, 1], row[top - 1 : top + 2], 2)
        peaks.append(frequencies[top] + frequencies[1] * (-parabola[1] / 2 / parabola[0] if top > 1 else 0))
    return np.array(powers), np.array(peaks)


@pytest.mark.parametrize(
    ("dt", "resolution"), [(1e-3, 0.5), (5e-4, 2.0), (2e-3, 0.5), (5e-3, 1.0), (1e-4, 1.0), (1e-2, 1.0)]
)
def test_spectrum_is_that_of_scipy(dt, resolution):
    values = alpha_with_noise(dt, 6.3)
    summary = Spectrum(resolution=resolution)
    quantum = math.prod(summary.blocks(dt))
    assert quantum * dt == pytest.approx(0.5 / resolution)
    whole, rest = divmod(len(values), quantum)
    results = fed(summary, values, blocks=[(whole - 3) * quantum, 3 * quantum + rest], dt=dt)
    powers, peaks = by_scipy(values, dt, resolution)
    np.testing.assert_allclose(results["band_power"], powers, rtol=2e-4)
    np.testing.assert_allclose(results["dominant_frequency"], peaks, atol=2e-3)
    assert results["dominant_frequency"][0] == pytest.approx(10.3, abs=0.1 * resolution)
    assert results["band_power"][2, 0] == pytest.approx(1.4**2 / 2, rel=0.05)


def test_a_band_without_a_bin_or_above_the_nyquist_frequency_has_no_power():
    powers = fed(Spectrum(resolution=5.0), alpha_with_noise(1e-2, 6.3), dt=1e-2)["band_power"]
    assert [bool(np.isnan(power).all()) for power in powers] == [True, False, False, False, True]
    powers = fed(Spectrum(), alpha_with_noise(2e-2, 6.3), dt=2e-2)["band_power"]  # up to 25 Hz
    assert [bool(np.isnan(power).all()) for power in powers] == [False, False, False, True, True]


def test_spectrum_does_not_depend_on_how_samples_are_cut():
    values, summary = alpha_with_noise(1e-3, 4.7), Spectrum(resolution=1.0)
    whole = fed(summary, values)
    assert_same(fed(summary, values, blocks=[500] * 9 + [200]), whole, rtol=1e-5)
    assert_same(fed(summary, values, blocks=[1500, 1500, 1700]), whole, rtol=1e-5)


def test_dominant_frequencies_of_made_up_signals():
    """200 samples a second are left, unfiltered, so that 190 Hz look like 10 Hz; an equilibrium has no frequency."""
    ts = 1e-3 * np.arange(1, 4001)
    signals = {
        "9.87 Hz": (np.sin(2 * np.pi * 9.87 * ts), 9.87),
        "folded back": (np.sin(2 * np.pi * 190 * ts), 10),
        "slow drift": (np.cos(2 * np.pi * 0.4 * ts), 0.5),
        "zero": (0 * ts, np.nan),
        "equilibrium": (0 * ts + 7.52028995, np.nan),
    }
    results = fed(Spectrum(), np.stack([signal for signal, _ in signals.values()], axis=1))
    frequencies = [frequency for _, frequency in signals.values()]
    np.testing.assert_allclose(results["dominant_frequency"], frequencies, atol=0.02)
    assert results["dominant_frequency"][2] == 0.5
    np.testing.assert_allclose(results["band_power"][:, 3:], 0, atol=1e-8)


def test_spectrum_is_of_its_own_channel_and_describes_it():
    summary = Spectrum("y3", resolution=1.0)
    assert summary.channels == ("y3",)
    assert summary.variables(info_of(5000))["band_power"].units == "mV/s^2"


def test_a_column_that_is_not_finite_spoils_no_other():
    values = np.repeat(alpha_with_noise(1e-3, 4.0)[:, :1], 3, axis=1)
    good = fed(Spectrum(), values)
    values[1234:, 1] = np.nan
    results = fed(Spectrum(), values)
    assert np.isnan(results["dominant_frequency"][1])
    assert np.all(np.isnan(results["band_power"][:, 1]))
    for name in results:
        np.testing.assert_array_equal(results[name][..., ::2], good[name][..., ::2])


# Regime


SILENT, MIDDLE, ACTIVE = 1.0, 6.5, 9.0  # mV: below 10 %, between, above 80 % of the maximum firing rate


def stretches(*levels, length=100):
    """A signal that stays at each level for a tenth of a second."""
    return np.repeat(np.array(levels), length)


RISES = {
    (SILENT, ACTIVE): 1,
    (SILENT, MIDDLE, ACTIVE): 1,
    (SILENT, ACTIVE, MIDDLE, ACTIVE, MIDDLE, ACTIVE): 1,
    (SILENT, ACTIVE, SILENT, ACTIVE, MIDDLE, SILENT, MIDDLE, ACTIVE): 3,
    (SILENT, MIDDLE, SILENT, MIDDLE): 0,
    (ACTIVE, MIDDLE, ACTIVE): 0,
    (MIDDLE, ACTIVE, SILENT): 0,
}


@pytest.mark.parametrize("blocks", [[800], [100] * 8, [700, 100], [5] * 160])
def test_a_spike_is_a_rise_from_silent_to_active(blocks):
    signals = [stretches(*levels, *[levels[-1]] * (8 - len(levels))) for levels in RISES]
    results = fed(Regime(), np.stack(signals, axis=1), blocks=blocks)
    np.testing.assert_allclose(results["spike_rate"] * 0.8, list(RISES.values()), rtol=1e-6)


def test_thresholds_are_a_tenth_and_four_fifths_of_the_maximum():
    low, high = 6 - np.log(9) / 0.56, 6 + np.log(4) / 0.56
    pairs = [(low - 0.01, high + 0.01), (low + 0.01, high + 0.01), (low - 0.01, high - 0.01)]
    results = fed(Regime(), np.stack([stretches(*pair) for pair in pairs], axis=1))
    np.testing.assert_array_equal(results["spike_rate"] > 0, [True, False, False])


def swinging(mean, height):
    return mean + height / 2 * np.sin(2 * np.pi * 10 * 1e-3 * np.arange(3000))


def test_regimes_of_made_up_signals():
    two_spikes = stretches(*[SILENT] * 14, ACTIVE, *[SILENT] * 14, ACTIVE)
    one_spike = np.where(np.arange(3000) < 2900, two_spikes, SILENT)
    signals = {
        "steady and low": (np.full(3000, 2.0), "rest", 0),
        "steady and high": (np.full(3000, 9.0), "rest", 0),
        "swing above v0": (swinging(6.2, 1.0), "alpha", 0),
        "swing below v0": (swinging(5.8, 1.0), "rest", 0),
        "too small a swing": (swinging(7.5, 0.85), "rest", 0),
        "just a swing": (swinging(7.5, 0.95), "alpha", 0),
        "two spikes in 3 s": (two_spikes, "spike", 2 / 3),
        "one spike in 3 s": (one_spike, "rest", 1 / 3),
    }
    results = fed(Regime(), np.stack([signal for signal, *_ in signals.values()], axis=1), blocks=[1000] * 3)
    found = [REGIMES[int(code)] for code in results["regime"]]
    assert dict(zip(signals, found, strict=True)) == {name: regime for name, (_, regime, _) in signals.items()}
    np.testing.assert_allclose(results["spike_rate"], [rate for *_, rate in signals.values()], rtol=1e-6)


def test_regime_goes_by_the_parameters_of_each_column():
    """The second has the firing rates of the first, the third its potentials."""
    column = COLUMN.replace(v0=np.array([6.0, 3.0, 6.0]), r=np.array([0.56, 0.28, 0.28]))
    rates = 0.56 * (np.stack([stretches(SILENT, ACTIVE)] * 3, axis=1) - 6)
    values = rates / [[0.56, 0.28, 0.56]] + [[6, 3, 6]]
    results = fed(Regime(), values, column=column)
    assert [REGIMES[int(code)] for code in results["regime"]] == ["spike", "spike", "rest"]


def test_regime_of_what_is_not_finite_is_none():
    values = np.stack([stretches(SILENT, ACTIVE)] * 3, axis=1)
    values[150:, 1] = np.nan
    results = fed(Regime(), values)
    np.testing.assert_array_equal(results["regime"], [2, -1, 2])
    np.testing.assert_array_equal(np.isnan(results["spike_rate"]), [False, True, False])


@pytest.mark.parametrize(("dt", "every"), [(1e-3, 5), (3e-4, 16), (1e-4, 50)])
def test_regime_uses_the_same_samples_however_they_are_cut(dt, every):
    """Active but for the samples that it uses, 200 a second or more."""
    values = np.where(np.arange(1, 6001) % every == 0, SILENT, ACTIVE)[:, None]
    block = 1000 - 1000 % math.prod(Regime().blocks(dt))
    blocks = [block] * (6000 // block) + [6000 % block] * (6000 % block > 0)
    assert fed(Regime(), values, dt=dt)["spike_rate"] == 0
    assert fed(Regime(), values, dt=dt, blocks=blocks)["spike_rate"] == 0


# Descriptions


@pytest.mark.parametrize("summary", [Moments(("y0", "eeg")), Samples(9, ("y0", "y5")), Spectrum("y2"), Regime()])
def test_results_are_what_is_described(summary):
    info = info_of(3000, start=0.25, batch=4)
    described = summary.variables(info)
    results = eqx.filter_eval_shape(lambda info: summary.result(info, summary.init(info)), info)
    assert results.keys() == described.keys()
    for name, values in results.items():
        sizes = [len(described[name].coords[dim]) for dim in described[name].dims]
        assert values.shape == (*sizes, 4), name
        assert described[name].long_name
        assert described[name].units


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Moments(()), "`channels` must be some of y0, y1, y2, y3, y4, y5, eeg, got none"),
        (lambda: Moments(("y0", "v")), "`channels` must name some of y0, .*, eeg; got v"),
        (lambda: Samples(0), "`every` must be a whole number of at least 1, got 0"),
        (lambda: Samples(channels=("x",)), "`channels` must name some of .*; got x"),
        (lambda: Samples(11).variables(info_of(10)), "`every` must be at most the 10 samples there are, got 11"),
        (lambda: Spectrum("x"), "`channel` must be one of .* got 'x'"),
        (lambda: Spectrum(resolution=0.0), "`resolution` must be positive, got 0.0"),
        (
            lambda: Spectrum().variables(info_of(1999)),
            r"`summaries`: Spectrum with a resolution of 0\.5 Hz needs 2 s to summarise, got 1\.999 s",
        ),
    ],
)
def test_summaries_that_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
