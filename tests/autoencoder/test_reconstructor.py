import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.autoencoder import Autoencoder, Calibration, Reconstructor, WindowedAutoencoder
from jrae_jax.recording import (
    EEG,
    FULL,
    PYRAMIDAL,
    InconsistentRecordingWarning,
    ObservationMask,
    Recording,
    Standardizer,
)
from jrae_jax.recording.mask import Observed

MEAN = np.array([0.2, 20.0, 12.5, 0.0, 3.0, -1.0, 7.5])
STD = np.array([0.1, 5.0, 3.0, 10.0, 900.0, 80.0, 2.0])
SOME = ObservationMask.from_names("y0", "y4", "eeg")
STANDARDIZER = Standardizer(*(jnp.asarray(values, dtype=jnp.float32) for values in (MEAN, STD)))
DT = 2e-3


def reconstructor(*kinds):
    autoencoder = Autoencoder(latent_size=2, widths=(5,), activation="tanh", key=jax.random.key(0))
    return Reconstructor(autoencoder, kinds or [SOME], STANDARDIZER)


def windowed(*kinds, calibration=None, at_once=1024, **arguments):
    """20 samples back and 10 ahead."""
    small = {"past": 0.04, "future": 0.02, "dt": DT, "latent_size": 3, "widths": (6, 5), "filters": 3}
    autoencoder = WindowedAutoencoder(**small | arguments, key=jax.random.key(2))
    return Reconstructor(autoencoder, kinds or [SOME], STANDARDIZER, calibration, at_once=at_once)


def measured(*shape, seed=0):
    """Seven channels in mV and mV/s."""
    values = MEAN + STD * np.random.default_rng(seed).normal(size=(*shape, 7))
    return values.astype(np.float32)


def with_gaps(*shape):
    """Recordings with missing samples and channels."""
    values = measured(*shape)
    values[np.random.default_rng(1).random(values.shape) < 0.2] = np.nan
    values[..., 5:17, :] = np.nan
    return values


def recorded(values, observed: Observed = SOME, dt=DT):
    return Recording.from_array(jnp.asarray(values), observed=observed, dt=dt)


def scaled(states):
    return np.asarray(states) / STD[:6]


def by_numpy(model, channels):
    """Latent and states (mV, mV/s) of one instant, in double precision; 0 for what is hidden or missing."""
    standardized = (np.asarray(channels, dtype=float) - MEAN) / STD
    values = np.where(SOME.channels & np.isfinite(channels), standardized, 0.0)
    parts = []
    for layers in (model.autoencoder.encoder, model.autoencoder.decoder):
        for index, layer in enumerate(layers):
            values = np.asarray(layer.weight, dtype=float) @ values + np.asarray(layer.bias, dtype=float)
            values = np.tanh(values) if index < len(layers) - 1 else values
        parts.append(values)
    latent, states = parts
    return latent, states * STD[:6] + MEAN[:6]


@pytest.mark.parametrize("shape", [(4,), (2, 4)], ids=["time", "batch and time"])
def test_mv_in_and_mv_out_at_each_instant(shape):
    model, channels = reconstructor(), measured(*shape)
    channels[..., 2, 4] = np.nan  # missing
    estimate, latents = model(recorded(channels)), model.latents(recorded(channels))
    assert estimate.mean.shape == (*shape, 6)
    assert estimate.std is None
    assert (estimate.dt, latents.shape) == (DT, (*shape, 2))
    for instant in np.ndindex(shape):
        latent, expected = by_numpy(model, channels[instant])
        np.testing.assert_allclose(scaled(estimate.mean[instant]), scaled(expected), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(latents[instant], latent, atol=1e-5)


def test_a_window_is_laid_around_each_instant():
    model, values = windowed(), with_gaps(2, 50)
    autoencoder, recording = model.autoencoder, recorded(values)
    found, latents = model(recording).mean, model.latents(recording)
    standardized = STANDARDIZER.standardize(jnp.asarray(values))
    windows = autoencoder.features(standardized, jnp.asarray(np.isfinite(values) & SOME.channels), None)
    picked = np.array([(0, 0), (0, 12), (1, 31), (1, 49)]).T
    latent = jax.vmap(autoencoder.encode)(windows.at(jnp.asarray(windows.rows[*picked]))).mean
    np.testing.assert_allclose(latents[*picked], latent, atol=1e-5)
    states = np.asarray(jax.vmap(autoencoder.decode)(latent).mean) * STD[:6] + MEAN[:6]
    np.testing.assert_allclose(scaled(found[*picked]), scaled(states), atol=1e-5)


def test_a_batch_is_a_loop_over_recordings():
    model, values = windowed(), with_gaps(3, 45)
    found, latents = model(recorded(values)).mean, model.latents(recorded(values))
    assert (found.shape, latents.shape) == ((3, 45, 6), (3, 45, 3))
    alone = [model(recorded(one)).mean for one in values]
    np.testing.assert_allclose(scaled(found), scaled(np.stack(alone)), atol=1e-5)


def test_any_number_of_instants_goes_through_in_portions():
    recording = recorded(with_gaps(2, 45))
    whole, portions = (windowed(at_once=at_once)(recording).mean for at_once in (1024, 16))
    np.testing.assert_allclose(scaled(portions), scaled(whole), atol=1e-5)


def test_a_missing_sample_does_not_spread():
    model, values = windowed(), measured(60)
    gap = values.copy()
    gap[25:28, [0, 6]] = np.nan
    found, with_gap = (scaled(model(recorded(each)).mean) for each in (values, gap))
    assert np.all(np.isfinite(with_gap))
    changed = np.any(found != with_gap, axis=1)
    assert changed[25:28].all()
    # Ten samples before a gap it is in the window; twenty after it, and two for the noise estimate, no longer.
    assert not changed[: 25 - 10].any()
    assert not changed[28 + 22 :].any()
    with pytest.warns(InconsistentRecordingWarning, match="nothing was measured of y0"):
        estimate = model(recorded(np.full((60, 7), np.nan, np.float32)))
    assert np.all(np.isfinite(estimate.mean))


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda values: values / 1000, r"the size of \w+ is off by a factor of"),
        (lambda values: values + 7 * STD, r"the mean of \w+ is \d[.\d]* of its standard deviations from the usual"),
    ],
    ids=["in volts", "with an offset"],
)
def test_without_standard_deviations_another_unit_is_noticed(change, finding):
    model, values = reconstructor(), measured(2, 1000)

    def consistency(values):
        estimate = model(recorded(values.astype(np.float32)))
        assert estimate.std is None
        assert estimate.consistency is not None
        return estimate.consistency

    assert np.all(consistency(values).within)
    assert consistency(values).names == ("mean", "spread")
    assert np.all(consistency(2 * values - MEAN).within)
    with pytest.warns(InconsistentRecordingWarning, match=finding):
        found = consistency(change(values))
    assert not np.any(found.within)


def gradient_of(model, recording):
    """Of some combination of all outputs, with respect to the values of a recording."""
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(30, 6)) / STD[:6], jnp.float32)

    def any_output(values):
        return jnp.sum(weights * model(eqx.tree_at(lambda one: one.values, recording, values)).mean)

    return np.asarray(jax.grad(any_output)(recording.values))


@pytest.mark.parametrize("model", [reconstructor(), windowed()], ids=["memoryless", "windowed"])
@pytest.mark.parametrize("held", [np.nan, np.inf])
def test_hidden_and_missing_entries_have_no_gradient(model, held):
    recording = recorded(with_gaps(30))
    there = np.asarray(recording.measured)
    # A recording holds 0 there; the autoencoder must not rely on it.
    poisoned = eqx.tree_at(lambda one: one.values, recording, jnp.where(there, recording.values, held))
    gradient = gradient_of(model, poisoned)
    assert np.all(gradient[~there] == 0)
    assert np.all(np.isfinite(gradient))
    assert np.all(gradient[there] != 0)
    np.testing.assert_array_equal(model(poisoned).mean, model(recording).mean)


@pytest.mark.parametrize("samples", [1, 29])
def test_a_recording_may_be_shorter_than_the_window(samples):
    model, values = windowed(), measured(samples)
    found = model(recorded(values)).mean
    # Nothing is known of what lies outside: the same as if it had been missing.
    longer = np.full((40 + samples, 7), np.nan, np.float32)
    longer[25 : 25 + samples] = values
    expected = model(recorded(longer)).mean[25 : 25 + samples]
    np.testing.assert_allclose(scaled(found), scaled(expected), atol=1e-5)


def test_a_variational_autoencoder_reports_a_calibrated_standard_deviation():
    factors, recording = jnp.linspace(0.5, 3.0, 6), recorded(with_gaps(2, 30))
    both = jnp.stack([jnp.full(6, 9.0), factors])
    calibration = Calibration(jnp.broadcast_to(jnp.asarray([-1.0, 1.0]), (2, 6, 2)), jnp.stack([both, both], axis=-1))
    left_alone = windowed(variational=True)
    model = windowed(EEG, SOME, variational=True, calibration=calibration)
    raw, calibrated = left_alone(recording), model(recording)
    assert raw.std is not None
    assert calibrated.std is not None
    assert calibrated.mean.shape == calibrated.std.shape == (2, 30, 6)
    np.testing.assert_allclose(scaled(raw.mean), scaled(calibrated.mean), atol=1e-5)
    np.testing.assert_allclose(calibrated.std, np.asarray(raw.std) * np.asarray(factors), rtol=1e-5)
    states = model.autoencoder.decode(model.latents(recording)[1, 17])
    np.testing.assert_allclose(raw.std[1, 17], np.asarray(states.std) * STD[:6], rtol=1e-4)


def test_the_kind_is_read_from_the_recording_under_tracing_too():
    model, values = windowed(SOME, PYRAMIDAL, EEG, FULL), with_gaps(30)
    traced = eqx.filter_jit(lambda model, recording: model(recording).mean)
    for mask in (SOME, PYRAMIDAL, EEG, FULL):
        recording = recorded(values, mask)
        np.testing.assert_allclose(scaled(traced(model, recording)), scaled(model(recording).mean), atol=1e-5)
    with pytest.raises(RuntimeError, match="`recording` must be of a kind that the autoencoder was trained for"):
        traced(model, recorded(values, ("y1", "eeg"))).block_until_ready()


MANY = windowed(SOME, PYRAMIDAL, EEG, FULL)


def nine_outputs():
    autoencoder = Autoencoder(latent_size=2, widths=(5,), key=jax.random.key(0))
    wider = eqx.tree_at(lambda model: model.decoder[-1], autoencoder, eqx.nn.Linear(5, 9, key=jax.random.key(0)))
    return Reconstructor(wider, [SOME], STANDARDIZER)


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: MANY(recorded(measured(5), ("eeg", "y1"))),
            r"`recording` must be of a kind .* \(y0, y4, eeg; y0; eeg; and 1 more\), got y1, eeg",
        ),
        (lambda: reconstructor()(recorded(measured(5), EEG)), r"`recording` must be .* \(y0, y4, eeg\), got eeg"),
        (lambda: MANY.latents(recorded(measured(5), "y1")), "`recording` must be of a kind"),
        (
            lambda: MANY(recorded(measured(5), dt=1e-3)),
            r"`recording.dt` must be 0\.002 s, .*, got 0\.001 s: .*KalmanSmoother",
        ),
        (lambda: MANY.latents(recorded(measured(5), dt=2.001e-3)), r"must be 0\.002 s, .*, got 0\.002001 s"),
        (lambda: MANY(recorded(measured(0))), "`recording` must have at least one sample, got none"),
        (lambda: reconstructor("y7"), r"must be one of 'y0', .*, got 'y7'"),
        (
            lambda: nine_outputs()(recorded(measured(5))),
            r"`states` must end in an axis of the 6 states, as an autoencoder decodes them, got shape \(9,\)",
        ),
    ],
)
def test_invalid_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_rounding_of_dt_is_tolerated():
    model, values = windowed(), measured(5)
    found, exact = (model(recorded(values, dt=dt)).mean for dt in (DT * (1 + 1e-6), DT))
    np.testing.assert_array_equal(found, exact)


def test_it_prints_what_it_is_for():
    shown = repr(MANY)
    assert shown.startswith("Reconstructor(WindowedAutoencoder(past=0.04, future=0.02, dt=0.002, latent_size=3")
    assert shown.endswith("for y0, y4, eeg; y0; eeg; and 1 more)")
