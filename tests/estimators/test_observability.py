"""Observability: ranks known in closed form, and the Gramian against finite differences of whole simulations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jrae_jax.column import (
    CHANNELS,
    STATES,
    Column,
    ConstantInput,
    Trajectories,
    UniformNoiseInput,
    simulate,
    to_channels as channels_of,
)
from jrae_jax.estimators import cramer_rao, lie_singular_values, observability_gramian
from jrae_jax.recording import FULL

DT = 1e-3
SCALE = np.array([0.02, 3.0, 2.0, 1.0, 250.0, 100.0])


@pytest.fixture(scope="module")
def equilibrium(numpy_right_hand_side):
    """The only one of the standard column at p = 220 /s."""
    return scipy.optimize.root(numpy_right_hand_side, [0.1, 24.0, 17.0, 0.0, 0.0, 0.0], args=(220.0,), tol=1e-12).x


def singular_values(states, observed, *, derivatives=5, **quantities):
    column = Column.preset("jansen_rit_1995", ConstantInput(220.0)).replace(**quantities)
    return np.asarray(lie_singular_values(column, states, observed=observed, scale=SCALE, derivatives=derivatives))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("channel", CHANNELS)
def test_from_each_channel_alone_all_states_of_a_column_follow(equilibrium, channel):
    found = singular_values(equilibrium, channel)
    assert np.all(np.diff(found) <= 0)
    assert found[-1] > 1e-8 * found[0]
    fewer = singular_values(equilibrium, channel, derivatives=4)
    assert fewer[-1] < 1e-14 * fewer[0]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("quantities", "observed", "rank"),
    [
        ({}, "y0", 2),
        ({}, "eeg", 4),
        ({"b": 100.0}, "eeg", 2),
        ({}, ("y1", "y5"), 4),
        ({}, FULL, 6),
    ],
)
def test_without_synapses_only_the_potentials_of_a_channel_follow_from_it(quantities, observed, rank):
    found = singular_values(np.array([0.01, 1.0, 2.0, 1.0, 10.0, 20.0]), observed, e0=0.0, **quantities)
    assert np.sum(found > 1e-9 * found[0]) == rank


def test_from_one_instant_only_what_is_observed_follows(equilibrium):
    found = singular_values(equilibrium, ("y0", "y4"), derivatives=0)
    np.testing.assert_allclose(found, [1, 1, 0, 0, 0, 0], atol=1e-6)
    several = singular_values(np.stack([equilibrium] * 3)[None], ("y0", "y4"), derivatives=0)
    np.testing.assert_array_equal(several, np.broadcast_to(found, (1, 3, 6)))


@pytest.mark.usefixtures("x64")
def test_the_gramian_is_that_of_finite_differences():
    column = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=DT))
    noise_std, observed = jnp.array([1e-3, 0.1, 0.1, 0.1, 5.0, 2.0, 0.1]), ("y0", "eeg")
    key = jax.random.key(0)
    start = simulate(column, t1=1.0, dt=DT, key=key).ys[-1]
    offsets = 1e-4 * np.diag(SCALE)
    starts = jnp.concatenate([start[None], start[None] + offsets, start[None] - offsets])

    def path(y0):
        return jnp.concatenate([y0[None], simulate(column, t0=1.0, t1=1.1, dt=DT, y0=y0, key=key).ys])

    paths = [path(y0) for y0 in starts]  # under one input, which a batch would not have
    chosen = np.array([CHANNELS.index(name) for name in observed])
    recorded = np.stack([np.asarray(channels_of(ys) / noise_std[None])[:, chosen].ravel() for ys in paths])
    slopes = (recorded[1:7] - recorded[7:]) / (2e-4 * SCALE[:, None])
    expected = slopes @ slopes.T
    found = observability_gramian(column, Trajectories(paths[0], dt=DT), observed=observed, noise_std=noise_std)
    assert found.shape == (len(STATES), len(STATES))
    units = SCALE[:, None] * SCALE
    np.testing.assert_allclose(found * units, expected * units, atol=1e-4 * np.max(expected * units))


def test_more_channels_and_longer_recordings_lower_the_bound(recorded):
    with jax.enable_x64(True):
        column = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=DT))

        def bounds(samples, observed):
            trajectories = Trajectories(jnp.asarray(recorded.states[:2, :samples]), dt=DT)
            noise_std = recorded.noise_std
            gramian = observability_gramian(column, trajectories, observed=observed, noise_std=noise_std)
            return np.asarray(cramer_rao(gramian))

        few, more, longer = bounds(100, "eeg"), bounds(100, ("eeg", "y2")), bounds(200, "eeg")
    assert few.shape == (2, len(STATES))
    assert np.all(more < few)
    assert np.all(longer < few)
