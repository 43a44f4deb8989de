"""What is learned from: windows of simulated recordings; and that one key makes one decoder."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest

from jrae_jax.decoding import Prior, train_decoder, train_posterior
from jrae_jax.decoding.features import features
from jrae_jax.decoding.simulated import SAMPLED, eeg_of, predicted, simulated_windows
from jrae_jax.decoding.training import random_bands


def numbers(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def same(*trees):
    return all(map(np.array_equal, *map(numbers, trees)))


@pytest.fixture(scope="module")
def simulated():
    return simulated_windows(Prior(), 2, recordings=3, key=jax.random.key(0))


def test_each_column_is_recorded_several_times(simulated):
    prior = Prior()
    of_column = np.asarray(simulated.normal)[:, [prior.names.index(name) for name in ("C", "B", "p", "sigma")]]
    sensors = np.asarray(simulated.normal)[:, [prior.names.index(name) for name in ("background", "white")]]
    assert simulated.seconds.tolist() == [10.0] * 3 + [12.5] * 3
    for column in (0, 3):
        assert (of_column[column : column + 3] == of_column[column]).all()
        assert len(np.unique(sensors[column : column + 3], axis=0)) == 3
        assert len(np.unique(simulated.log_column_std[column : column + 3])) == 1
    assert (of_column[0] != of_column[3]).all()
    assert np.isfinite(simulated.found.log_density).all()


def test_the_power_of_a_recording_is_that_of_column_background_and_noise(simulated):
    values = Prior().values(simulated.normal)
    background = np.asarray(values["background"])
    expected = 1 + background**2 * (1 + np.asarray(values["white"]) ** 2)
    found = np.exp(2 * (np.asarray(simulated.found.log_std) - np.asarray(simulated.log_column_std)))
    # Of 10 s there is a tenth of uncertainty in a power, and as much where both are correlated by chance.
    np.testing.assert_allclose(np.log(found), np.log(expected), atol=0.35)


def test_windows_depend_on_the_key_alone(simulated):
    calls = []
    again = simulated_windows(
        Prior(), 2, recordings=3, key=jax.random.key(0), progress=lambda *call: calls.append(call)
    )
    assert same(again, simulated)
    assert calls == [(1, 2, "columns simulated"), (2, 2, "columns simulated")]


def test_potentials_are_sampled_at_the_rate_of_the_features():
    prior = Prior()
    columns = prior.columns(prior.values(prior.draw(1, key=jax.random.key(1))))
    eeg = eeg_of(columns, 10.0, key=jax.random.key(2))
    assert eeg.shape == (1, round(10 / SAMPLED))
    assert np.isfinite(features(eeg, SAMPLED).log_density).all()


def test_bands_are_those_of_amplifiers():
    low, high = np.asarray(random_bands(4000, key=jax.random.key(0))).T
    np.testing.assert_allclose([(low == 0).mean(), (high == 48).mean()], 0.5, atol=0.03)
    assert low.max() <= 4.5
    assert high.min() >= 24
    np.testing.assert_allclose([np.median(low[low > 0]), np.median(high[high < 48])], [2.25, 36], rtol=0.05)


@pytest.mark.slow
def test_what_is_predicted_for_a_window_does_not_depend_on_others(decoder):
    prior = decoder.posterior.prior
    normal = prior.draw(6, key=jax.random.key(0)).reshape(2, 3, -1)
    latent = np.concatenate([normal, np.zeros((2, 3, 1), np.float32)], axis=-1)
    draws = decoder.posterior.interpret(latent, np.zeros((2, 1), np.float32))
    keys = jax.random.split(jax.random.key(1), 2)
    both = predicted(prior, draws, 10.0, keys=keys)
    for i in range(2):
        one = predicted(prior, jax.tree.map(lambda leaf, at=i: leaf[at : at + 1], draws), 10.0, keys=keys[i : i + 1])
        np.testing.assert_allclose(one.found.log_density[0], both.found.log_density[i], atol=1e-3)
    assert not np.allclose(both.eeg_std[0], both.eeg_std[1])


@pytest.mark.slow
def test_one_key_makes_one_posterior():
    calls = []
    settings: dict[str, Any] = {"columns": 2, "steps": 2, "key": jax.random.key(0)}
    made = [train_posterior(**settings, progress=report) for report in (None, lambda *call: calls.append(call))]
    assert same(made[0].posterior, made[1].posterior)
    np.testing.assert_array_equal(made[0].losses, made[1].losses)
    assert np.isfinite(made[0].losses).all()
    assert [call[:2] for call in calls] == [(1, 2), (2, 2), (2, 2)]
    assert calls[2][2].startswith("steps, loss ")


@pytest.mark.slow
def test_one_key_makes_one_decoder():
    settings: dict[str, Any] = {"columns": 8, "steps": 4, "windows": 4}
    made = [train_decoder(**settings, key=jax.random.key(seed)) for seed in (0, 0, 1)]
    assert same(made[0], made[1])
    assert not same(made[0].yardstick, made[2].yardstick)
    assert len(made[0].yardstick) == 4
    assert np.isfinite(made[0].yardstick.statistics).all()


@pytest.mark.slow
def test_learning_lessens_the_loss():
    key = jax.random.key(0)
    little, much = (train_posterior(columns=512, steps=steps, key=key).losses for steps in (1, 500))
    assert much.min() < little.min() - 1
