"""Checks of arguments, whatever verb they belong to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax import estimators, studies
from jrae_jax._checks import as_float, check_key, check_keys


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (0, "got 0"),
        (None, "got None"),
        (jax.random.key_data(jax.random.key(0)), r"got Array\(\[0, 0\], dtype=uint32\)"),
        (jax.random.split(jax.random.key(0), 3), r"got \(3,\) keys"),
    ],
)
def test_what_is_no_key_is_refused(value, came):
    with pytest.raises(ValueError, match=rf"^`key` must be one key of jax.random.key.*, {came}$"):
        check_key(key=value)


def test_a_key_passes_traced_or_not():
    key = jax.random.key(0)
    check_key(key=key)

    def draw(key):
        check_key(key=key)
        return jax.random.normal(key)

    assert jnp.shape(jax.jit(jax.vmap(draw))(jax.random.split(key, 2))) == (2,)


def drawing():
    """Every verb that draws, by its name, as a function of the key; but those of columns, scans and dynamics."""
    column = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0))
    trajectories = jrae.Trajectories(jnp.asarray(np.random.default_rng(0).normal(size=(3, 400, 6)), float), dt=1e-3)
    recording = jrae.Recording.of(eeg=trajectories.eeg[0], dt=1e-3)
    data = jrae.make_dataset(trajectories, observed="eeg", held_out=1)
    statistics = estimators.ColumnStatistics.from_states(trajectories.ys, dt=1e-3, longest_lag=0.01)
    autoencoder = jrae.Autoencoder(widths=(4,), key=jax.random.key(0))
    return {
        "observe": lambda key: jrae.observe(trajectories, observed="eeg", noise=0.1, key=key),
        "make_dataset": lambda key: jrae.make_dataset(trajectories, observed="eeg", held_out=1, noise=0.1, key=key),
        "SimulatedRecordings": lambda key: jrae.SimulatedRecordings(column, kinds=["eeg"], key=key),
        "Autoencoder": lambda key: jrae.Autoencoder(key=key),
        "WindowedAutoencoder": lambda key: jrae.WindowedAutoencoder(past=0.01, key=key),
        "train": lambda key: jrae.train(autoencoder, data, key=key),
        "fit_parameters": lambda key: jrae.fit_parameters(column, recording, bounds={"C": (100.0, 150.0)}, key=key),
        "MemorylessPredictor": lambda key: estimators.MemorylessPredictor.fit(
            statistics, observed="eeg", noise_std=0.1, key=key
        ),
        "pretrain": lambda key: studies.pretrain(key=key),
        "compare_latent_sizes": lambda key: studies.compare_latent_sizes(key=key),
        "measure_latent_dynamics": lambda key: studies.measure_latent_dynamics(np.ones((9, 2)), 1e-3, key=key),
    }


@pytest.mark.usefixtures("without_type_checker")
def test_every_verb_that_draws_refuses_what_is_no_key():
    for verb in drawing().values():
        for wrong in (0, jax.random.PRNGKey(0)):
            with pytest.raises(ValueError, match=r"^`key` must be one key of jax\.random\.key"):
                verb(wrong)


def test_keys_of_an_ensemble():
    check_keys(2, keys=jax.random.split(jax.random.key(0)))
    for wrong in ([0, 1], jax.random.key(0), jax.random.split(jax.random.key(0), 3)):
        with pytest.raises(ValueError, match=r"^`keys` must be 2 keys, as jax\.random\.split\(key, 2\) gives, got "):
            check_keys(2, keys=wrong)


def test_arrays_of_numpy_are_converted_without_a_program_for_each_shape(compilations):
    for values in (np.arange(41), np.linspace(0.0, 1.0, 43), np.ones((2, 47), np.float32), np.full(53, 1e300)):
        found = as_float(values)
        assert found.dtype == jnp.result_type(float)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(found, values.astype(found.dtype))
    assert compilations == []
