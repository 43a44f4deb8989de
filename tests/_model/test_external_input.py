import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import ConstantInput, EvokedPulseInput, UniformNoiseInput


def rates(input, ts):
    return np.asarray(jax.vmap(input.rate)(jnp.asarray(ts)))


def test_constant_input_is_constant_and_draws_nothing(key):
    input = ConstantInput(220)
    np.testing.assert_array_equal(rates(input, [-1.0, 0.0, 1e3]), [220] * 3)
    assert input.hold is None
    np.testing.assert_array_equal(input.draw(5, key=key), np.zeros(5))


def test_uniform_noise_has_no_smooth_part():
    np.testing.assert_array_equal(rates(UniformNoiseInput(120, 320, hold=1e-3), [0.0, 0.5]), np.zeros(2))


def test_uniform_noise_statistics(key):
    n = 100_000
    values = np.asarray(UniformNoiseInput(120, 320, hold=1e-3).draw(n, key=key))
    assert 120 <= values.min() < 120.1
    assert 319.9 < values.max() < 320
    five_errors = 5 / np.sqrt(n)
    unit = (values - 220) / (200 / np.sqrt(12))
    assert abs(unit.mean()) < five_errors
    assert abs(unit.var() - 1) < five_errors
    assert abs(np.mean(unit[1:] * unit[:-1])) < five_errors


def test_uniform_noise_of_one_key_is_always_the_same_and_begins_the_same(key):
    input = UniformNoiseInput(120, 320, hold=1e-3)
    long = input.draw(1000, key=key)
    np.testing.assert_array_equal(input.draw(77, key=key), long[:77])
    assert not np.any(input.draw(1000, key=jax.random.key(1)) == long)


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


def test_evoked_pulse_draws_what_its_background_draws(key):
    background = UniformNoiseInput(120, 320, hold=2e-3)
    pulse = EvokedPulseInput(0.2, background)
    assert pulse.hold == background.hold
    np.testing.assert_array_equal(pulse.draw(9, key=key), background.draw(9, key=key))


@pytest.mark.parametrize("onset", [0.1, 0.1005])
def test_evoked_pulse_has_finite_gradients_at_and_around_its_onset(onset):
    slope = jax.grad(lambda onset: EvokedPulseInput(onset, ConstantInput(0)).rate(jnp.asarray(0.1)))(onset)
    assert np.isfinite(slope)


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
        (lambda: EvokedPulseInput(np.nan, ConstantInput(0)), "`onset` must be finite, got nan"),
        (lambda: EvokedPulseInput(0.1, ConstantInput(0), q=np.inf), "`q` must be finite, got inf"),
        (lambda: EvokedPulseInput(0.1, ConstantInput(0), w=0.0), "`w` must be positive, got 0.0"),
        (lambda: EvokedPulseInput(0.1, ConstantInput(0), n=0), "`n` must be a whole number of at least 1, got 0"),
    ],
)
def test_values_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()
