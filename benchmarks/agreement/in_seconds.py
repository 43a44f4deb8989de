"""brainmass and jrnmm."""

import contextlib
import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import jax
import numpy as np

from .package import Package, Quantities

_BRAINMASS_NAMES = {"A": "Ae", "B": "Ai", "a": "be", "b": "bi", "e0": "s_max", "v0": "v0", "r": "r", "C": "C"}
_BRAINMASS_NAMES |= {f"alpha{i}": f"a{i}" for i in (1, 2, 3, 4)}


def _brainmass_units() -> dict[str, Any]:
    unit: Any = import_module("brainunit")
    return {"A": unit.mV, "B": unit.mV, "v0": unit.mV, "a": unit.Hz, "b": unit.Hz, "e0": 2 * unit.Hz}


@contextlib.contextmanager
def _brainmass_model(column: Quantities, size: int, **options: Any) -> Iterator[Any]:
    brainstate: Any = import_module("brainstate")
    units = _brainmass_units()
    with brainstate.environ.context(precision=64):
        theirs = {name: column[ours] * units.get(ours, 1) for ours, name in _BRAINMASS_NAMES.items() if ours in column}
        yield import_module("brainmass").JansenRitStep(in_size=size, **theirs, **options)


def _brainmass_defaults() -> dict[str, float]:
    units = _brainmass_units()
    with _brainmass_model({}, 1) as model:
        values = {ours: getattr(model, name).value() for ours, name in _BRAINMASS_NAMES.items()}
        return {ours: np.asarray(value / units.get(ours, 1)).item() for ours, value in values.items()}


def _brainmass_derivatives(column: Quantities, ys: np.ndarray) -> np.ndarray:
    unit: Any = import_module("brainunit")
    slope = unit.mV / unit.second
    with _brainmass_model(column, len(ys)) as model:
        states = [y * (unit.mV if i < 3 else slope) for i, y in enumerate(ys.T)]
        found = model.derivative(states, 0 * unit.second, 0 * unit.mV, column["p"] * unit.Hz, 0 * unit.mV)
        decimals = [dy / (slope if i < 3 else slope / unit.second) for i, dy in enumerate(found)]
        return np.stack([np.asarray(dy) for dy in decimals], -1)


def _brainmass_trajectory(column: Quantities, dt: float, steps: int) -> np.ndarray:
    brainstate: Any = import_module("brainstate")
    unit: Any = import_module("brainunit")
    with _brainmass_model(column, 1, method="rk2") as model, brainstate.environ.context(dt=dt * unit.second):
        model.init_state()

        def step(_):
            model.update(E_inp=column["p"] * unit.Hz)
            return [(potential.value / unit.mV)[0] for potential in (model.M, model.E, model.I)]

        return np.stack(brainstate.transform.for_loop(step, np.arange(steps)), -1)


BRAINMASS = Package(
    name="brainmass",
    distribution="brainmass",
    preset="jansen_rit_1995",
    defaults=_brainmass_defaults,
    derivatives=_brainmass_derivatives,
    trajectory=_brainmass_trajectory,
    scheme="Heun",
    shows=("y0", "y1", "y2"),
    conventions=(
        "Quantities carry units (brainunit); r is a bare number, in 1/mV.",
        "M, E, I, Mv, Ev, Iv are our y0 to y5; Ae, Ai, be, bi our A, B, a, b; s_max = 2 e0; a1 to a4 our alpha1 to "
        "alpha4.",
        "E_inp is our p, and 0 unless given; M_inp and I_inp, in mV, are added inside the sigmoids of the pyramidal "
        "and inhibitory equations.",
        "The default integrator is exponential Euler, of first order; Heun's is method='rk2', and 'heun' is one of "
        "third order.",
        "Noise is added to these inputs, with a standard deviation that is the same for any step: its power grows with "
        "dt.",
        "Parameters and states are float32, even where x64 is enabled, unless brainstate.environ has precision=64.",
        "A column has no coupling: JansenRitTR and networks add it to these inputs. eeg() is our y1 - y2.",
    ),
)

_JRNMM_NAMES = {"A": "A", "B": "B", "a": "a", "b": "b", "e0": "vmax", "v0": "v0", "r": "r", "C": "Cs"}
_NO_NOISE = 1e-60  # with none at all its Cholesky factors are NaN


def _jrnmm_defaults() -> dict[str, float]:
    given = inspect.signature(import_module("jrnmm").simulate).parameters
    return {ours: given[name].default / (2 if ours == "e0" else 1) for ours, name in _JRNMM_NAMES.items()}


def _jrnmm_derivatives(column: Quantities, ys: np.ndarray) -> np.ndarray:
    scheme: Any = import_module("jrnmm.simulator")

    def slope(column, y):
        def step(h):
            A, B, a, b, C = (column[name] for name in ("A", "B", "a", "b", "C"))
            kick = (A * a, column["p"], B * b * 0.25 * C, C, 0.8 * C, 0.25 * C)
            kick += (2 * column["e0"], column["v0"], column["r"])
            half = scheme.ode(y[None], h / 2, *kick)
            return scheme.ode(scheme.mult_dm(scheme.exp_mat(h, a, b), half), h / 2, *kick)[0]

        return jax.jvp(step, (0.0,), (1.0,))[1]

    return np.asarray(jax.jit(jax.vmap(slope))(dict(column), ys))


def _jrnmm_trajectory(column: Quantities, dt: float, steps: int) -> np.ndarray:
    of_one = {name: np.atleast_1d(value) for name, value in {"Cs": column["C"], "mus": column["p"]}.items()}
    noise = {"sigmas": np.full(1, _NO_NOISE), "sigma_4": _NO_NOISE, "sigma_6": _NO_NOISE}
    rest = {name: column[ours] for ours, name in _JRNMM_NAMES.items() if ours not in ("C", "e0")}
    shown = import_module("jrnmm").simulate(
        jax.random.PRNGKey(0),
        dt=dt,
        t_end=(steps - 0.5) * dt,
        initial_states=np.zeros(6),
        gains=np.zeros(1),
        vmax=2 * column["e0"],
        **of_one,
        **noise,
        **rest,
    )
    return np.asarray(shown)[0]


JRNMM = Package(
    name="jrnmm",
    distribution="jrnmm",
    preset="hnpe",
    defaults=_jrnmm_defaults,
    derivatives=_jrnmm_derivatives,
    trajectory=_jrnmm_trajectory,
    scheme="Strang splitting",
    shows=("eeg",),
    fixed=("alpha1", "alpha2", "alpha3", "alpha4"),
    moved={"A": 7.0, "C": 200.0, "p": 0.0},
    conventions=(
        "vmax = 2 e0; Cs is our C, mus our p; alpha1 to alpha4 are built in.",
        "It shows y1 - y2 alone, times 10^(gain/10), after every step; it cannot be asked for other states.",
        "It has no vector field: derivatives are the slope of its splitting step, as the step goes to zero.",
        "Its splitting has p in the kick, ours in the linear part: the same numbers at p = 0 only, where "
        "trajectories are compared on a column that cycles without input (A = 7 mV, C = 200); else within O(dt^2).",
        "sigmas, in mV/s^1.5, is A a times the intensity of our white noise; y3 and y5 have noise too (sigma_4 = 0.01, "
        "sigma_6 = 1), and none of the three may be 0: 1e-60 here.",
        "Importing it enables x64 for the whole process.",
    ),
)
