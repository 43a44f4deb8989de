import jax
import numpy as np
import pytest

from jrae_jax.studies import LatentSizes, compare_latent_sizes


@pytest.fixture(scope="module")
def reports():
    return []


@pytest.fixture(scope="module")
def found(reports):
    return compare_latent_sizes(
        (1, 6),
        steps=160,
        columns=32,
        samples=512,
        key=jax.random.key(0),
        progress=lambda *report: reports.append(report),
    )


@pytest.mark.slow
def test_a_latent_of_one_number_cannot_hold_six_states(found):
    assert found.sizes == (1, 6)
    assert set(found.r) == {"full", "pyramidal"}
    for r in found.r.values():
        assert r.shape == (2, 6)
        assert r[1].mean() > r[0].mean() + 0.1
    assert np.all(found.r["full"][1] > 0.8)
    assert found.r["pyramidal"][1, 3] > 0.8  # of which one instant says nothing


def test_the_least_size_that_is_enough():
    r = np.tile([[0.5], [0.9], [0.905], [0.899]], 6)
    r[1, 4] = 0.89
    assert LatentSizes((1, 2, 4, 8), {"full": r}).enough("full") == 4
    assert LatentSizes((1, 2, 4, 8), {"full": r[[1, 1, 1, 1]]}).enough("full") == 1


@pytest.mark.slow
def test_progress_counts_draws_of_both_kinds_of_recording(found, reports):
    assert reports[0] == (0, 1, "compiling")
    assert [(done, total) for done, total, _ in reports[1:]] == [(done, 10) for done in range(1, 11)]
    assert reports[1][-1].startswith("full observed, 1 and 6 latents: training, loss ")
    assert reports[-1][-1].startswith("pyramidal observed, 1 and 6 latents: training, loss ")


def test_sizes_and_steps_must_be_positive():
    with pytest.raises(ValueError, match="`sizes` must be a whole number of at least 1, got 0"):
        compare_latent_sizes((0, 1), key=jax.random.key(0))
    with pytest.raises(ValueError, match="`steps` must be"):
        compare_latent_sizes((1,), steps=0, key=jax.random.key(0))
