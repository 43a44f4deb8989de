import jax
import numpy as np
import pytest

from jrae_jax import (
    EEG,
    JansenRitParameters,
    StreamingDecoder,
    UniformNoiseInput,
    evaluate,
    load_pretrained,
    make_dataset,
    simulate,
)


@pytest.fixture(scope="module")
def recordings():
    drive = UniformNoiseInput(120.0, 320.0, hold=1e-3)
    keys = jax.random.key(11)
    return simulate(JansenRitParameters(), drive, t1=8.0, dt=1e-3, burn_in=2.0, batch=3, key=keys)


@pytest.mark.parametrize("causal", [False, True])
def test_hidden_states_come_back_as_far_as_they_can(recordings, causal):
    """The numbers of the Kalman smoother and filter, less what the scatter of 12 s allows."""
    least = {False: {"eeg": (0.98, 0.83), "y0": (0.96, 0.65)}, True: {"eeg": (0.96, 0.6), "y0": (0.8, 0.3)}}
    model = load_pretrained(causal=causal)
    for mask, (y1, y4) in least[causal].items():
        dataset = make_dataset(recordings, observed=mask, held_out=2, noise=0.05, key=jax.random.key(2))
        r = evaluate(model.observing(mask), dataset).r
        assert r[1] > y1
        assert r[4] > y4
        assert (r[[0, 2, 3, 5]] > 0.99).all()


def test_a_network_reads_what_it_was_trained_for():
    with pytest.raises(ValueError, match=r"must be what the network was trained for .y5; y4; y4, y5; and 61 more"):
        load_pretrained().observing(("y0", "eeg"))


def test_the_causal_one_decodes_as_it_happens(recordings):
    model = load_pretrained(causal=True).observing(EEG)
    dataset = make_dataset(recordings, observed=EEG, held_out=1, noise=0.05, key=jax.random.key(2))
    assert dataset.held_out is not None
    recording = dataset.held_out.recording[0, :600]
    decoder = StreamingDecoder(model, dt=1e-3)
    state, early = decoder(decoder.init(), recording[:300])
    _, late = decoder(state, recording[300:])
    whole, scale = np.asarray(model(recording, dt=1e-3)), np.asarray(model.standardizer.std)[:6]
    np.testing.assert_allclose(np.concatenate([early, late]) / scale, whole / scale, atol=1e-4)
