import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import CHANNELS, STATES, States, eeg, to_channels
from jrae_jax.column.states import (
    CHANNEL_UNITS,
    DERIVATIVE_STATES,
    EXCITATORY_STATES,
    INHIBITORY_STATES,
    POTENTIAL_STATES,
    PYRAMIDAL_STATES,
    STATE_LABELS,
    STATE_UNITS,
)

RANDOM = np.random.default_rng(0)


def test_order_is_potentials_then_their_derivatives():
    assert STATES == ("y0", "y1", "y2", "y3", "y4", "y5")
    assert (*STATES, "eeg") == CHANNELS
    assert STATE_UNITS == ("mV",) * 3 + ("mV/s",) * 3
    assert (*STATE_UNITS, "mV") == CHANNEL_UNITS
    for potential, derivative in zip(POTENTIAL_STATES, DERIVATIVE_STATES, strict=True):
        population = STATE_LABELS[potential].removesuffix(" potential")
        assert STATE_LABELS[derivative] == f"{population} derivative"


@pytest.mark.parametrize(
    ("group", "population"),
    [(PYRAMIDAL_STATES, "pyramidal"), (EXCITATORY_STATES, "excitatory"), (INHIBITORY_STATES, "inhibitory")],
)
def test_groups_are_what_their_labels_say(group, population):
    assert group == tuple(index for index, label in enumerate(STATE_LABELS) if label.startswith(population))


def test_states_by_name_come_from_either_axis():
    ys = RANDOM.normal(size=(4, 6)).astype(np.float32)
    for states in (States.unstack_last(jnp.asarray(ys)), States.unstack(jnp.asarray(ys.T))):
        assert states._fields == STATES
        for index, state in enumerate(states):
            np.testing.assert_array_equal(state, ys[:, index])


@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 4, 6)])
def test_eeg_is_excitatory_minus_inhibitory_potential(shape):
    ys = RANDOM.normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(eeg(jnp.asarray(ys)), ys[..., 1] - ys[..., 2])


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_channels_are_the_states_and_their_eeg(batch):
    ys = RANDOM.normal(size=(*batch, 6)).astype(np.float32)
    channels = np.asarray(to_channels(jnp.asarray(ys)))
    assert channels.shape == (*batch, 7)
    np.testing.assert_array_equal(channels[..., :6], ys)
    np.testing.assert_array_equal(channels[..., 6], ys[..., 1] - ys[..., 2])


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize("function", [eeg, to_channels])
@pytest.mark.parametrize("shape", [(), (6, 5), (7,), (2, 6, 1)])
def test_states_that_are_not_last_are_refused(function, shape):
    remedy = r": states come last, np.swapaxes\(array, -1, -2\)$" if 6 in shape else r"\)$"
    with pytest.raises(ValueError, match=rf"`ys` must end in an axis of the 6 states, got shape \(.*{remedy}"):
        function(jnp.zeros(shape))
