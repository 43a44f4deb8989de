"""Long simulations, piece by piece."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import pieces, simulate

UNIFORM = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=2e-3))
WANDERING = jrae.Column.preset("jansen_rit_1995", jrae.OrnsteinUhlenbeckInput(220.0, 50.0, 0.01, hold=1e-3))


@pytest.fixture
def reports(monkeypatch):
    """What is reported of simulations in pieces of ten steps of two columns, or of what holds one sample."""
    monkeypatch.setattr(pieces, "_PIECE_WORK", 20.0)
    return []


@pytest.mark.parametrize(
    ("every", "burn_in", "t1"),
    [
        (7, 0.003, 0.04),
        (4, 0.0, 0.041),
        (10, 0.0496, 0.05),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in [(5, 0.0126, 0.05), (1, 0.02, 0.05)]),
    ],
)
def test_they_save_what_one_call_saves(reports, every, burn_in, t1):
    asked = {"t1": t1, "dt": 1e-3, "burn_in": burn_in, "saveat": diffrax.SaveAt(steps=every)}
    asked |= {"batch": 2, "key": jax.random.key(0)}
    whole = simulate(UNIFORM, **asked)
    found = simulate(UNIFORM, **asked, progress=lambda *report: reports.append(report))
    np.testing.assert_allclose(found.ts, whole.ts, rtol=1e-12)
    np.testing.assert_allclose(found.ys, whole.ys, rtol=1e-5, atol=1e-5)
    assert len(reports) > 3
    last = round(t1 / 1e-3) // every * every
    assert reports[0] == (0, last, "steps of 2 columns")
    assert reports[-1] == (last, last, "steps of 2 columns")


def test_one_column_with_memory_from_a_later_time_on(reports):
    asked = {"t0": 0.1, "t1": 0.15, "dt": 1e-3, "key": jax.random.key(0)}
    whole = simulate(WANDERING, **asked)
    found = simulate(WANDERING, **asked, progress=lambda *report: reports.append(report))
    np.testing.assert_allclose(found.ts, whole.ts, rtol=1e-12)
    np.testing.assert_allclose(found.ys, whole.ys, rtol=1e-4, atol=1e-4)
    assert [done for done, *_ in reports] == [0, 20, 40, 50]


def test_under_tracing_and_where_nothing_can_be_carried_on_it_is_what_it_is_without(reports):
    constant = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0))

    def end(C, **asked):
        return simulate(constant.replace(C=C), t1=0.02, dt=1e-3, **asked).ys[-1, 0]

    report = lambda *report: reports.append(report)  # noqa: E731
    slopes = [jax.grad(lambda C, asked=asked: end(C, **asked))(135.0) for asked in ({}, {"progress": report})]
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-4)
    reports.clear()
    times = diffrax.SaveAt(ts=jnp.array([0.01, 0.02]))
    for asked in ({"saveat": times}, {"throw": False}, {"solver": diffrax.Tsit5(), "rtol": 1e-4, "atol": 1e-4}):
        np.testing.assert_array_equal(end(135.0, **asked, progress=report), end(135.0, **asked))
    assert reports == []


def test_a_failure_names_no_piece_of_its_own(reports):
    overflowing = UNIFORM.replace(high=1e38)
    with pytest.raises(RuntimeError, match="`simulate`: 2 of 2 trajectories failed"):
        simulate(overflowing, t1=0.3, dt=1e-3, batch=2, key=jax.random.key(0), progress=lambda *_: None)
