from typing import Any

import jax
import numpy as np
import pytest

from jrae_jax.column import Column, ConstantInput, JansenRitParameters, UniformNoiseInput, WhiteNoiseInput
from jrae_jax.inference import MatchSpectrum, MatchTrace, fit_parameters
from jrae_jax.recording import Recording

COLUMN = Column(JansenRitParameters(), ConstantInput(220.0))
RANDOM = COLUMN.replace(input=WhiteNoiseInput(220.0, 6.0))
HELD = COLUMN.replace(input=UniformNoiseInput(120.0, 320.0, hold=1e-3))
DT = 2e-3
SIGNAL = np.sin(np.arange(2500.0))


def recording(v=SIGNAL, dt=DT, **others):
    return Recording.of(eeg=v, dt=dt, **others)


GAPS = np.where(np.isin(np.arange(2500), (3, 7)), np.nan, SIGNAL)


def stop(done, total, message):
    raise InterruptedError(message)


@pytest.mark.parametrize(("column", "stage"), [(COLUMN, "32 starts"), (RANDOM, "256 candidates")])
def test_without_a_method_the_input_decides(column, stage):
    with pytest.raises(InterruptedError, match=stage):
        fit_parameters(column, recording(), bounds={"C": (90.0, 180.0)}, key=jax.random.key(0), progress=stop)


def test_rates_that_are_too_fast_at_one_bound_alone_can_be_found():
    with pytest.raises(InterruptedError, match="32 starts"):
        fit_parameters(COLUMN, recording(), bounds={"a": (50.0, 4e3)}, key=jax.random.key(0), progress=stop)


TOO_FAST = "`column` must have rates a and b below {} /s, as it is followed in steps of 0.001 s, got {} /s"


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"column": COLUMN.replace(a=3e3)}, TOO_FAST.format(2367, 3000)),
        ({"column": RANDOM.replace(b=3e3)}, TOO_FAST.format(2000, 3000)),
        ({"bounds": {"a": (2500.0, 4000.0)}}, TOO_FAST.format(2367, 2500)),
        ({"column": COLUMN.replace(C=np.ones(2))}, r"`column` must be one column, got a batch of 2: .* column\[0\]"),
        ({"column": COLUMN.parameters}, "`column` must be an instance of Column, got JansenRitParameters"),
        ({"bounds": {}}, "`bounds` must name at least one quantity and give its bounds, got {}: bounds="),
        ({"bounds": {"X": (1.0, 2.0)}}, "`bounds` must name some of A, .*, p, gain; got X"),
        ({"bounds": {"A": 2.0}}, r"`bounds\['A'\]` must be a lower and an upper bound, got shape \(\)"),
        ({"bounds": {"A": (2.0, 1.0)}}, r"`bounds\['A'\]` must rise, got 2 to 1"),
        ({"bounds": {"A": (2.0, np.inf)}}, r"`bounds\['A'\]` must be finite, got inf"),
        (
            {"bounds": {"e0": (1.0, 4.0), "C": (90.0, 180.0)}},
            "`bounds` must name quantities that an EEG can distinguish, got e0 multiplied by x, C divided by x",
        ),
        ({"recording": SIGNAL}, r"`recording` must be an instance of Recording, got array"),
        (
            {"recording": recording(SIGNAL[:2000].reshape(4, 500))},
            r"`recording` must be one recording, got a batch of 4: .*\[0\]",
        ),
        ({"recording": recording(y0=SIGNAL)}, "`recording` must observe the eeg alone, got y0, eeg"),
        ({"recording": recording(GAPS)}, "`recording` must have no gaps, got 2 missing samples, the first is sample 3"),
        (
            {"recording": Recording.from_array(np.full((500, 7), 3.0), observed="eeg", dt=DT)},
            "`recording` must change, got 3 mV throughout",
        ),
        ({"recording": recording(SIGNAL[:50])}, "`recording` must have at least 125 samples of 0.002 s, got 50"),
        ({"recording": recording(dt=0.02)}, "`recording` must have a dt of at most 0.01 s, as columns move that fast"),
        ({"method": "trace"}, "`method` must be an instance of AbstractFitMethod, got 'trace'"),
        (
            {"method": MatchSpectrum()},
            r"`method` must be MatchTrace\(\) for a column whose input is not random, a ConstantInput, got MatchSpec",
        ),
        (
            {"method": MatchTrace(), "column": RANDOM},
            r"`method` must be MatchSpectrum\(\) for a column with a random input, a WhiteNoiseInput, got MatchTrace",
        ),
        (
            {"column": RANDOM, "recording": recording(SIGNAL[:400])},
            "`recording` must be at least 2 s long for a resolution of 0.5 Hz, got 0.8 s",
        ),
        (
            {"column": HELD, "recording": recording(dt=1 / 256)},
            "`column` must hold its input for a whole number of steps, which are 0.000976562 s",
        ),
        (
            {"column": RANDOM, "method": MatchSpectrum(band=(300.0, 400.0))},
            "`band` must end at the Nyquist frequency of `dt` = 0.002 s, 250 Hz, or below, got 300 to 400 Hz",
        ),
    ],
)
def test_invalid_arguments(changes, message):
    given: dict[str, Any] = {"column": COLUMN, "recording": recording(), "bounds": {"C": (90.0, 180.0)}}
    given |= {"key": jax.random.key(0), "progress": stop} | changes
    with pytest.raises(ValueError, match=message):
        fit_parameters(given.pop("column"), given.pop("recording"), **given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MatchTrace(y0=np.zeros(3)), r"`y0` must have shape \(6,\), got \(3,\)"),
        (lambda: MatchTrace(y0=np.full(6, np.nan)), "`y0` must be finite, got nan"),
        (lambda: MatchTrace(starts=0), "`starts` must be a whole number of at least 1, got 0"),
        (lambda: MatchSpectrum(starts=0), "`starts` must be a whole number of at least 1, got 0"),
        (lambda: MatchSpectrum(draws=0), "`draws` must be a whole number of at least 1, got 0"),
        (lambda: MatchSpectrum(resolution=0.0), "`resolution` must be positive, got 0.0"),
        (lambda: MatchSpectrum(band=(40.0, 10.0)), "`band` must rise, from 0 Hz or more, got 40.0 to 10.0 Hz"),
        (lambda: MatchSpectrum(0.05), "`duration` must be at least 20 s for a resolution of 0.05 Hz, got 15.0 s"),
    ],
)
def test_invalid_methods(make, message):
    with pytest.raises(ValueError, match=message):
        make()
