import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import to_channels
from jrae_jax.recording import Standardizer

SIZES, OFFSETS = np.array([0.1, 5, 3, 10, 900, 80]), np.array([0.2, 20, 12, 0, 3, -1])
STATES = jnp.asarray(OFFSETS + SIZES * np.random.default_rng(0).normal(size=(3, 40, 6)), jnp.float32)


@pytest.fixture(scope="module")
def standardizer():
    return Standardizer.fit(to_channels(STATES))


def test_mean_and_standard_deviation_are_those_of_numpy(standardizer):
    channels = np.asarray(to_channels(STATES), dtype=float).reshape(-1, 7)
    np.testing.assert_allclose(standardizer.mean, channels.mean(axis=0), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(standardizer.std, channels.std(axis=0), rtol=1e-5)


def test_destandardize_undoes_standardize(standardizer):
    standardized = standardizer.standardize(to_channels(STATES))
    np.testing.assert_allclose(standardizer.destandardize(standardized[..., :6]), STATES, rtol=1e-5, atol=1e-4)


def test_the_standard_deviation_of_an_error_is_scaled_and_not_shifted(standardizer):
    std = jnp.ones((3, 40, 6)) * 2
    np.testing.assert_allclose(
        standardizer.destandardize_std(std), standardizer.destandardize(std) - standardizer.destandardize(0 * std),
        rtol=1e-3, atol=1e-3,
    )  # fmt: skip


def test_the_eeg_of_standardized_states_varies_like_the_standardized_eeg(standardizer):
    standardized = standardizer.standardize(to_channels(STATES))
    np.testing.assert_allclose(standardizer.with_eeg(standardized[..., :6]), standardized, atol=1e-5)


def test_repr_has_means_and_standard_deviations():
    standardizer = Standardizer(jnp.arange(7.0), jnp.arange(7.0) + 0.5)
    assert repr(standardizer).startswith("Standardizer(y0=0 +- 0.5, y1=1 +- 1.5, ")
    assert repr(standardizer).endswith("eeg=6 +- 6.5)")
    texts = []
    jax.eval_shape(lambda standardizer: texts.append(repr(standardizer)), standardizer)
    assert texts == ["Standardizer(mean=f32[7], std=f32[7])"]


def constant(index, value):
    return to_channels(STATES).at[..., index].set(value)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        *[(constant(3, value), "`channels` must vary, got a constant y3") for value in (0.0, 0.5, 0.1, -12.7)],
        (constant(6, 1.0), "`channels` must vary, got a constant eeg over the training data"),
        (1e25 * constant(3, STATES[..., 3]), "`channels` must have a finite variance, .* deviation of inf in y0"),
    ],
)
def test_channels_without_a_finite_spread_are_refused(channels, message):
    with pytest.raises(ValueError, match=message):
        Standardizer.fit(channels)


def test_the_message_names_the_argument_given():
    with pytest.raises(ValueError, match="`trajectories` must vary, got a constant y3"):
        Standardizer.fit(constant(3, 1.0), "trajectories")
