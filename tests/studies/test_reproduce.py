import jax
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import CHANNELS
from jrae_jax.studies import AS_PUBLISHED, CONDITIONS, CORRECTED, StudySettings

CASES = [
    "as_published-full-observed",
    "as_published-potentials-observed",
    "as_published-pyramidal-observed",
    "corrected-full-all",
    "corrected-potentials-observed",
    "corrected-potentials-all",
    "corrected-pyramidal-observed",
    "corrected-pyramidal-all",
]


def test_every_case_is_there_for_every_seed(small_study):
    assert [case.name for case in small_study.cases] == CASES
    for case in small_study.cases:
        assert len(case.trainings) == len(case.scores) == len(case.chance) == len(case.latents) == 2
        assert np.isfinite(case.trainings[0].train_loss).all()


def test_where_all_is_observed_the_losses_are_one_case(small_study):
    observed, everything = (small_study.case(CORRECTED, "full", loss) for loss in ("observed", "all"))
    assert observed is everything


def test_published_recordings_are_the_studys_own(small_study, held_values):
    """Forward Euler at 1 ms from rest, p redrawn at every step, state saved after each step."""
    example = small_study.examples["as_published"]
    simulation_key = jax.random.split(jax.random.fold_in(jax.random.key(0), 0), 3)[0]
    input = jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)
    p = held_values(input, 1000, simulation_key).astype(float)
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
    estimate = case.trainings[0].reconstructor(jrae.observe(example, observed=CONDITIONS["pyramidal"])).mean
    expected = [np.corrcoef(example.ys[:, state], estimate[:, state])[0, 1] for state in range(6)]
    np.testing.assert_allclose(case.scores[0].r, expected, atol=1e-4)


def test_reconstructions_are_those_of_the_first_seed(small_study):
    case = small_study.case(CORRECTED, "potentials", "all")
    recording = jrae.observe(small_study.examples["corrected"], observed=CONDITIONS["potentials"])
    np.testing.assert_allclose(
        case.reconstruction, case.trainings[0].reconstructor(recording).mean, rtol=1e-4, atol=1e-4
    )


def test_autoencoders_read_what_the_protocol_says(small_study):
    """That of a recording whose other channels are not read has weights of 0 for them, after training too."""
    for condition, mask in CONDITIONS.items():
        published = small_study.case(AS_PUBLISHED, condition, "observed").trainings[0].reconstructor.autoencoder
        corrected = small_study.case(CORRECTED, condition, "all").trainings[0].reconstructor.autoencoder
        assert published.settings["inputs"] == corrected.settings["inputs"] == list(CHANNELS)
        for autoencoder, read in ((published, mask.channels), (corrected, np.ones(len(CHANNELS), bool))):
            np.testing.assert_array_equal(np.any(np.asarray(autoencoder.encoder[0].weight) != 0, axis=0), read)


def test_seeds_differ_in_noise_weights_and_result(small_study):
    reconstructors = [each.reconstructor for each in small_study.case(AS_PUBLISHED, "full", "observed").trainings]
    assert not np.array_equal(*(each.standardizer.mean for each in reconstructors))
    assert not np.array_equal(*(each.autoencoder.encoder[0].weight for each in reconstructors))


def test_chance_is_of_untrained_autoencoders(small_study):
    case = small_study.case(CORRECTED, "pyramidal", "all")
    assert case.r[:, 0].min() > 0.9
    assert not np.allclose(case.chance_r, case.r, atol=0.05)


def test_latents_are_of_the_held_out_recording_at_full_rate(small_study):
    case = small_study.case(CORRECTED, "full", "all")
    example = small_study.examples["corrected"]
    assert case.latents[0].shape == (1000, 3)
    latents = case.trainings[0].reconstructor.latents(jrae.observe(example, observed=CONDITIONS["full"]))
    np.testing.assert_allclose(case.latents[0], latents, rtol=1e-4, atol=1e-4)
    assert float(example.ts[0]) == pytest.approx(1.001)


def test_a_study_prints_its_settings_and_mean_scores(small_study):
    lines = repr(small_study).splitlines()
    assert lines[0].startswith("Study(seeds=2, epochs=2, latent_size=3")
    assert [line.split()[0] for line in lines[2:]] == CASES
    mean = small_study.case(CORRECTED, "pyramidal", "all").r.mean(axis=0)
    assert lines[-1].split()[1:] == [*(f"{r:.3f}" for r in mean[:5]), f"{mean[5]:.3f})"]


@pytest.mark.parametrize(
    ("condition", "loss", "message"),
    [
        ("eeg", "all", "`condition` must be one of 'full', 'potentials', 'pyramidal', got 'eeg'"),
        ("full", "hidden", "`loss` must be one of 'observed', 'all', got 'hidden'"),
    ],
)
def test_cases_that_do_not_exist(small_study, condition, loss, message):
    with pytest.raises(ValueError, match=message):
        small_study.case(CORRECTED, condition, loss)


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
    assert StudySettings.quick(seeds=7) == StudySettings(seeds=7, epochs=3, duration=2.0)
