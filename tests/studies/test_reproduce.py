import jax
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.studies.reproduce import AS_IT_SHOULD_BE, AS_PUBLISHED, CONDITIONS, StudySettings

KEYS = [
    f"{protocol}-{condition}-{loss}"
    for protocol, condition, loss in [
        ("as_published", "full", "observed"),
        ("as_published", "potentials", "observed"),
        ("as_published", "pyramidal", "observed"),
        ("as_it_should_be", "full", "all"),
        ("as_it_should_be", "potentials", "observed"),
        ("as_it_should_be", "potentials", "all"),
        ("as_it_should_be", "pyramidal", "observed"),
        ("as_it_should_be", "pyramidal", "all"),
    ]
]


def test_every_case_is_there_for_every_seed(small_study):
    assert [case.name for case in small_study.cases] == KEYS
    for case in small_study.cases:
        assert len(case.fits) == len(case.scores) == len(case.chance) == len(case.latents) == 2
        assert np.isfinite(case.fits[0].train_loss).all()


def test_where_all_is_observed_the_losses_are_one_case(small_study):
    observed, everything = (small_study.case(AS_IT_SHOULD_BE, "full", loss) for loss in ("observed", "all"))
    assert observed is everything


def test_published_recordings_are_the_studys_own(small_study, held_values):
    """Forward Euler at 1 ms from rest, p redrawn at every step, state saved after each step."""
    example = small_study.examples["as_published"]
    simulation_key = jax.random.split(jax.random.fold_in(jax.random.key(0), 0), 3)[0]
    drive = jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)
    p = held_values(drive, 1000, simulation_key).astype(float)
    y = np.zeros(6)
    scale = np.max(np.abs(np.asarray(example.ys)), axis=0)
    for step in range(200):
        rate = 5 / (1 + np.exp(0.56 * (6 - np.array([y[1] - y[2], 135 * y[0], 33.75 * y[0]]))))
        drives = [325 * rate[0], 325 * (p[step] + 108 * rate[1]), 1100 * 33.75 * rate[2]]
        rates = np.array([100.0, 100.0, 50.0])
        y = y + 1e-3 * np.concatenate([y[3:], drives - 2 * rates * y[3:] - rates**2 * y[:3]])
        np.testing.assert_allclose(example.ys[step] / scale, y / scale, rtol=2e-4, atol=1e-5)
    assert example.ys.shape == (1000, 6)


def test_published_scores_are_on_the_training_data(small_study):
    case = small_study.case(AS_PUBLISHED, "pyramidal", "observed")
    example = small_study.examples["as_published"]
    estimate = case.fits[0].model(example.ys)
    expected = [np.corrcoef(example.ys[:, state], estimate[:, state])[0, 1] for state in range(6)]
    np.testing.assert_allclose(case.scores[0].r, expected, atol=1e-4)


def test_networks_see_what_the_protocol_says(small_study):
    for condition, mask in CONDITIONS.items():
        published = small_study.case(AS_PUBLISHED, condition, "observed").fits[0].model.network
        corrected = small_study.case(AS_IT_SHOULD_BE, condition, "all").fits[0].model.network
        assert published.settings["inputs"] == list(mask.names)
        assert corrected.settings["inputs"] == list(jrae.CHANNELS)


def test_seeds_differ_in_noise_weights_and_result(small_study):
    first, second = small_study.case(AS_PUBLISHED, "full", "observed").fits
    assert not np.array_equal(first.model.standardizer.mean, second.model.standardizer.mean)
    weights = [fitted.model.network.encoder[0].weight for fitted in (first, second)]
    assert not np.array_equal(*weights)


def test_chance_is_of_untrained_networks(small_study):
    case = small_study.case(AS_IT_SHOULD_BE, "pyramidal", "all")
    assert case.r[:, 0].min() > 0.9
    assert not np.allclose(case.chance_r, case.r, atol=0.05)


def test_latents_are_of_the_held_out_recording_at_full_rate(small_study):
    case = small_study.case(AS_IT_SHOULD_BE, "full", "all")
    example = small_study.examples["as_it_should_be"]
    assert case.latents[0].shape == (1000, 3)
    np.testing.assert_allclose(case.latents[0], case.fits[0].model.latents(example.ys), rtol=1e-4, atol=1e-4)
    assert float(example.ts[0]) == pytest.approx(1.001)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": 0}, "`seeds` must be a whole number of at least 1, got 0"),
        ({"epochs": 0}, "`epochs` must be"),
        ({"latent_size": 0}, "`latent_size` must be"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0"),
        ({"duration": 0.0}, "`duration` must be positive"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        StudySettings(**settings)


def test_quick_settings_can_be_overridden():
    assert StudySettings.quick(seeds=7) == StudySettings(seeds=7, epochs=3, duration=2.0, latent_sizes=(1, 3, 6))
