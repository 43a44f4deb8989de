import jax.numpy as jnp
import numpy as np

from jrae_jax.column import to_channels
from jrae_jax.recording import LinearSensors

SCALE = np.array([0.2, 40.0, 30.0, 20.0, 4000.0, 1500.0])
NOISE_STD = np.array([0.02, 1.0, 0.5, 0.0, 10.0, 1e-9, 0.7])


def test_channels_are_linear_in_the_states_in_units_of_their_largest_values(x64):
    model = LinearSensors.from_scales(jnp.asarray(SCALE), jnp.asarray(NOISE_STD))
    ys = SCALE * np.random.default_rng(0).uniform(-1, 1, size=(20, 6))
    np.testing.assert_allclose(model.scale, [*SCALE, SCALE[1] + SCALE[2]])
    found = np.asarray(model.matrix @ (ys / SCALE).T).T * np.asarray(model.scale)
    np.testing.assert_allclose(found, to_channels(jnp.asarray(ys)), rtol=1e-12)
    np.testing.assert_allclose(np.abs(model.matrix).sum(axis=1), 1, rtol=1e-12)


def test_noise_is_a_fraction_of_the_scale_and_never_too_small_for_float32(x64):
    model = LinearSensors.from_scales(jnp.asarray(SCALE), jnp.asarray(NOISE_STD))
    found = np.asarray(model.noise * model.scale)
    np.testing.assert_allclose(found[[0, 1, 2, 4, 6]], NOISE_STD[[0, 1, 2, 4, 6]], rtol=1e-12)
    np.testing.assert_allclose(model.noise[jnp.array([3, 5])], 3e-5)
