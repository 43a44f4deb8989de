"""The program in C that scans are measured against does the same work, with noise that is right."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from benchmarks.rivals import HIGH, LOW, Column, derivatives
from benchmarks.scan import in_c
from benchmarks.scan.work import DT, SIGMA, P, strengths

COLUMNS, STEPS = 1024, 2000

pytestmark = pytest.mark.skipif(in_c.c_library() is None, reason="there is no C compiler")


@pytest.fixture(scope="module")
def normals():
    """Of shape (steps, 2, columns)."""
    return in_c.c_noise(COLUMNS, STEPS).astype(float)


def test_no_column_has_an_unlikely_stream(normals):
    half_square = 0.5 * (normals**2).sum(1)  # of the radius: exponential with mean 1
    of_columns = (half_square.mean(0) - 1) * STEPS**0.5
    assert np.abs(of_columns).max() < stats.norm.isf(1e-3 / COLUMNS)
    assert stats.kstest(half_square[:100].ravel(), "expon").pvalue > 1e-3
    assert stats.kstest(normals[:100].ravel(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("lag", [-1, 0, 1, 2])
def test_no_column_has_an_outlier_at_a_step_of_its_number(normals, lag):
    column = np.arange(1, COLUMNS)
    half_square = 0.5 * (normals[column + lag, :, column] ** 2).sum(1)
    assert stats.kstest(half_square, "expon").pvalue > 1e-3


def test_other_arithmetic_of_the_process_is_as_it_was():
    """By the bits: where subnormal numbers are taken for 0, they equal it as well."""
    subnormal = np.full(100, 5e-320)
    np.testing.assert_array_equal((subnormal * np.ones(100)).view(np.int64), subnormal.view(np.int64))


def statistics(y):
    """Mean and spread of y1 - y2, and the spread of the steps of y4, which are mostly noise."""
    v = y[:, 1] - y[:, 2]
    return v.mean(), v.std(), np.diff(y[:, 4], axis=0).std()


def by_numpy(noise, columns=256, steps=1500):
    """Heun's method at the middle of the range of C, the first half of the steps left out."""
    column, rng, y, found = Column(C=strengths(2).mean()), np.random.default_rng(0), np.zeros((6, columns)), []
    for _ in range(steps):
        force = np.zeros_like(y)
        force[4] = noise(rng, columns)
        k1 = np.stack(derivatives(expit, y, P, column)) + force
        y = y + DT / 2 * (k1 + np.stack(derivatives(expit, y + DT * k1, P, column)) + force)
        found.append(y)
    return np.array(found[steps // 2 :])


NOISE = {
    "white": lambda rng, n: SIGMA / math.sqrt(DT) * rng.standard_normal(n),
    "held": lambda rng, n: Column().A * Column().a * (rng.uniform(LOW, HIGH, n) - P),
}


@pytest.mark.parametrize(
    ("scheme", "noise"), [("Strang splitting", "white"), ("Heun", "white"), ("Heun, held noise", "held")]
)
def test_trajectories_have_the_mean_and_the_spread_of_the_work(scheme, noise):
    columns, steps = 2048, 1500
    y = in_c.c_trajectories(columns, steps, scheme, 1)()[steps // 2 :, :, columns // 2 - 64 : columns // 2 + 64]
    np.testing.assert_allclose(statistics(y), statistics(by_numpy(NOISE[noise])), rtol=0.03)


@pytest.mark.parametrize("scheme", in_c.SCHEMES)
def test_summaries_are_those_of_the_trajectories(scheme):
    y = in_c.c_trajectories(64, 300, scheme, 1)()
    v = (y[:, 1] - y[:, 2]).astype(float)
    expected = np.stack([v.mean(0), v.std(0), v.min(0), v.max(0), np.zeros(64)], -1)
    np.testing.assert_allclose(in_c.c_summaries(64, 300, scheme, 1)(), expected, rtol=1e-4, atol=1e-4)
