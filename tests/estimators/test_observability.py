from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import (
    CHANNELS,
    STATES,
    JansenRitParameters,
    UniformNoiseInput,
    cramer_rao,
    equilibria,
    gramian,
    lie_singular_values,
    simulate,
    to_channels,
)

SCALE = np.array([0.02, 3.0, 2.0, 1.0, 250.0, 100.0])


def singular_values(parameters, observed, derivatives=5):
    states = equilibria(parameters, 220.0).states[0]
    return np.asarray(
        lie_singular_values(
            parameters, 220.0, states, observed, scale=jnp.asarray(SCALE, float), derivatives=derivatives
        )
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("channel", CHANNELS)
def test_each_channel_alone_tells_all_states_of_a_coupled_column(channel):
    found = singular_values(JansenRitParameters(), (channel,))
    assert np.all(np.diff(found) <= 0)
    assert found[-1] > 1e-8 * found[0]
    assert singular_values(JansenRitParameters(), (channel,), derivatives=4)[-1] == 0


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("change", "observed", "rank"),
    [
        ({}, ("y0",), 2),
        ({}, ("eeg",), 4),
        ({"b": 100.0}, ("eeg",), 2),
        ({}, ("y1", "y5"), 4),
        ({}, STATES, 6),
    ],
)
def test_without_synapses_a_channel_tells_of_its_own_potentials_only(change, observed, rank):
    parameters = JansenRitParameters(e0=0.0, **change)
    states = jnp.array([0.01, 1.0, 2.0, 1.0, 10.0, 20.0])
    found = lie_singular_values(parameters, 220.0, states, observed, scale=jnp.asarray(SCALE, float))
    assert np.sum(np.asarray(found) > 1e-9 * float(found[0])) == rank


def test_seen_at_one_instant_states_tell_of_themselves():
    found = singular_values(JansenRitParameters(), ("y0", "y4"), derivatives=0)
    np.testing.assert_allclose(found, [1, 1, 0, 0, 0, 0], atol=1e-6)


@pytest.mark.usefixtures("x64")
def test_the_gramian_is_that_of_finite_differences():
    parameters, noise = JansenRitParameters(), jnp.array([1e-3, 0.1, 0.1, 0.1, 5.0, 2.0, 0.1])
    input, observed = UniformNoiseInput(120.0, 320.0, hold=1e-3), ("y0", "eeg")
    settings: dict[str, Any] = {"dt": 1e-3, "key": jax.random.key(0)}
    start = simulate(parameters, input, t1=1.0, **settings).ys[-1]

    def recorded(y0):
        ys = jnp.concatenate([y0[None], simulate(parameters, input, t0=1.0, t1=1.1, y0=y0, **settings).ys])
        chosen = jnp.array([CHANNELS.index(name) for name in observed])
        return ys, (to_channels(ys) / noise[None])[:, chosen].ravel()

    columns = []
    for index in range(6):
        off = 1e-4 * SCALE[index] * jnp.eye(6)[index]
        columns.append((recorded(start + off)[1] - recorded(start - off)[1]) / (2e-4 * SCALE[index]))
    expected = np.array([[float(one @ other) for one in columns] for other in columns])
    found = gramian(parameters, recorded(start)[0], observed, noise_std=noise, dt=1e-3)
    units = SCALE[:, None] * SCALE
    np.testing.assert_allclose(found * units, expected * units, atol=1e-4 * np.max(expected * units))


def test_bounds_are_those_of_the_inverse():
    random = np.random.default_rng(0)
    slopes = random.normal(size=(3, 20, 6)) / SCALE
    information = np.einsum("kti,ktj->kij", slopes, slopes)
    expected = np.sqrt(np.einsum("kii->ki", np.linalg.inv(information)))
    np.testing.assert_allclose(cramer_rao(jnp.asarray(information, jnp.float32)), expected, rtol=1e-3)
    lacking = np.diag([1.0, 0, 4.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(cramer_rao(jnp.asarray(lacking, jnp.float32)), [1, np.inf, 0.5, 1, 1, 1])


def test_more_channels_and_longer_recordings_tell_more():
    input = UniformNoiseInput(120.0, 320.0, hold=1e-3)
    ys = simulate(JansenRitParameters(), input, t1=1.2, dt=1e-3, burn_in=1.0, batch=2, key=jax.random.key(0)).ys
    arguments: dict[str, Any] = {"noise_std": 0.05 * jnp.append(jnp.asarray(SCALE, float), 3.0), "dt": 1e-3}
    with jax.enable_x64(True):
        few, more, longer = (
            np.asarray(cramer_rao(gramian(JansenRitParameters(), ys[:, :samples], observed, **arguments)))
            for samples, observed in ((100, ("eeg",)), (100, ("eeg", "y2")), (200, ("eeg",)))
        )
    assert few.shape == (2, 6)
    assert np.all(more < few)
    assert np.all(longer < few)


def test_arguments_out_of_range_are_refused():
    parameters, ys = JansenRitParameters(), jnp.zeros((3, 6))
    with pytest.raises(ValueError, match=r"`observed` must be one of 'y0', .*, got 'y6'"):
        gramian(parameters, ys, ("y6",), noise_std=1.0, dt=1e-3)
    with pytest.raises(ValueError, match=r"`len\(observed\)` must be a whole number of at least 1, got 0"):
        gramian(parameters, ys, (), noise_std=1.0, dt=1e-3)
    with pytest.raises(ValueError, match="`noise_std` must be positive, got 0"):
        gramian(parameters, ys, ("y0",), noise_std=0.0, dt=1e-3)
    with pytest.raises(ValueError, match="`derivatives` must be a whole number of at least 0, got -1"):
        singular_values(parameters, ("y0",), derivatives=-1)
