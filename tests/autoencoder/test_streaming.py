import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import (
    EEG,
    Autoencoder,
    ObservationMask,
    Reconstructor,
    Standardizer,
    StreamingDecoder,
    Window,
    WindowedAutoencoder,
)

STANDARDIZER = Standardizer(
    jnp.asarray([0.2, 20.0, 12.5, 0.0, 3.0, -1.0, 7.5]), jnp.asarray([0.1, 5.0, 3.0, 10.0, 900.0, 80.0, 2.0])
)
SEEN = ObservationMask.of("y0", "y2", "eeg")


def model(past=0.05, future=0.0, mask=SEEN):
    network = WindowedAutoencoder(
        window=Window(past=past, future=future), latent_size=3, widths=(8, 6), filters=4, key=jax.random.key(0)
    )
    return Reconstructor(network, mask, STANDARDIZER)


def measured(*shape):
    """Recordings with gaps in channels and samples."""
    random = np.random.default_rng(0)
    values = np.asarray(STANDARDIZER.mean) + np.asarray(STANDARDIZER.std) * random.normal(size=(*shape, 7))
    values[random.random(values.shape) < 0.1] = np.nan
    values[..., 30:75, :] = np.nan
    return jnp.asarray(values, dtype=jnp.float32)


def streamed(decoder, recordings, chunks):
    state = decoder.init(*recordings.shape[:-2])
    parts, start = [], 0
    for length in chunks:
        state, states = decoder(state, recordings[..., start : start + length, :])
        parts.append(states)
        start += length
    assert start == recordings.shape[-2]
    return np.concatenate(parts, axis=-2)


@pytest.mark.parametrize("past", [0.003, 0.05])
@pytest.mark.parametrize("shape", [(150,), (3, 150), (2, 2, 150)], ids=str)
def test_chunk_by_chunk_gives_what_the_whole_recording_gives(shape, past):
    trained, recordings = model(past), measured(*shape)
    whole = np.asarray(trained(recordings, dt=1e-3))
    scale = np.asarray(STANDARDIZER.std[:6])
    assert np.isfinite(whole).all()
    for chunks in ([150], [1] * 4 + [71, 5, 70]):
        found = streamed(StreamingDecoder(trained, dt=1e-3), recordings, chunks)
        np.testing.assert_allclose(found / scale, whole / scale, atol=2e-5)


def test_what_is_still_to_come_changes_nothing():
    decoder, recordings = StreamingDecoder(model(), dt=1e-3), measured(100)
    altered = recordings.at[60:].add(5 * STANDARDIZER.std[None])
    found, other = (streamed(decoder, some, [100]) for some in (recordings, altered))
    np.testing.assert_array_equal(found[:60], other[:60])
    assert (np.abs(found[80:] - other[80:]).max(axis=0) > 0).all()


@pytest.mark.parametrize(
    ("trained", "dt", "message"),
    [
        (model(future=0.01), 1e-3, r"`model` must be causal .* got a window of 0.01 s into the future"),
        (model(), 4e-3, r"`dt` must be the 0.001 s .* got 0.004 s: resample"),
        (Reconstructor(Autoencoder(key=jax.random.key(0)), EEG, STANDARDIZER), 1e-3, "`model` must have a window"),
    ],
)
def test_what_cannot_be_streamed(trained, dt, message):
    with pytest.raises(ValueError, match=message):
        StreamingDecoder(trained, dt=dt)


@pytest.mark.parametrize("shape", [(4, 7), (3, 4, 7), (2, 2, 4, 7)])
def test_a_chunk_must_fit_to_the_state(shape):
    decoder = StreamingDecoder(model(), dt=1e-3)
    with pytest.raises(ValueError, match=r"`chunk` must have shape \(2, 'samples', 7\), got"):
        decoder(decoder.init(2), jnp.zeros(shape))
