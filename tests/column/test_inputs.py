from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import (
    RK4,
    Column,
    ConstantInput,
    EvokedPulseInput,
    FixedStepHeun,
    JansenRitParameters,
    NoiseStream,
    OrnsteinUhlenbeckInput,
    UniformNoiseInput,
    WhiteNoiseInput,
    noise_stream,
    simulate,
)


def column(input):
    return Column(JansenRitParameters(), input)


def rates(input, ts):
    return np.asarray(jax.vmap(input.rate)(jnp.asarray(ts)))


def test_constant_input_is_constant_and_not_random():
    input = ConstantInput(220)
    np.testing.assert_array_equal(rates(input, [-1.0, 0.0, 1e3]), [220] * 3)
    assert input.hold is None
    assert not input.random


def test_uniform_noise_has_no_smooth_part():
    np.testing.assert_array_equal(rates(UniformNoiseInput(120, 320, hold=1e-3), [0.0, 0.5]), np.zeros(2))


def test_uniform_noise_statistics(key, held_values):
    n = 100_000
    values = held_values(UniformNoiseInput(120, 320, hold=1e-3), n, key)
    assert 120 <= values.min() < 120.1
    assert 319.9 < values.max() < 320
    five_errors = 5 / np.sqrt(n)
    unit = (values - 220) / (200 / np.sqrt(12))
    assert abs(unit.mean()) < five_errors
    assert abs(unit.var() - 1) < five_errors
    assert abs(np.mean(unit[1:] * unit[:-1])) < five_errors


def test_uniform_noise_of_another_key_or_trajectory_is_another(key, held_values):
    input = UniformNoiseInput(120, 320, hold=1e-3)
    values = held_values(input, 1000, key)
    np.testing.assert_array_equal(held_values(input, 77, key), values[:77])
    assert np.mean(held_values(input, 1000, jax.random.key(1)) == values) < 0.01
    assert np.mean(held_values(input, 1000, key, trajectory=1) == values) < 0.01


def test_evoked_pulse_has_the_published_peak():
    onset, ts = 0.2, np.arange(0.0, 0.5, 1e-4)
    pulse = rates(EvokedPulseInput(onset, ConstantInput(0)), ts)
    assert ts[pulse.argmax()] == pytest.approx(onset + 7 * 0.005, abs=1e-4)
    assert pulse.max() == pytest.approx(0.5 * 7**7 * np.exp(-7), rel=1e-5)
    assert pulse.max() == pytest.approx(375, rel=2e-3)


def test_evoked_pulse_is_zero_before_its_onset_and_positive_after():
    pulse = EvokedPulseInput(0.2, ConstantInput(120))
    np.testing.assert_array_equal(rates(pulse, [-10.0, 0.0, 0.1, 0.2]), [120] * 4)
    assert np.all(rates(pulse, [0.205, 0.25, 0.3]) > 120)


def test_evoked_pulse_takes_amplitude_width_and_order():
    pulse = EvokedPulseInput(0.0, ConstantInput(0), q=2.0, w=0.01, n=3)
    ts = np.array([0.004, 0.03, 0.07])
    np.testing.assert_allclose(rates(pulse, ts), 2 * (ts / 0.01) ** 3 * np.exp(-ts / 0.01), rtol=1e-5)


def test_evoked_pulse_holds_what_its_background_holds(key, held_values):
    background = UniformNoiseInput(120, 320, hold=2e-3)
    pulse = EvokedPulseInput(0.2, background)
    assert pulse.hold == background.hold
    np.testing.assert_array_equal(held_values(pulse, 9, key), held_values(background, 9, key))


@pytest.mark.parametrize("onset", [0.1, 0.1005])
def test_evoked_pulse_has_finite_gradients_at_and_around_its_onset(onset):
    slope = jax.grad(lambda onset: EvokedPulseInput(onset, ConstantInput(0)).rate(jnp.asarray(0.1)))(onset)
    assert np.isfinite(slope)


def pulse_on(background):
    return EvokedPulseInput(0.02, background)


def white(**changed: Any):
    return WhiteNoiseInput(**(dict(p=220, intensity=6.0) | changed))


def wandering(**changed: Any):
    return OrnsteinUhlenbeckInput(**(dict(p=220, sd=50, correlation_time=0.02, hold=7e-3) | changed))


# White noise


def test_white_noise_is_random_though_nothing_is_held():
    input = white()
    assert input.random
    assert input.hold is None
    assert input.memory is None
    assert input.white == 6.0
    np.testing.assert_array_equal(rates(input, [0.0, 0.5]), [220, 220])


def test_a_pulse_is_as_white_as_its_background_and_remembers_as_much():
    for background in (ConstantInput(220), UniformNoiseInput(120, 320, hold=1e-3), white(), wandering()):
        pulse = pulse_on(background)
        for name in ("random", "hold", "white", "memory"):
            assert getattr(pulse, name) == getattr(background, name), name


def normal_pairs(key, trajectory, steps, *, swapped):
    stream = noise_stream(key, trajectory)
    stream = NoiseStream(stream.second, stream.first) if swapped else stream
    pairs = jax.jit(lambda indices: jax.vmap(stream.normal_pair)(indices))(jnp.arange(steps))
    return np.asarray(pairs, dtype=float)


def drawn(ys, dt=1e-3):
    """The external input that Euler steps from zero must have had, from the equation of `y4`."""
    ys = np.concatenate([np.zeros((1, 6)), np.asarray(ys, dtype=float)])
    firing_rate = 5 / (1 + np.exp(0.56 * (6 - 135 * ys[:-1, 0])))
    return (np.diff(ys[:, 4]) / dt + 200 * ys[:-1, 4] + 1e4 * ys[:-1, 1]) / 325 - 108 * firing_rate


def test_white_noise_on_top_of_a_pulse_is_one_number_a_step_of_variance_one_over_dt(key):
    trajectories = simulate(column(pulse_on(white())), t1=0.1, dt=5e-4, solver=diffrax.Euler(), batch=3, key=key)
    s = np.maximum((5e-4 * np.arange(200) - 0.02) / 0.005, 0)
    for trajectory in (0, 2):
        expected = 220 + 0.5 * s**7 * np.exp(-s)
        expected += 6 / np.sqrt(5e-4) * normal_pairs(key, trajectory, 200, swapped=True)[0]
        np.testing.assert_allclose(drawn(trajectories.ys[trajectory], 5e-4), expected, atol=0.5)


# Ornstein-Uhlenbeck noise


def remembered(key, trajectory, holds, *, sd, correlation_time, hold):
    """The exact recursion, in NumPy."""
    normal = normal_pairs(key, trajectory, holds, swapped=False)[0]
    decay = np.exp(-hold / correlation_time)
    values = [sd * normal[0]]
    for number in normal[1:]:
        values.append(decay * values[-1] + sd * np.sqrt(1 - decay**2) * number)
    return np.array(values)


HOLD = 4e-3


@pytest.fixture(scope="module")
def ensemble():
    """512 columns over 2 s in steps of 1 ms: half of them in wide and slow noise, half in narrow and fast noise."""
    input = wandering(sd=np.repeat([60.0, 20.0], 256), correlation_time=np.repeat([0.05, 0.005], 256), hold=HOLD)
    ys = simulate(column(input), t1=2.0, dt=1e-3, solver=diffrax.Euler(), key=jax.random.key(3)).ys
    values = np.array([drawn(each) - 220 for each in np.asarray(ys)])
    return {(60.0, 0.05): values[:256], (20.0, 0.005): values[256:]}


def test_wandering_noise_is_the_exact_recursion_held_for_four_steps(ensemble):
    for first, ((sd, time), values) in zip((0, 256), ensemble.items(), strict=True):
        for index in (0, 255):
            expected = remembered(jax.random.key(3), first + index, 500, sd=sd, correlation_time=time, hold=HOLD)
            np.testing.assert_allclose(values[index], np.repeat(expected, 4), atol=0.5)


def test_wandering_noise_has_its_mean_and_standard_deviation_from_the_start(ensemble):
    for (sd, _), values in ensemble.items():
        for step in (0, 4, 20, 1000):
            assert abs(np.mean(values[:, step])) < 5 * sd / np.sqrt(256), step
            assert np.std(values[:, step]) == pytest.approx(sd, rel=5 / np.sqrt(2 * 256)), step
        assert np.std(values) == pytest.approx(sd, rel=0.05)


def test_wandering_noise_forgets_exponentially(ensemble):
    for (sd, time), values in ensemble.items():
        independent = 256 * 2.0 / (2 * time + HOLD)
        for lag in (1, 3, 10, 30):
            correlation = np.mean(values[:, 4 * lag :] * values[:, : -4 * lag]) / sd**2
            assert correlation == pytest.approx(np.exp(-lag * HOLD / time), abs=5 * np.sqrt(2 / independent)), lag


def test_columns_of_an_ensemble_wander_apart(ensemble):
    for (sd, _), values in ensemble.items():
        assert abs(np.mean(values[1:, ::100] * values[:-1, ::100])) / sd**2 < 5 / np.sqrt(255 * 20 / 2)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [None, 2])
def test_gradient_with_respect_to_wandering_noise_is_that_of_differences(x64, key, batch):
    settings: dict[str, Any] = dict(t1=0.03, dt=1e-3, solver=FixedStepHeun(), key=key, saveat=diffrax.SaveAt(t1=True))

    @jax.jit
    @jax.value_and_grad
    def score(values):
        sd, time = values
        input = wandering(sd=sd, correlation_time=time)
        return simulate(column(input), batch=batch, **settings).ys[..., 0, 1].sum()

    values = np.array([50.0, 0.02])
    gradient = score(jnp.asarray(values))[1]
    for index, step in enumerate(1e-4 * np.diag(values)):
        ends = [score(jnp.asarray(values + sign * step))[0] for sign in (1, -1)]
        difference = float(ends[0] - ends[1]) / (2e-4 * values[index])
        assert gradient[index] == pytest.approx(difference, rel=1e-6), index
        assert abs(difference) > 1e-4


# Both: what the noise depends on


def settled(input, y0=None, **settings: Any):
    """From a state that is not the very start."""
    y0 = np.array([0.08, 18.0, 12.0, -0.5, 30.0, -20.0]) if y0 is None else y0
    defaults: dict[str, Any] = dict(dt=1e-3, solver=FixedStepHeun(), key=jax.random.key(5))
    return simulate(column(input), y0=y0, **(defaults | settings)).ys


class CountingPulse(EvokedPulseInput):
    def rate(self, t):
        TRACED.append(t)
        return super().rate(t)


TRACED = []


@pytest.mark.parametrize("make", [white, wandering])
def test_noise_does_not_depend_on_batch_or_duration_and_carries_on(make):
    """Cut in the middle of a hold of 7 ms, which does not divide the 100 ms; the second part is not compiled anew."""
    input = CountingPulse(0.02, make())
    whole = settled(input, t1=0.2, batch=2)
    first = settled(input, t1=0.1, batch=2)
    np.testing.assert_allclose(first, whole[:, :100], rtol=1e-5, atol=2e-3)
    once = len(TRACED)
    second = settled(input, t0=0.1, t1=0.2, y0=first[:, -1])
    np.testing.assert_allclose(second, whole[:, 100:], rtol=1e-5, atol=2e-3)
    assert len(TRACED) == once > 0
    assert not np.allclose(first[0], first[1], rtol=0.01)
    assert not np.allclose(first, second, rtol=0.01)
    alone = settled(input, t1=0.1)
    np.testing.assert_allclose(alone, first[0], rtol=1e-5, atol=2e-3)
    assert not np.allclose(settled(input, t1=0.1, key=jax.random.key(6)), alone, rtol=0.01)


@pytest.mark.slow
def test_wandering_noise_does_not_depend_on_the_step_or_the_solver():
    fine = settled(wandering(), t1=0.1, dt=5e-4, solver=RK4(), saveat=diffrax.SaveAt(steps=2))
    adaptive = settled(wandering(), t1=0.1, solver=diffrax.Tsit5(), rtol=1e-6, atol=1e-6, batch=1)
    largest = np.max(abs(fine), axis=0, keepdims=True)
    assert np.max(abs(adaptive[0] - fine) / largest) < 1e-3


# Statistics over steps, as estimators know them


def test_statistics_of_held_noise_are_those_of_its_values(key, held_values):
    mean, held_std, white = UniformNoiseInput([120, 220], 320, hold=2e-3).statistics(2e-3)
    for index, low in enumerate((120, 220)):
        values = held_values(UniformNoiseInput(low, 320, hold=2e-3), 20_000, key)
        assert values.mean() == pytest.approx(float(mean[index]), rel=0.01)
        assert values.std() == pytest.approx(float(held_std[index]), rel=0.02)
        assert white[index] == 0


def test_statistics_of_constant_input_and_white_noise():
    assert [float(value) for value in ConstantInput(220).statistics(1e-3)] == [220, 0, 0]
    assert [float(value) for value in white().statistics(1e-3)] == [220, 0, 6]


NO_STATISTICS = "`column` must have a ConstantInput, WhiteNoiseInput or UniformNoiseInput, got "


@pytest.mark.parametrize(
    ("input", "message"),
    [
        (wandering(), f"{NO_STATISTICS}OrnsteinUhlenbeckInput"),
        (pulse_on(white()), f"{NO_STATISTICS}EvokedPulseInput"),
    ],
)
def test_inputs_without_independent_values_have_no_statistics(input, message):
    with pytest.raises(ValueError, match=message):
        input.statistics(1e-3)


# Records


def test_repr_has_values_and_units():
    assert repr(UniformNoiseInput([120, 90], 320, hold=1e-3)) == (
        "UniformNoiseInput(low=90 to 120 1/s (batch of 2), high=320 1/s, hold=0.001 s)"
    )
    assert repr(pulse_on(white())) == (
        "EvokedPulseInput(onset=0.02 s, background=WhiteNoiseInput(p=220 1/s, intensity=6 s^-1/2), q=0.5 1/s, "
        "w=0.005 s, n=7)"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConstantInput(np.nan), "`p` must be finite, got nan"),
        (lambda: UniformNoiseInput(np.nan, 320, hold=1e-3), "`low` must be finite, got nan"),
        (lambda: UniformNoiseInput(120, np.inf, hold=1e-3), "`high` must be finite, got inf"),
        (lambda: UniformNoiseInput(120, 320, hold=0.0), "`hold` must be positive, got 0.0"),
        (lambda: UniformNoiseInput(120, 320, hold=-1e-3), "`hold` must be positive, got -0.001"),
        (lambda: UniformNoiseInput(320, 120, hold=1e-3), "`high - low` must be positive, got -200.0"),
        (lambda: UniformNoiseInput([120, 320], 300, hold=1e-3), "`high - low` must be positive"),
        (lambda: UniformNoiseInput([1, 2], [3, 4, 5], hold=1.0), r"`low` and `high` must have one shape, got \(2,\)"),
        (lambda: white(p=np.inf), "`p` must be finite, got inf"),
        (lambda: white(intensity=-1.0), "`intensity` must be finite and not negative, got -1.0"),
        (lambda: white(intensity=[1.0, np.nan]), r"`intensity` must be finite and not negative, got nan .* \(2,\)"),
        (
            lambda: white(p=[1, 2], intensity=[1, 2, 3]),
            r"`p` and `intensity` .* one shape, got \(2,\) and \(3,\)",
        ),
        (lambda: wandering(p=np.nan), "`p` must be finite, got nan"),
        (lambda: wandering(sd=-1.0), "`sd` must be finite and not negative, got -1.0"),
        (lambda: wandering(correlation_time=0.0), "`correlation_time` must be positive, got 0.0"),
        (lambda: wandering(hold=0.0), "`hold` must be positive, got 0.0"),
        (lambda: wandering(hold=-1e-3), "`hold` must be positive, got -0.001"),
        (
            lambda: wandering(sd=[1, 2], correlation_time=[1, 2, 3]),
            r"`p` and `sd` and `correlation_time` must have one shape, got \(\) and \(2,\) and \(3,\)",
        ),
        (lambda: EvokedPulseInput(np.nan, ConstantInput(0)), "`onset` must be finite, got nan"),
        (lambda: EvokedPulseInput(0.1, ConstantInput(0), q=np.inf), "`q` must be finite, got inf"),
        (lambda: EvokedPulseInput(0.1, ConstantInput(0), w=0.0), "`w` must be positive, got 0.0"),
        (lambda: EvokedPulseInput(0.1, ConstantInput(0), n=0), "`n` must be a whole number of at least 1, got 0"),
    ],
)
def test_invalid_values_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
