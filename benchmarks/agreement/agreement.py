"""Whether other packages have the same equations and come to the same trajectories."""

import importlib.metadata
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from jrae_jax._checks import check_count, check_positive
from jrae_jax.column.column import Column
from jrae_jax.column.equations import Coefficients, jansen_rit_vector_field, synaptic_drive
from jrae_jax.column.inputs import ConstantInput
from jrae_jax.column.parameters import JansenRitParameters
from jrae_jax.column.simulate import simulate
from jrae_jax.column.solvers import FixedStepHeun, StrangSplitting
from jrae_jax.column.states import (
    CHANNELS,
    DERIVATIVE_STATES,
    EXTERNAL_INPUT_STATE,
    POTENTIAL_STATES,
    States,
    to_channels,
)

from .in_milliseconds import TVB, TVBOPTIM, VBJAX
from .in_seconds import BRAINMASS, JRNMM
from .package import Package, Quantities, apart
from .pyrates import PYRATES

PACKAGES = (VBJAX, TVBOPTIM, BRAINMASS, JRNMM, TVB, PYRATES)
"""All that are known."""

DERIVATIVES, TRAJECTORIES = 1e-12, 1e-9  # relative; mV
DT = 1e-4  # s

_RANGES = {
    **{"A": (2.6, 9.75), "B": (17.6, 110.0), "a": (50.0, 150.0), "b": (25.0, 75.0)},
    **{"e0": (1.25, 3.75), "v0": (3.12, 6.0), "r": (0.28, 0.84), "C": (65.0, 1350.0)},
    **{"alpha1": (0.5, 1.5), "alpha2": (0.4, 1.2), "alpha3": (0.125, 0.375), "alpha4": (0.125, 0.375)},
    "p": (0.0, 400.0),
}
"""Those of The Virtual Brain's `JansenRit`, except for p."""

_STATES = ((-0.1, 0.3), (-20.0, 60.0), (-20.0, 60.0), (-10.0, 10.0), (-1000.0, 1000.0), (-1000.0, 1000.0))
_SOLVERS = {"Heun": FixedStepHeun, "Strang splitting": StrangSplitting}
_PRESET, _P = "jansen_rit_1995", 220.0  # the alpha cycle


class Agreement(NamedTuple):
    """How far one package and ours agree."""

    package: str
    """Its name."""
    version: str | None
    """`None` if it is not installed."""
    verdict: Literal["agrees", "differs", "failed", "not installed"]
    """Agrees: within both tolerances, and with the preset. Failed: it could not be run, see `reason`."""
    derivatives: float | None = None
    """Largest relative difference of dy/dt over random columns and states."""
    trajectory: float | None = None
    """Largest difference of what it shows, mV, from ours by the same scheme with the same steps."""
    error: float | None = None
    """How far its trajectory of the alpha cycle is from the exact one, mV: what its scheme costs, not judged."""
    scheme: str | None = None
    """Of its trajectory."""
    shows: tuple[str, ...] = ()
    """What was compared of trajectories."""
    preset: str | None = None
    """Ours that its default parameters are to be."""
    defaults: tuple[str, ...] = ()
    """Which of its default parameters are not those of `preset`."""
    conventions: tuple[str, ...] = ()
    """Every difference of convention; all of them were converted before anything was compared."""
    reason: str | None = None
    """Why it failed."""


def agreement(
    packages: Sequence[Package] | None = None,
    *,
    samples: int = 1000,
    duration: float = 1.0,
    seed: int = 0,
) -> tuple[Agreement, ...]:
    """Compare derivatives, trajectories and default parameters with those of other packages, in double precision.

    Units, names, order and scale of states are converted; the differences are listed. **Derivatives** are those of
    random states of random columns, over The Virtual Brain's ranges of parameters. The difference in each component is
    divided by the sum of the sizes of the terms that it is made of, such as `A a S + 2 a |y3| + a² |y0|`, so that
    terms which cancel don't count as disagreement. **Trajectories** are of the alpha cycle (Jansen and Rit's column,
    p = 220 /s, from zero), by the package's own integrator and by ours of the same scheme, with steps of 0.1 ms; where
    the schemes are the same on another column only, on that one, see `conventions`. To agree is to be within 1e-12 and
    1e-9 mV, and to have the default parameters of one of our presets.

    **Arguments:**

    - `packages`: which ones; vbjax, tvboptim, brainmass, jrnmm, TVB and PyRates if `None`. Those that are not
        installed are listed as such.
    - `samples`: how many random states, each of another column.
    - `duration`: of trajectories, seconds.
    - `seed`: of the random states and columns.

    **Returns:** a record for each package; one that raises has failed, and the others are compared all the same.
        Settings of JAX and of the process are as before.

    **Raises:** `ValueError` if `samples` or `duration` is not positive.
    """
    check_count(1, samples=samples)
    check_positive(duration=duration)
    steps = max(1, round(duration / DT))
    return tuple(_judged(package, samples, steps, seed) for package in (PACKAGES if packages is None else packages))


def _judged(package: Package, samples: int, steps: int, seed: int) -> Agreement:
    try:
        version = importlib.metadata.version(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        return Agreement(package.name, None, "not installed")
    about = {"scheme": package.scheme, "shows": package.shows, "conventions": package.conventions}
    try:
        derivatives = _derivatives_differ(package, samples, seed)
        trajectory, error = _trajectories_differ(package, steps)
        defaults = _defaults_differ(package)
    except Exception as failure:  # whatever another package may raise
        reason = " ".join(f"{type(failure).__name__}: {failure}".split())
        return Agreement(package.name, version, "failed", reason=f"{reason:.300}", **about)
    agrees = derivatives <= DERIVATIVES and trajectory <= TRAJECTORIES and not defaults
    return Agreement(
        package.name,
        version,
        "agrees" if agrees else "differs",
        derivatives,
        trajectory,
        error,
        preset=package.preset,
        defaults=defaults,
        **about,
    )


def _derivatives_differ(package: Package, samples: int, seed: int) -> float:
    column, ys = _random(package, samples, seed)
    with apart():
        theirs = np.asarray(package.derivatives(column, ys))
    _check("derivatives", theirs, ys.shape)
    with jax.enable_x64(True):
        ours, sizes = (np.asarray(array) for array in _ours(_parameters(column), jnp.asarray(column["p"]), ys))
    return float(np.max(np.abs(theirs - ours) / sizes))


def _random(package: Package, samples: int, seed: int) -> tuple[Quantities, np.ndarray]:
    generator = np.random.default_rng(seed)
    column = {name: generator.uniform(low, high, samples) for name, (low, high) in _RANGES.items()}
    ys = np.stack([generator.uniform(low, high, samples) for low, high in _STATES], -1)
    standard = _standard()
    return column | {name: np.full(samples, standard[name]) for name in package.fixed}, ys


def _ours(parameters: JansenRitParameters, p: jax.Array, ys: np.ndarray) -> tuple[jax.Array, jax.Array]:
    """dy/dt, and the sum of the sizes of its terms."""

    def of_one(parameters, p, y):
        drives = jnp.stack(synaptic_drive(States.unstack(y), Coefficients.from_parameters(parameters)))
        rates = jnp.stack([parameters.a, parameters.a, parameters.b])
        potentials, slopes = (jnp.abs(y[jnp.array(some)]) for some in (POTENTIAL_STATES, DERIVATIVE_STATES))
        sizes = jnp.concatenate([slopes, drives + 2 * rates * slopes + rates**2 * potentials])
        sizes = sizes.at[EXTERNAL_INPUT_STATE].add(jnp.abs(parameters.A * parameters.a * p))
        return jansen_rit_vector_field(0.0, y, (parameters, p)), sizes

    return jax.vmap(of_one)(parameters, p, jnp.asarray(ys))


def _trajectories_differ(package: Package, steps: int) -> tuple[float, float]:
    """From ours by the same scheme, and from the exact one."""
    standard = _standard()
    column = standard | dict(package.moved)
    with apart():
        theirs = package.trajectory(column, DT, steps)
        alpha = package.trajectory(standard, DT, steps) if package.moved else theirs
    with jax.enable_x64(True):
        same = _shown(package, column, steps, solver=_SOLVERS[package.scheme]())
        exact = _shown(package, standard, steps, solver=diffrax.Dopri8(), rtol=1e-11, atol=1e-11)
    for trajectory in (theirs, alpha):
        _check("a trajectory", trajectory, same.shape)
    return float(np.max(np.abs(theirs - same))), float(np.max(np.abs(alpha - exact)))


def _check(what: str, theirs: np.ndarray, shape: tuple[int, ...]) -> None:
    if theirs.shape != shape or theirs.dtype != np.float64:
        raise ValueError(f"{what} must be of shape {shape} in float64, got {theirs.shape} in {theirs.dtype}")
    if not np.all(np.isfinite(theirs)):
        raise ValueError(f"{what} must be finite, got {np.sum(~np.isfinite(theirs))} numbers that are not")


def _shown(package: Package, column: Quantities, steps: int, **options: Any) -> np.ndarray:
    ours = Column(_parameters(column), ConstantInput(column["p"]))
    channels = np.asarray(to_channels(simulate(ours, t1=steps * DT, dt=DT, **options).ys))
    return channels[..., [CHANNELS.index(name) for name in package.shows]]


def _defaults_differ(package: Package) -> tuple[str, ...]:
    with apart():
        defaults = package.defaults()
    with jax.enable_x64(True):
        preset = JansenRitParameters.preset(package.preset)
    ours = {name: float(getattr(preset, name)) for name in defaults}
    return tuple(
        f"{name} = {value:.6g}, not {ours[name]:.6g}"
        for name, value in defaults.items()
        if not math.isclose(value, ours[name], rel_tol=1e-12)
    )


def _parameters(column: Quantities) -> JansenRitParameters:
    return JansenRitParameters(**{name: value for name, value in column.items() if name != "p"})


def _standard() -> dict[str, float]:
    with jax.enable_x64(True):
        preset = JansenRitParameters.preset(_PRESET)
    return {name: float(getattr(preset, name)) for name in _RANGES if name != "p"} | {"p": _P}
