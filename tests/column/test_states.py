import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import CHANNELS, STATES, eeg
from jrae_jax.column.states import (
    EXCITATORY_STATES,
    INHIBITORY_STATES,
    POTENTIAL_STATES,
    STATE_LABELS,
    STATE_UNITS,
)


def test_order_is_potentials_then_their_derivatives():
    assert STATES == ("y0", "y1", "y2", "y3", "y4", "y5")
    assert CHANNELS[:6] == STATES
    assert CHANNELS[6:] == ("eeg",)
    assert STATE_UNITS == ("mV",) * 3 + ("mV/s",) * 3
    for potential in POTENTIAL_STATES:
        population = STATE_LABELS[potential].removesuffix(" potential")
        assert STATE_LABELS[potential + 3] == f"{population} derivative"


@pytest.mark.parametrize(
    ("group", "population"), [(EXCITATORY_STATES, "excitatory"), (INHIBITORY_STATES, "inhibitory")]
)
def test_groups_are_what_their_labels_say(group, population):
    assert group == tuple(index for index, label in enumerate(STATE_LABELS) if label.startswith(population))


@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 4, 6)])
def test_eeg_is_excitatory_minus_inhibitory_potential(shape):
    ys = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(eeg(jnp.asarray(ys)), ys[..., 1] - ys[..., 2])
