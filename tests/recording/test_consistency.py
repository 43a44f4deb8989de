"""The record that says whether an estimate agrees with its recording."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.recording import Consistency, Estimate, InconsistentRecordingWarning


def consistency(statistics, limits=(1.0, 0.1), when=np.inf, batch=()):
    """Of two statistics of the EEG alone."""
    statistic, limit = np.zeros((*batch, 2, 7)), np.full((*batch, 2, 7), np.inf)
    statistic[..., -1] = statistics
    limit[..., -1] = limits
    return Consistency(
        jnp.asarray(statistic), jnp.asarray(limit), jnp.full((*batch, 2, 7), when), ("residual", "whiteness")
    )


def test_within_limits_nothing_is_said():
    fine = consistency((0.9, 0.09))
    assert bool(fine.within)
    fine.warn()
    assert fine.channels == ("eeg",)
    assert repr(fine) == "Consistency(within limits: yes; residual, whiteness of eeg)"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            consistency((38.0, 0.0), when=3.25),
            r"`recording` is unlike .*: what is left of eeg, low-passed .* is 38 of its reported std \(at most 1\), "
            r"most at 3\.25 s: states and std cannot be relied on; check the parameters and input",
        ),
        (consistency((0.5, 0.62)), r"what is left of eeg is no white noise, with an autocorrelation of 0\.62"),
        (consistency((np.inf, 0.0)), "nothing was measured of eeg"),
        (
            consistency([[0.5, 0.0], [2.0, 0.0], [3.0, 0.0]], batch=(3,)),
            r"made for \(2 of 3, the first is number 1\): what is left",
        ),
    ],
)
def test_what_is_beyond_a_limit_is_said(found, message):
    assert not np.all(found.within)
    with pytest.warns(InconsistentRecordingWarning, match=message):
        found.warn()


def test_an_estimate_warns_of_the_argument_and_is_itself():
    estimate = Estimate(jnp.zeros((5, 6)), consistency=consistency((2.0, 0.0)), dt=1e-3)
    with pytest.warns(InconsistentRecordingWarning, match="`chunk` is unlike"):
        assert estimate.warned("chunk") is estimate


def test_a_warning_points_at_the_line_that_asked():
    found = consistency((2.0, 0.0))
    estimate = Estimate(jnp.zeros((5, 6)), consistency=found, dt=1e-3)
    for ask in (found.warn, estimate.warned, lambda: estimate.warned("chunk")):
        with pytest.warns(InconsistentRecordingWarning) as warned:
            ask()
        assert warned[0].filename == __file__


def test_under_tracing_the_record_alone_says_so():
    def beyond(value):
        found = consistency((0.0, 0.0))
        found = Consistency(found.statistics + value, found.limits, found.when, found.names)
        found.warn()
        assert repr(found) == "Consistency(residual, whiteness)"
        return found.within

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not bool(jax.jit(beyond)(2.0))
        assert bool(jax.jit(beyond)(0.05))


def test_it_is_indexed_with_its_estimate_and_labelled():
    batch = consistency([[0.5, 0.0], [2.0, 0.0]], batch=(2,))
    estimate = Estimate(jnp.zeros((2, 5, 6)), consistency=batch, dt=1e-3)
    chosen = estimate[1].consistency
    assert chosen is not None
    assert not bool(chosen.within)
    dataset = batch.to_dataset()
    assert float(dataset.statistic.sel(name="residual", channel="eeg")[1]) == 2.0
    assert float(dataset.limit.sel(name="whiteness", channel="eeg")[0]) == pytest.approx(0.1)
