import numpy as np
import pytest

from jrae_jax import timeseries
from jrae_jax.studies import measure_latent_dynamics


@pytest.fixture(scope="module")
def walk():
    """A rhythm that noise drives, in three dimensions, 1 ms apart."""
    step = 0.98 * np.array([[np.cos(0.06), np.sin(0.06), 0], [-np.sin(0.06), np.cos(0.06), 0], [0, 0, 0.99]])
    states = np.zeros((2000, 3))
    for index, noise in enumerate(np.random.default_rng(0).normal(size=(1999, 3))):
        states[index + 1] = step @ states[index] + noise
    return states


def test_every_measure_is_taken_of_the_trajectory(walk, key):
    found = measure_latent_dynamics(walk, 1e-3, key=key)
    assert found.participation_ratio == timeseries.participation_ratio(walk)
    assert found.first_component_variance == timeseries.first_component_variance(walk)
    assert found.straightness == timeseries.straightness(walk)
    assert found.two_nn.value == timeseries.two_nn_dimension(walk, theiler=50, key=key).value
    assert found.correlation.value == pytest.approx(
        timeseries.correlation_dimension(walk, theiler=50).value, nan_ok=True
    )
    expected = timeseries.rosenstein_exponent(walk, 1e-3, theiler=50)
    np.testing.assert_array_equal(found.exponent.log_distances, expected.log_distances)
    expected = timeseries.surrogate_test(walk, 1e-3, horizon=0.01, key=key)
    np.testing.assert_array_equal(found.surrogates.surrogate_ratios, expected.surrogate_ratios)


def nothing_known(found):
    numbers = [found.two_nn.value, found.correlation.value, found.exponent.value, found.surrogates.p_value]
    no = not (found.exponent.chaotic or found.surrogates.nonlinear)
    return no and np.isnan([*numbers, found.surrogates.ratio]).all()


def test_a_recording_that_is_too_short_has_a_shape_and_no_dynamics(walk, key):
    found = measure_latent_dynamics(walk[:100], 1e-3, key=key)
    assert found.first_component_variance == timeseries.first_component_variance(walk[:100])
    assert nothing_known(found)


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_latents_of_an_autoencoder_that_failed_have_no_measures(value, key):
    found = measure_latent_dynamics(np.full((2000, 3), value, np.float32), 1e-3, key=key)
    assert np.isnan([found.participation_ratio, found.first_component_variance, found.straightness]).all()
    assert nothing_known(found)


def test_the_study_measures_latents_and_what_they_were_made_of(small_study):
    latents = {case.name for case in small_study.cases}
    recordings = {
        f"{name}-{condition}"
        for name in ("as_published", "corrected")
        for condition in ("full", "potentials", "pyramidal")
    }
    assert set(small_study.latent_dynamics) == latents | recordings
    assert all(len(seeds) == 2 for seeds in small_study.latent_dynamics.values())
    for case in small_study.cases:
        for points, found in zip(case.latents, small_study.latent_dynamics[case.name], strict=True):
            assert found.first_component_variance == pytest.approx(timeseries.first_component_variance(points))
    potentials = np.asarray(small_study.examples["corrected"].ys, dtype=float)[:, :3]
    first, second = small_study.latent_dynamics["corrected-potentials"]
    expected = timeseries.first_component_variance(potentials / potentials.std(axis=0))
    assert first.first_component_variance == pytest.approx(expected)
    assert first.straightness != second.straightness
    assert small_study.latent_dynamics["corrected-pyramidal"][0].first_component_variance == pytest.approx(1)


def test_seeds_have_surrogates_of_their_own(small_study):
    seeds = small_study.latent_dynamics["as_published-pyramidal"]
    first, second = (found.surrogates.surrogate_ratios for found in seeds)
    assert not np.array_equal(first, second)
