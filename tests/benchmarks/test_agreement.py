import logging
import os
import re
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from benchmarks.agreement import agreement as module
from benchmarks.agreement.agreement import agreement
from benchmarks.agreement.package import Package, apart

STANDARD = dict(A=3.25, B=22.0, a=100.0, b=50.0, e0=2.5, v0=6.0, r=0.56, C=135.0)
SMALL = {"samples": 20, "duration": 0.02}


@pytest.fixture
def fake(numpy_right_hand_side):
    """A package that is always installed and has the equations in NumPy."""

    def derivative(y, column):
        return numpy_right_hand_side(y, column["p"], **{name: column[name] for name in STANDARD})

    def derivatives(column, ys):
        each = [{name: values[i] for name, values in column.items()} for i in range(len(ys))]
        return np.stack([derivative(y, one) for y, one in zip(ys, each, strict=True)])

    def trajectory(column, dt, steps):
        y, stored = np.zeros(6), []
        for _ in range(steps):
            k1 = derivative(y, column)
            y = y + dt / 2 * (k1 + derivative(y + dt * k1, column))
            stored.append(y)
        return np.array(stored)[:, :3]

    shares = ("alpha1", "alpha2", "alpha3", "alpha4")
    package = Package(
        name="fake",
        distribution="numpy",
        preset="jansen_rit_1995",
        defaults=lambda: dict(STANDARD),
        derivatives=derivatives,
        trajectory=trajectory,
        scheme="Heun",
        shows=("y0", "y1", "y2"),
        conventions=("None.",),
        fixed=shares,
    )

    return package


def numbers(found):
    return np.array([found.derivatives, found.trajectory, found.error], float)


def test_a_package_with_the_same_equations_agrees(fake):
    (found,) = agreement([fake], **SMALL)
    assert found.verdict == "agrees"
    assert found.version == np.__version__
    derivatives, trajectory, error = numbers(found)
    assert 0 < derivatives < 1e-14
    assert 0 < trajectory < 1e-11
    assert trajectory < error < 1e-2
    assert (found.defaults, found.reason, found.conventions) == ((), None, ("None.",))


@pytest.mark.parametrize("state", range(6))
def test_a_wrong_coefficient_is_found_in_every_equation(fake, state):
    factors = np.where(np.arange(6) == state, 1 + 1e-9, 1)
    wrong = fake._replace(derivatives=lambda column, ys: factors * fake.derivatives(column, ys))
    (found,) = agreement([wrong], **SMALL)
    assert found.verdict == "differs"
    derivatives, trajectory, _ = numbers(found)
    assert 1e-10 < derivatives < 1.01e-9
    assert trajectory < 1e-11


def test_another_trajectory_is_found(fake):
    (found,) = agreement([fake._replace(trajectory=lambda *given: fake.trajectory(*given) + 1e-8)], **SMALL)
    assert found.verdict == "differs"
    derivatives, differs, _ = numbers(found)
    assert derivatives < 1e-14
    assert differs == pytest.approx(1e-8, rel=1e-3)


def test_a_trajectory_can_be_of_another_column_and_scheme(fake):
    asked = []

    def trajectory(column, dt, steps):
        asked.append((column["C"], column["p"]))
        return fake.trajectory(column, dt, steps)

    (found,) = agreement([fake._replace(trajectory=trajectory, moved={"C": 200.0, "p": 0.0})], **SMALL)
    assert found.verdict == "agrees"
    assert asked == [(200.0, 0.0), (135.0, 220.0)]
    _, moved, error = numbers(found)
    assert moved < error
    (found,) = agreement([fake._replace(scheme="Strang splitting")], **SMALL)
    assert found.verdict == "differs"
    assert numbers(found)[0] < 1e-14


def test_only_what_a_package_shows_is_compared(fake):
    difference = np.array([[0.0], [1.0], [-1.0]])
    eeg = fake._replace(shows=("eeg",), trajectory=lambda *given: fake.trajectory(*given) @ difference)
    (found,) = agreement([eeg], **SMALL)
    assert (found.verdict, found.shows) == ("agrees", ("eeg",))


def test_other_default_parameters_are_told(fake):
    (found,) = agreement([fake._replace(preset="tvb")], **SMALL)
    assert found.verdict == "differs"
    assert found.defaults == ("v0 = 6, not 5.52",)


def fails(*given):
    raise AttributeError("no such\n  function any more")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"derivatives": fails}, "AttributeError: no such function any more"),
        ({"trajectory": fails}, "AttributeError"),
        ({"defaults": fails}, "AttributeError"),
        ({"derivatives": lambda column, ys: ys.astype(np.float32)}, "must be of shape .20, 6. in float64, got"),
        ({"derivatives": lambda column, ys: ys[:, :3]}, "derivatives must be of shape"),
        ({"derivatives": lambda column, ys: np.nan * ys}, "derivatives must be finite, got 120 numbers"),
        ({"trajectory": lambda column, dt, steps: np.zeros((steps + 1, 3))}, "a trajectory must be of shape"),
        ({"trajectory": lambda column, dt, steps: np.full((steps, 3), np.inf)}, "a trajectory must be finite"),
    ],
)
def test_one_that_fails_does_not_stop_the_rest(fake, changes, reason):
    failed, found = agreement([fake._replace(**changes), fake], **SMALL)
    assert (failed.verdict, failed.derivatives, failed.trajectory) == ("failed", None, None)
    assert found.verdict == "agrees"
    assert re.search(reason, failed.reason or "")


def test_one_that_is_not_installed_is_told_and_left_alone(fake):
    missing = fake._replace(distribution="no-such-package", derivatives=fails, trajectory=fails, defaults=fails)
    (found,) = agreement([missing], **SMALL)
    assert (found.verdict, found.version, found.reason) == ("not installed", None, None)


def test_random_columns_are_the_same_for_a_seed_and_cover_all_parameters(fake):
    asked = []

    def derivatives(column, ys):
        asked.append({**column, "ys": ys})
        return fake.derivatives(column, ys)

    for seed in (1, 1, 2):
        agreement([fake._replace(derivatives=derivatives)], seed=seed, **SMALL)
    once, again, other = asked
    for name, values in once.items():
        np.testing.assert_array_equal(values, again[name])
        constant = name.startswith("alpha")
        assert np.array_equal(values, other[name]) == constant
        assert (np.ptp(values, axis=0) == 0).all() == constant


def test_differences_are_relative_to_the_terms(x64):
    y = np.array([0.1, -10.0, 20.0, 3.0, -400.0, 500.0])
    p, q = 150.0, {**STANDARD, "alpha1": 1.1, "alpha2": 0.7, "alpha3": 0.2, "alpha4": 0.3}
    one = {name: jnp.array([value]) for name, value in q.items()}
    _, sizes = module._ours(jrae.JansenRitParameters(**one), jnp.array([p]), y[None])

    def rate(v):
        return 2 * q["e0"] / (1 + np.exp(q["r"] * (q["v0"] - v)))

    C, gain = q["C"], q["A"] * q["a"]
    expected = [
        3.0,
        400.0,
        500.0,
        gain * rate(y[1] - y[2]) + 200 * 3.0 + 1e4 * 0.1,
        gain * (p + 0.7 * C * rate(1.1 * C * 0.1)) + 200 * 400.0 + 1e4 * 10.0,
        q["B"] * q["b"] * 0.3 * C * rate(0.2 * C * 0.1) + 100 * 500.0 + 2500 * 20.0,
    ]
    np.testing.assert_allclose(sizes[0], expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 0}, "`samples` must be a whole number of at least 1, got 0"),
        ({"duration": 0.0}, "`duration` must be positive, got 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        agreement([], **changes)


def settings():
    log = logging.getLogger()
    values = {name: value for name, value in jax.config.values.items()}
    return values, dict(os.environ), list(sys.path), list(log.handlers), log.level, warnings.filters[:]


def test_nothing_a_package_changes_stays_changed(fake, capsys, monkeypatch):
    monkeypatch.setenv("KEPT", "as it was")
    monkeypatch.setenv("XLA_FLAGS", "as they were")

    def derivatives(column, ys):
        assert jnp.zeros(3).dtype == jnp.float64
        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_default_matmul_precision", "float32")
        os.environ["ADDED"], os.environ["XLA_FLAGS"] = "1", "others"
        del os.environ["KEPT"]
        sys.path.append("elsewhere")
        logging.getLogger().addHandler(logging.NullHandler())
        logging.getLogger().setLevel(logging.DEBUG)
        warnings.warn("hello", stacklevel=1)
        warnings.simplefilter("always")
        print("hello")
        jnp.add(jnp.zeros((2, 3)), jnp.zeros(3, int))
        return fake.derivatives(column, ys)

    before = settings()
    found, failed = agreement([fake._replace(derivatives=derivatives), fake._replace(trajectory=fails)], **SMALL)
    assert (found.verdict, found.reason, failed.verdict) == ("agrees", None, "failed")
    assert settings() == before
    assert jnp.zeros(3).dtype == jnp.float32
    assert capsys.readouterr().out == ""


def test_settings_are_restored_after_an_error():
    def changes_and_fails():
        with apart():
            jax.config.update("jax_enable_x64", True)
            os.environ["ADDED"] = "1"
            fails()

    before = settings()
    with pytest.raises(AttributeError):
        changes_and_fails()
    assert settings() == before
