"""What a check computes: distances, quantiles and left-over power by another route, and each of the words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jrae_jax.decoding import BANDS, FREQUENCIES
from jrae_jax.decoding.check import LEVEL, Yardstick, compared, residual, together
from jrae_jax.decoding.verdict import verdict

RNG = np.random.default_rng(0)
FEATURES = len(FREQUENCIES) + 10
GROUPS = [*np.array_split(np.arange(len(FREQUENCIES)), 29), *([i] for i in range(len(FREQUENCIES), FEATURES))]


def pooled(values):
    return np.stack([values[..., group].mean(axis=-1) for group in GROUPS], axis=-1)


@pytest.fixture(scope="module")
def windows():
    """A window, 256 predictions for it of which two blew up, and what is inside its band; of each of 60 windows."""
    own = RNG.normal(size=(60, FEATURES))
    draws = 0.7 * RNG.normal(size=(60, 256, FEATURES)) + 0.3
    draws[:, 5:7, 3] = np.nan
    inside = np.ones(FEATURES, bool)
    inside[[0, len(FREQUENCIES) - 1]] = False
    return own, draws, inside


@pytest.fixture(scope="module")
def residuals(windows):
    own, draws, inside = windows
    found = jax.vmap(residual, (0, 0, None))
    return found(jnp.asarray(own, "float32"), jnp.asarray(draws, "float32"), jnp.asarray(inside))


@pytest.fixture(scope="module")
def yardstick(residuals):
    return Yardstick.from_windows(residuals)


def test_the_statistic_is_the_distance_of_the_pooled_features_inside_the_band(windows, residuals, yardstick):
    own, draws, _ = windows
    draws = pooled(np.delete(draws, [5, 6], axis=1))
    inside = np.ones(39, bool)
    inside[[0, 28]] = False
    covariances = np.stack([np.cov(each.T, bias=True) for each in draws])
    expected = covariances.mean(axis=0)
    np.testing.assert_allclose(yardstick.expected, expected, atol=1e-4)
    found = []
    for window, predicted, covariance in zip(pooled(own), draws, covariances, strict=True):
        difference = (window - predicted.mean(axis=0))[inside]
        mixed = (0.9 * covariance + 0.1 * expected)[np.ix_(inside, inside)]
        found.append(difference @ np.linalg.solve(mixed, difference) / inside.sum())
    np.testing.assert_allclose(jax.vmap(yardstick.statistic)(residuals), found, rtol=1e-3)
    np.testing.assert_allclose(yardstick.statistics, np.sort(found), rtol=1e-3)


def test_p_is_the_fraction_of_the_yardstick_that_is_farther(yardstick):
    statistics = np.asarray(yardstick.statistics)
    found = yardstick.p(np.array([0.0, statistics[30] + 1e-6, 1e9, np.nan]))
    np.testing.assert_allclose(found, [1.0, 30 / 61, 1 / 61, np.nan])


def test_the_farthest_window_is_familiar_and_what_is_beyond_is_not(windows, yardstick, residuals):
    distances = np.asarray(jax.vmap(yardstick.distance)(residuals))
    np.testing.assert_allclose(distances.max(), yardstick.farthest, rtol=1e-5)
    own, draws, inside = windows
    frequencies = len(FREQUENCIES)
    for factor, familiar in ((1.0, True), (30.0, False)):
        found = residual(jnp.asarray(factor * own[0], "float32"), jnp.asarray(draws[0], "float32"), jnp.asarray(inside))
        comparison = compared(
            yardstick, found, jnp.zeros(frequencies), jnp.zeros((9, frequencies)), jnp.ones(frequencies, bool)
        )
        assert bool(comparison.familiar) == familiar


def test_left_over_power_is_that_over_the_median_of_predictions_by_band(yardstick, residuals):
    one = jax.tree.map(lambda leaf: leaf[0], residuals)
    predicted = 0.3 * RNG.normal(size=(400, len(FREQUENCIES)))
    own = np.where((FREQUENCIES >= 13) & (FREQUENCIES < 30), np.log(3.0), 0.0)
    inside = FREQUENCIES < 29
    found = compared(
        yardstick, one, jnp.asarray(own, "float32"), jnp.asarray(predicted, "float32"), jnp.asarray(inside)
    )
    left_over = dict(zip(BANDS, np.asarray(found.left_over), strict=True))
    np.testing.assert_allclose([left_over[name] for name in ("delta", "theta", "alpha")], 1, atol=0.06)
    np.testing.assert_allclose(left_over["beta"], 3, rtol=0.03)
    assert np.isnan(left_over["gamma"])
    assert dict(zip(BANDS, np.asarray(found.beyond).tolist(), strict=True)) == {
        "delta": False, "theta": False, "alpha": False, "beta": True, "gamma": False,
    }  # fmt: skip
    np.testing.assert_allclose(found.log_density, np.quantile(predicted, (0.05, 0.5, 0.95), axis=0), atol=1e-5)


def test_windows_together_by_fishers_method():
    p = np.array([0.2, 0.03, 0.6])
    np.testing.assert_allclose(together(p), stats.chi2(6).sf(-2 * np.log(p).sum()))


def words(*, p=(0.5,), explained=True, familiar=None, fraction=(0.8, 0.9), times=None):
    """Of as many windows as there are `p`; what `times` the predicted power is, by frequency."""
    count = len(p)
    predicted = np.ones((count, 3, len(FREQUENCIES))) * np.array([0.5, 1.0, 2.0])[None, :, None]
    density = np.ones((count, len(FREQUENCIES)))
    for (low, high), factor in (times or {}).items():
        density[:, (low <= FREQUENCIES) & (high >= FREQUENCIES)] = factor
    draws = np.broadcast_to(np.linspace(fraction[0], fraction[1], 201), (count, 201))
    familiar = np.ones(count, bool) if familiar is None else np.array(familiar)
    return verdict("O1", explained, np.array(p), familiar, density, predicted, draws)


CORE = "the power from 4.5 to 24 Hz"
UNLIKE = "One column does not explain O1"
NOTHING = "Columns and intervals are of what comes nearest, and promise nothing."
TOGETHER = "its spectrum, waveform and envelope together are not those of a column"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (words(p=()), "Nothing can be said of O1: every window was refused."),
        (words(), f"One column explains O1: 85% (80% to 90%) of {CORE} is the column's, the rest a background."),
        (words(p=(0.5, LEVEL, 0.9))[:41], "One column explains O1 in all 3 windows: "[:41]),
        (words(p=(0.5, 0.01, 0.9))[:42], "One column explains O1 in 2 of 3 windows: "[:42]),
        (
            words(fraction=(0.0, 0.2)),
            f"One column explains O1, and so does a background alone: at most 19% of {CORE} is a column's.",
        ),
        (
            words(fraction=(0.0, 0.8)),
            "One column explains O1, but column and background cannot be distinguished: "
            f"4% to 76% of {CORE} is the column's.",
        ),
        (words(p=(0.001,), explained=False), f"{UNLIKE}: {TOGETHER}."),
        (
            words(p=(0.001, 0.5), explained=False, times={(20, 24): 3.0}),
            f"{UNLIKE} (1 of 2 windows look like a column's): "
            "it has 3 times the power at 20 to 24 Hz that such a column would have.",
        ),
        # What is narrow counts where it is large: half of a hertz times the logarithm of 3 over 2, and of 8 over 2.
        (words(p=(0.001,), explained=False, times={(20, 20): 3.0}), f"{UNLIKE}: {TOGETHER}."),
        (
            words(p=(0.001,), explained=False, times={(20, 20): 8.0}),
            f"{UNLIKE}: it has 8 times the power at 20 Hz that such a column would have.",
        ),
        # By frequency, whatever their size; and what is hardly beyond 95 % is left out, however wide it is.
        (
            words(
                p=(0.001,),
                explained=False,
                times={(2, 4): 3.0, (9, 12): 0.2, (14, 18): 2.05, (20, 24): 3.0, (30, 33): 4.0},
            ),
            f"{UNLIKE}: it has 3 times the power at 2 to 4 Hz, 0.2 times the power at 9 to 12 Hz, 3 times the power at "
            "20 to 24 Hz and 4 times the power at 30 to 33 Hz that such a column would have.",
        ),
        # What a single frequency divides is one difference.
        (
            words(p=(0.001,), explained=False, times={(20, 24): 3.0, (22, 22): 1.9}),
            f"{UNLIKE}: it has 2.9 times the power at 20 to 24 Hz that such a column would have.",
        ),
        (
            words(p=(0.001,), explained=False, familiar=[False]),
            f"{UNLIKE}: {TOGETHER}; it is unlike anything that the decoder was made for, without intervals.",
        ),
        (
            words(p=(0.001, 0.001), explained=False, familiar=[False, True]),
            f"{UNLIKE} (0 of 2 windows look like a column's): {TOGETHER}; "
            "1 of 2 windows are unlike anything that the decoder was made for, without intervals.",
        ),
    ],
)
def test_words(found, expected):
    assert found == (f"{expected} {NOTHING}" if expected.startswith(UNLIKE) else expected)


def test_windows_count_as_much_as_they_speak_against_a_column():
    predicted = np.ones((3, 3, len(FREQUENCIES))) * np.array([0.5, 1.0, 2.0])[None, :, None]
    density = np.ones((3, len(FREQUENCIES)))
    density[0, (FREQUENCIES >= 20) & (FREQUENCIES <= 24)] = 64.0
    density[1, (FREQUENCIES >= 30) & (FREQUENCIES <= 34)] = 64.0
    found = verdict("O1", False, np.array([1e-3, 0.1, 0.1]), np.ones(3, bool), density, predicted, np.ones((3, 4)))
    # 64 to the powers of .6 and .2, which are the parts of the logarithms of p.
    assert (
        ": it has 12 times the power at 20 to 24 Hz and 2.3 times the power at 30 to 34 Hz that such a column" in found
    )
