"""The Virtual Brain, and the packages for JAX that follow it: vbjax and tvboptim."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from .package import Package, Quantities

_MS = 1e-3  # s

_NAMES = {"A": "A", "B": "B", "a": "a", "b": "b", "e0": "nu_max", "v0": "v0", "r": "r", "C": "J"}
_NAMES |= {f"alpha{i}": f"a_{i}" for i in (1, 2, 3, 4)} | {"p": "mu"}
_RATES = ("a", "b", "e0", "p")
_PER_MS = np.array([1, 1, 1, _MS, _MS, _MS])  # states in mV and mV/ms

_IN_COMMON = (
    "Time is in milliseconds: a, b, nu_max and mu in 1/ms, y3 to y5 in mV/ms.",
    "nu_max is our e0, half of the maximum rate; J is our C, a_1 to a_4 our alpha1 to alpha4, mu our p.",
    "v0 is 5.52 mV by default, not 6 mV: a theta and not an alpha oscillator.",
)


def _theirs(column: Quantities) -> dict[str, Any]:
    return {name: column[ours] * (_MS if ours in _RATES else 1) for ours, name in _NAMES.items()}


def _ours(value: Callable[[str], Any]) -> dict[str, float]:
    defaults = {ours: np.asarray(value(name)).item() / (_MS if ours in _RATES else 1) for ours, name in _NAMES.items()}
    del defaults["p"]
    return defaults


def _per_second(derivatives: Any) -> np.ndarray:
    """From `(6, columns)` per ms."""
    return np.asarray(derivatives).T / _PER_MS / _MS


def _vbjax_derivatives(column: Quantities, ys: np.ndarray) -> np.ndarray:
    vbjax: Any = import_module("vbjax")
    theta = vbjax.jr_default_theta._replace(**_theirs(column))
    return _per_second(vbjax.jr_dfun((ys * _PER_MS).T, 0.0, theta))


def _vbjax_trajectory(column: Quantities, dt: float, steps: int) -> np.ndarray:
    vbjax: Any = import_module("vbjax")
    theta = vbjax.jr_default_theta._replace(**_theirs(column))
    _, loop = vbjax.make_ode(dt / _MS, lambda y, theta: vbjax.jr_dfun(y, 0.0, theta), method="heun")
    return np.asarray(loop(np.zeros(6), np.zeros(steps), theta))[:, :3]


VBJAX = Package(
    name="vbjax",
    distribution="vbjax",
    preset="tvb",
    defaults=lambda: _ours(lambda name: getattr(import_module("vbjax").jr_default_theta, name)),
    derivatives=_vbjax_derivatives,
    trajectory=_vbjax_trajectory,
    scheme="Heun",
    shows=("y0", "y1", "y2"),
    conventions=(
        *_IN_COMMON,
        "Its parameter I does nothing; the coupling c is added to mu, so that it counts in 1/ms.",
        "Noise is drawn by the user and added to the states that gfun names, in mV/ms^1.5: "
        "A a times the intensity of our white noise.",
        "There is no output variable: y1 - y2 is taken by the user.",
        "Importing it sets XLA_FLAGS to one device for each core, and starts JAX.",
    ),
)


def _tvboptim_derivatives(column: Quantities, ys: np.ndarray) -> np.ndarray:
    bunch: Any = import_module("tvboptim.experimental.network_dynamics.core.bunch").Bunch
    model = import_module("tvboptim.experimental.network_dynamics.dynamics.tvb").JansenRit(**_theirs(column))
    none = np.zeros((1, len(ys)))
    derivatives, _ = model.dynamics(0.0, (ys * _PER_MS).T, model.params, bunch(instant=none, delayed=none), bunch())
    return _per_second(derivatives)


def _tvboptim_trajectory(column: Quantities, dt: float, steps: int) -> np.ndarray:
    networks: Any = import_module("tvboptim.experimental.network_dynamics")
    solvers: Any = import_module("tvboptim.experimental.network_dynamics.solvers")
    model = import_module("tvboptim.experimental.network_dynamics.dynamics.tvb").JansenRit(
        **_theirs(column), INITIAL_STATE=(0.0,) * 6, VARIABLES_OF_INTEREST=("y0", "y1", "y2")
    )
    size = {"t1": (steps - 0.5) * dt / _MS, "dt": dt / _MS, "n_nodes": 1}
    function, config = networks.prepare(model, solvers.Heun(), **size)
    return np.asarray(function(config).ys)[..., 0]


def _tvboptim_default(name: str) -> Any:
    model: Any = import_module("tvboptim.experimental.network_dynamics.dynamics.tvb").JansenRit
    return model.DEFAULT_PARAMS[name]


TVBOPTIM = Package(
    name="tvboptim",
    distribution="tvboptim",
    preset="tvb",
    defaults=lambda: _ours(_tvboptim_default),
    derivatives=_tvboptim_derivatives,
    trajectory=_tvboptim_trajectory,
    scheme="Heun",
    shows=("y0", "y1", "y2"),
    conventions=(
        *_IN_COMMON,
        "Two couplings, instant and delayed, are added to mu, so that they count in 1/ms.",
        "Columns start from y1 = y2 = 5 mV by default, not from zero.",
        "Noise is added to the states that apply_to names, in mV/ms^1.5: A a times the intensity of our white noise.",
        "There is no output variable: y1 - y2 is taken by the user.",
    ),
)


def _tvb_model(column: Quantities, **options: Any) -> Any:
    model: Any = import_module("tvb.simulator.models.jansen_rit").JansenRit
    return model(**{name: np.atleast_1d(value).astype(float) for name, value in _theirs(column).items()}, **options)


def _tvb_derivatives(column: Quantities, ys: np.ndarray) -> np.ndarray:
    none = np.zeros((2, len(ys), 1))
    return _per_second(_tvb_model(column).dfun((ys * _PER_MS).T[..., None], none)[..., 0])


def _tvb_trajectory(column: Quantities, dt: float, steps: int) -> np.ndarray:
    simulator: Any = import_module("tvb.simulator.simulator").Simulator
    connectivity: Any = import_module("tvb.datatypes.connectivity").Connectivity
    alone = connectivity(
        weights=np.zeros((1, 1)),
        tract_lengths=np.zeros((1, 1)),
        speed=np.ones(1),
        region_labels=np.array(["column"]),
        centres=np.zeros((1, 3)),
    )
    simulation = simulator(
        connectivity=alone,
        model=_tvb_model(column, variables_of_interest=["y0", "y1", "y2"]),
        coupling=import_module("tvb.simulator.coupling").Linear(a=np.zeros(1)),
        integrator=import_module("tvb.simulator.integrators").HeunDeterministic(dt=dt / _MS),
        initial_conditions=np.zeros((1, 6, 1, 1)),
        monitors=[import_module("tvb.simulator.monitors").Raw()],
    )
    ((_, states),) = simulation.configure().run(simulation_length=steps * dt / _MS)
    return states[..., 0, 0]


TVB = Package(
    name="TVB",
    distribution="tvb-library",
    preset="tvb",
    defaults=lambda: _ours(lambda name: getattr(import_module("tvb.simulator.models.jansen_rit").JansenRit(), name)),
    derivatives=_tvb_derivatives,
    trajectory=_tvb_trajectory,
    scheme="Heun",
    shows=("y0", "y1", "y2"),
    conventions=(
        *_IN_COMMON,
        "p_min and p_max do nothing: without noise mu is all the input there is.",
        "Coupling is added to mu, so that it counts in 1/ms: by the rate of y1 - y2 with SigmoidalJansenRit, whose "
        "midpoint is 6 mV where v0 is 5.52 mV; by y1 alone with Linear; local coupling by y1 - y2.",
        "Noise of strength nsig is added to states: sqrt(2 nsig), in mV/ms^1.5, "
        "is A a times the intensity of our white noise.",
        "Monitors show y0 to y3 by default, not y1 - y2.",
    ),
)
