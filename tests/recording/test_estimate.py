"""Estimates, and what estimators check of a recording."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import Trajectories
from jrae_jax.recording import EEG, AbstractEstimator, Estimate, QuantityEstimate, Recording, observe
from jrae_jax.recording.estimate import check_dt, check_observed, noise_std_of, result_of

MEAN = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
SUCCESSFUL, NONFINITE = diffrax.RESULTS.successful, diffrax.RESULTS.nonfinite
UNFINISHED = diffrax.RESULTS.max_steps_reached


def full():
    mean = jnp.asarray(MEAN)
    return Estimate(
        mean,
        jnp.ones_like(mean),
        {"C": QuantityEstimate(mean[..., 0], mean[..., 1])},
        mean[..., 2],
        result_of(mean),
        {"cost": jnp.arange(2.0), "steps": jnp.asarray(3)},
        dt=2e-3,
    )


def test_an_estimate_needs_a_mean_alone():
    estimate = Estimate(jnp.asarray(MEAN[0]), dt=1e-3)
    assert (estimate.batch, estimate.std, estimate.parameters, estimate.input) == (None, None, {}, None)
    assert estimate.result == SUCCESSFUL


def test_parts_of_a_batch():
    estimate = full()
    assert len(estimate) == estimate.batch == 2
    for index in (1, -1):
        one = estimate[index]
        np.testing.assert_array_equal(one.mean, MEAN[1])
        np.testing.assert_array_equal(one.std, np.ones((5, 6)))
        np.testing.assert_array_equal(one.parameters["C"].std, MEAN[1, :, 1])
        np.testing.assert_array_equal(one.input, MEAN[1, :, 2])
        assert (one.batch, one.dt, one.stats["cost"], one.stats["steps"]) == (None, 2e-3, 1, 3)
        assert one.result == SUCCESSFUL
    assert estimate[:1].mean.shape == (1, 5, 6)
    with pytest.raises(IndexError):
        estimate[2]
    with pytest.raises(TypeError, match="the estimate of a single recording has no length"):
        len(estimate[0])


def test_a_dataset_has_names_and_units():
    dataset = full().to_dataset()
    states, deviations = (tuple(f"y{i}{suffix}" for i in range(6)) for suffix in ("", "_std"))
    assert tuple(dataset.data_vars) == (*states, *deviations, "C", "C_std", "input")
    np.testing.assert_array_equal(dataset.C, full().parameters["C"].mean)
    np.testing.assert_array_equal(dataset.C_std, full().parameters["C"].std)
    np.testing.assert_array_equal(dataset.input, MEAN[..., 2])
    assert (dataset.C.attrs["units"], dataset.input.attrs["units"]) == ("1", "1/s")
    assert dataset.y4.dims == ("recording", "time")
    np.testing.assert_array_equal(dataset.y4, MEAN[..., 4])
    np.testing.assert_array_equal(dataset.time, 2e-3 * np.arange(5))
    assert (dataset.y0.attrs["units"], dataset.y4_std.attrs["units"]) == ("mV", "mV/s")
    single = Estimate(jnp.asarray(MEAN[0]), dt=1e-3).to_dataset()
    assert list(single.data_vars) == [f"y{i}" for i in range(6)]
    assert single.y0.dims == ("time",)


def test_repr_has_means_deviations_units_and_unknowns():
    lines = repr(Estimate(jnp.ones((2, 5, 6)), jnp.full((2, 5, 6), 0.25), full().parameters, dt=1e-3)).splitlines()
    assert lines[0] == "Estimate(2 x 5 samples"
    assert lines[1] == "  y0: 1 +- 0.25 mV"
    assert lines[6] == "  y5: 1 +- 0.25 mV/s"
    C = full().parameters["C"]
    each = ", ".join(f"{mean:.4g} +- {std:.2g}" for mean, std in zip(C.mean[:, -1], C.std[:, -1], strict=True))
    assert lines[7] == f"  unknown C: {each})"
    assert repr(Estimate(jnp.ones((5, 6)), dt=1e-3)).splitlines()[1] == "  y0: 1 mV"


@pytest.mark.parametrize(
    ("converged", "expected"),
    [
        (None, [SUCCESSFUL, NONFINITE, SUCCESSFUL, NONFINITE]),
        ([True, True, False, False], [SUCCESSFUL, NONFINITE, UNFINISHED, NONFINITE]),
    ],
)
def test_results_say_what_is_not_finite_and_what_did_not_converge(converged, expected):
    mean = jnp.ones((4, 5, 6)).at[1, 2, 3].set(np.nan).at[3, 4, 0].set(np.inf)
    given = None if converged is None else jnp.array(converged)
    found = result_of(mean, given)
    for index, result in enumerate(expected):
        assert jax.tree.map(lambda code, index=index: code[index], found) == result
        assert result_of(mean[index], None if given is None else given[index]) == result


class Repeater(AbstractEstimator):
    """Answers with a constant."""

    value: float

    def __call__(self, recording):
        return Estimate(jnp.full((*recording.values.shape[:-1], 6), self.value), dt=recording.dt)


def test_an_estimator_turns_a_recording_into_an_estimate():
    recording = observe(Trajectories(jnp.asarray(MEAN), dt=1e-3), observed=EEG)
    np.testing.assert_array_equal(Repeater(2.0)(recording).mean, np.full((2, 5, 6), 2.0))
    with pytest.raises(TypeError, match="abstract"):
        AbstractEstimator()  # pyright: ignore[reportAbstractUsage]


def test_a_recording_with_known_noise_is_returned_its_noise():
    recording = Recording.of(eeg=np.ones(5), dt=1e-3, noise_std=0.5)
    np.testing.assert_array_equal(noise_std_of(recording, "it"), np.full(7, 0.5))
    check_dt(recording, 1e-3 * (1 + 1e-5), "it")
    check_observed(recording, EEG, "it")


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda recording: noise_std_of(recording, "it"), "`recording` must have a noise_std for it, got None: "),
        (
            lambda recording: check_dt(recording, 2e-3, "it"),
            r"`recording` must have dt = 0\.002 s for it, got 0\.001 s",
        ),
    ],
)
def test_recordings_that_an_estimator_cannot_take_are_refused(check, message):
    with pytest.raises(ValueError, match=message):
        check(Recording.of(eeg=np.ones(5), dt=1e-3))
