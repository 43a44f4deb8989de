import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.studies.latent_dynamics import measure_motion


@pytest.fixture(scope="module")
def walk():
    """A rhythm that noise drives, in three dimensions, 1 ms apart."""
    step = 0.98 * np.array([[np.cos(0.06), np.sin(0.06), 0], [-np.sin(0.06), np.cos(0.06), 0], [0, 0, 0.99]])
    states = np.zeros((2000, 3))
    for index, noise in enumerate(np.random.default_rng(0).normal(size=(1999, 3))):
        states[index + 1] = step @ states[index] + noise
    return states


def test_every_measure_is_taken_of_the_trajectory(walk, key):
    found = measure_motion(walk, 1e-3, key=key)
    assert found.participation_ratio == jrae.participation_ratio(walk)
    assert found.line_share == jrae.line_share(walk)
    assert found.straightness == jrae.straightness(walk)
    assert found.two_nn.value == jrae.two_nn_dimension(walk, theiler=50, key=key).value
    assert found.correlation.value == pytest.approx(jrae.correlation_dimension(walk, theiler=50).value, nan_ok=True)
    expected = jrae.largest_exponent(walk, 1e-3, theiler=50)
    np.testing.assert_array_equal(found.divergence.log_distances, expected.log_distances)
    expected = jrae.prediction_test(walk, 1e-3, horizon=0.01, key=key)
    np.testing.assert_array_equal(found.prediction.surrogate_ratios, expected.surrogate_ratios)


def nothing_told(motion):
    numbers = [motion.two_nn.value, motion.correlation.value, motion.divergence.value, motion.prediction.p_value]
    no = not (motion.divergence.chaotic or motion.prediction.nonlinear)
    return no and np.isnan([*numbers, motion.prediction.ratio]).all()


def test_a_recording_that_is_too_short_has_a_shape_and_no_motion(walk, key):
    found = measure_motion(walk[:100], 1e-3, key=key)
    assert found.line_share == jrae.line_share(walk[:100])
    assert nothing_told(found)


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_latents_of_a_network_that_failed_have_no_measures(value, key):
    found = measure_motion(np.full((2000, 3), value, np.float32), 1e-3, key=key)
    assert np.isnan([found.participation_ratio, found.line_share, found.straightness]).all()
    assert nothing_told(found)


def test_the_study_measures_latents_and_what_they_were_made_of(small_study):
    latents = {case.name for case in small_study.cases}
    recordings = {
        f"{name}-{condition}"
        for name in ("as_published", "as_it_should_be")
        for condition in ("full", "potentials", "pyramidal")
    }
    assert set(small_study.motion) == latents | recordings
    assert all(len(motions) == 2 for motions in small_study.motion.values())
    for case in small_study.cases:
        for points, motion in zip(case.latents, small_study.motion[case.name], strict=True):
            assert motion.line_share == pytest.approx(jrae.line_share(points))
    states = np.asarray(small_study.examples["as_it_should_be"].ys, dtype=float)
    found = small_study.motion["as_it_should_be-potentials"][0]
    assert found.line_share == pytest.approx(jrae.line_share(states[:, :3] / states[:, :3].std(axis=0)))
    assert found.straightness != small_study.motion["as_it_should_be-potentials"][1].straightness
    assert small_study.motion["as_it_should_be-pyramidal"][0].line_share == pytest.approx(1)


def test_no_seed_s_random_numbers_are_another_s(small_study):
    first, second = (motion.prediction.surrogate_ratios for motion in small_study.motion["as_published-pyramidal"])
    assert not np.array_equal(first, second)
