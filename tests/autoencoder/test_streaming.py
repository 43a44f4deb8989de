import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.autoencoder import Autoencoder, Calibration, Reconstructor, StreamingDecoder, WindowedAutoencoder
from jrae_jax.recording import EEG, ObservationMask, Recording, Standardizer

STANDARDIZER = Standardizer(
    jnp.asarray([0.2, 20.0, 12.5, 0.0, 3.0, -1.0, 7.5]), jnp.asarray([0.1, 5.0, 3.0, 10.0, 900.0, 80.0, 2.0])
)
SOME = ObservationMask.from_names("y0", "y2", "eeg")
FACTOR = jnp.broadcast_to(jnp.arange(1.0, 13.0).reshape(2, 6, 1), (2, 6, 2))
CALIBRATION = Calibration(jnp.broadcast_to(jnp.asarray([-1.0, 1.0]), (2, 6, 2)), FACTOR)


def reconstructor(past=0.05, future=0.0):
    autoencoder = WindowedAutoencoder(
        past=past,
        future=future,
        latent_size=3,
        widths=(8, 6),
        filters=4,
        variational=True,
        key=jax.random.key(0),
    )
    return Reconstructor(autoencoder, [EEG, SOME], STANDARDIZER, CALIBRATION)


MEMORYLESS = Reconstructor(Autoencoder(widths=(8,), key=jax.random.key(0)), [SOME], STANDARDIZER)


def measured(*shape):
    """Recordings with gaps in channels and samples."""
    random = np.random.default_rng(0)
    values = np.asarray(STANDARDIZER.mean) + np.asarray(STANDARDIZER.std) * random.normal(size=(*shape, 7))
    values[random.random(values.shape) < 0.1] = np.nan
    values[..., 30:75, :] = np.nan
    return jnp.asarray(values, dtype=jnp.float32)


def recorded(values, observed=SOME, dt=1e-3):
    return Recording.from_array(values, observed=observed, dt=dt)


def decoder_of(model, **arguments):
    return StreamingDecoder(model, **{"observed": SOME, "dt": 1e-3} | arguments)


def streamed(decoder, values, chunks):
    state = decoder.init(*values.shape[:-2])
    parts, start = [], 0
    for length in chunks:
        state, estimate = decoder(state, recorded(values[..., start : start + length, :]))
        parts.append(estimate)
        start += length
    assert start == values.shape[-2]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=-2) if leaves[0].ndim > 1 else leaves, *parts)


@pytest.mark.parametrize(
    ("model", "shape"),
    [(reconstructor(0.003), (150,)), (reconstructor(), (3, 150)), (MEMORYLESS, (3, 150))],
    ids=["3 ms", "50 ms", "memoryless"],
)
def test_chunk_by_chunk_gives_what_the_whole_recording_gives(model, shape):
    values = measured(*shape)
    whole = jax.tree.map(np.asarray, model(recorded(values)))
    scale = np.asarray(STANDARDIZER.std[:6])
    assert np.isfinite(whole.mean).all()
    for chunks in ([150], [1, 1, 74, 74]):
        found = streamed(decoder_of(model), values, chunks)
        np.testing.assert_allclose(found.mean / scale, whole.mean / scale, atol=2e-5)
        assert (found.std is None) == (whole.std is None)
        if whole.std is not None:
            np.testing.assert_allclose(found.std, whole.std, rtol=1e-4)


def test_the_future_changes_nothing():
    decoder, values = decoder_of(reconstructor()), measured(100)
    altered = values.at[60:].add(5 * STANDARDIZER.std[None])
    found, other = (np.asarray(decoder(decoder.init(), recorded(some))[1].mean) for some in (values, altered))
    np.testing.assert_array_equal(found[:60], other[:60])
    assert (np.abs(found[80:] - other[80:]).max(axis=0) > 0).all()


def test_an_estimate_starts_with_its_chunk_and_nothing_is_compiled_for_that(compilations):
    model, values = reconstructor(), measured(4)
    decoder, info = decoder_of(model), jrae.recording.RecordingInfo
    for start in (0.0, 3600.0, 3600.5):
        before = len(compilations)
        chunk = dataclasses.replace(recorded(values), info=info(start=start))
        _, estimate = decoder(decoder.init(), chunk)
        assert estimate.to_dataset().time.values.tolist() == (start + 1e-3 * np.arange(4)).tolist()
        assert model(chunk).start == start
    assert len(compilations) == before


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (reconstructor(future=0.01), {}, "`reconstructor` must be causal .* reads 10 samples of the future"),
        (reconstructor(), {"dt": 4e-3}, r"`dt` must be 0.001 s, .* got 0.004 s"),
        (reconstructor(), {"dt": 0.0}, "`dt` must be positive, got 0.0"),
        (reconstructor(), {"observed": "y1"}, r"`observed` must be of a kind .* \(eeg; y0, y2, eeg\), got y1"),
    ],
)
def test_invalid_arguments(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        decoder_of(model, **arguments)


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (recorded(jnp.zeros((4, 7))), r"`chunk` must have shape \(2, 'samples', 7\), got \(4, 7\): init\(batch\)"),
        (recorded(jnp.zeros((3, 4, 7))), r"`chunk` must have shape \(2, 'samples', 7\), got \(3, 4, 7\)"),
        (recorded(jnp.zeros((2, 0, 7))), "`chunk` must have at least one sample, got none"),
        (recorded(jnp.zeros((2, 4, 7)), dt=2e-3), "`chunk.dt` must be 0.001 s, .*, got 0.002 s"),
        (recorded(jnp.zeros((2, 4, 7)), EEG), "`chunk` must show y0, y2, eeg, as the decoder was made for, got eeg"),
    ],
)
def test_a_chunk_must_fit_the_decoder(chunk, message):
    decoder = decoder_of(reconstructor())
    with pytest.raises(ValueError, match=message):
        decoder(decoder.init(2), chunk)
