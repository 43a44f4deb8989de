"""Values that are hardly a signal are reported, and signals are not."""

import warnings

import jax
import numpy as np
import pytest

from jrae_jax.recording import Recording, RecordingInfo, SuspectValuesWarning

RANDOM = np.random.default_rng(1)
NOISE = 30 * RANDOM.normal(size=4000)
ALPHA = np.round(40 * np.sin(0.4 * np.arange(4000)) + NOISE)


def changed(signal, samples, value):
    values = np.array(signal)
    values[samples] = value
    return values


SOME = [5, *range(700, 730), 2000]


@pytest.mark.parametrize("code", [-9999, 9999, 999, -999, 99999, 32767, -32768, 12345])
@pytest.mark.parametrize("samples", [SOME, [0, 1, 2], [3998, 3999]], ids=["within", "at first", "at last"])
def test_codes_for_missing_samples_are_reported(code, samples):
    message = f"`eeg` has {len(samples)} samples of {code} far from the others, .*the first is sample {samples[0]}"
    with pytest.warns(SuspectValuesWarning, match=message):
        Recording.of(eeg=changed(ALPHA, samples, code), dt=4e-3, unit="uV")


def test_two_codes_and_many_missing_samples_are_reported():
    values = changed(changed(ALPHA, RANDOM.random(4000) < 0.4, -9999), [17], 9999)
    with pytest.warns(SuspectValuesWarning, match="samples of -9999 far from the others"):
        Recording.of(eeg=values, dt=4e-3)


def test_far_outliers_are_reported_by_the_name_and_recording_they_are_in():
    values = np.stack([ALPHA, changed(changed(ALPHA, 40, 2000.5), 50, -2100)])
    with pytest.warns(
        SuspectValuesWarning, match="`eeg` of recording 1 has 2 values far from .*the first is sample 40"
    ):
        Recording.of(eeg=values, dt=4e-3)
    with pytest.warns(SuspectValuesWarning, match="`O1` has 2 values far from the others"):
        Recording.of(eeg=values[1], dt=4e-3, info=RecordingInfo(("O1",)))


@pytest.mark.parametrize("value", [0.0, 150.0])
def test_flat_stretches_are_reported(value):
    with pytest.warns(
        SuspectValuesWarning, match=f"`eeg` has 80 samples without change, {value:g} from sample 1000 on"
    ):
        Recording.of(eeg=changed(ALPHA, slice(1000, 1080), value), dt=4e-3)
    with pytest.warns(SuspectValuesWarning, match="`eeg` has 500 samples without change, 3 from sample 0 on"):
        Recording.of(eeg=np.full(500, 3.0), dt=1e-3)


def blink():
    return ALPHA + 2000 * np.exp(-(((np.arange(4000) - 900) / 30) ** 2))


@pytest.mark.parametrize(
    "signal",
    [
        NOISE,
        ALPHA,
        RANDOM.laplace(size=4000),
        blink(),
        changed(ALPHA, slice(100, 900), np.nan),
        changed(ALPHA, slice(100, 110), 3.0),
        np.exp(-np.arange(4000) / 30),
        np.full(4000, np.nan),
        np.ones(5),
        np.zeros(0),
    ],
    ids=["noise", "alpha", "heavy tails", "blink", "missing", "quiet", "decaying", "nothing", "short", "none"],
)
def test_signals_are_not_reported(signal):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Recording.of(eeg=signal, dt=4e-3)


def test_traced_signals_are_not_looked_at():
    codes = changed(ALPHA, SOME, -9999)
    values = jax.jit(lambda signal: Recording.of(eeg=signal, dt=4e-3).values)(codes)
    np.testing.assert_array_equal(values[:, 6], codes)
