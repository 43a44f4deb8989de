"""PyRates, which writes a program from operators, nodes and edges."""

import contextlib
import tempfile
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from .package import Package, Quantities

_CIRCUIT = "model_templates.neural_mass_models.jansenrit.JRC"
_V = 1e-3  # of a mV

_EDGES = {
    "alpha1": ("ein/in_edge_0/weight", ("pc/pro/m", "ein/rpo_e/m_in")),
    "alpha2": ("pc/in_edge_0/weight", ("ein/pro/m", "pc/rpo_e_in/m_in")),
    "alpha3": ("iin/in_edge_0/weight", ("pc/pro/m", "iin/rpo_e/m_in")),
    "alpha4": ("pc/in_edge_1/weight", ("iin/pro/m", "pc/rpo_i/m_in")),
}
"""Weights by the names of its function, and what they connect."""

_STATES = ("pc/rpo_e_in", "pc/rpo_i", "ein/rpo_e", "iin/rpo_e")
"""Where potentials are: y1, -y2, C1 y0 and C3 y0."""


def _nodes(column: Quantities) -> dict[str, Any]:
    """All it takes but weights, in s, V and 1/s."""
    values = {"pc/rpo_i/h": -column["B"] * _V, "pc/rpo_i/tau": 1 / column["b"], "pc/rpo_e_in/u": column["p"]}
    for synapse in ("pc/rpo_e_in", "ein/rpo_e", "iin/rpo_e"):
        values |= {f"{synapse}/h": column["A"] * _V, f"{synapse}/tau": 1 / column["a"]}
    for node in ("pc", "ein", "iin"):
        sigmoid = {"m_max": 2 * column["e0"], "s": column["r"] / _V, "v_thr": column["v0"] * _V}
        values |= {f"{node}/pro/{name}": value for name, value in sigmoid.items()}
    return values


def _weights(column: Quantities) -> dict[str, Any]:
    return {argument: column[name] * column["C"] for name, (argument, _) in _EDGES.items()}


@contextlib.contextmanager
def _circuit() -> Iterator[Any]:
    """A column, in a folder for the files that it writes."""
    pyrates: Any = import_module("pyrates")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        pyrates.clear_frontend_caches()
        circuit = pyrates.CircuitTemplate.from_yaml(_CIRCUIT)
        try:
            yield circuit
        finally:
            pyrates.clear(circuit)


def _function() -> tuple[Any, dict[str, np.ndarray], list[int]]:
    """The derivatives, the arguments behind t, y and dy by name, and where `_STATES` and their slopes stand in y."""
    settings: dict[str, Any] = {"float_precision": "float64", "vectorize": False, "verbose": False}
    with _circuit() as circuit:
        function, values, names, places = circuit.get_run_func("column", 1e-4, backend="numpy", **settings)
        arguments = dict(zip(names, values, strict=True))
        for name in ("t", "y", "dy"):
            del arguments[name]
        return function, arguments, [places[f"{state}/{kind}"] for kind in "vx" for state in _STATES]


def _defaults() -> dict[str, float]:
    _, arguments, _ = _function()
    value = {name: float(argument) for name, argument in arguments.items()}
    weights = {name: value[argument] for name, (argument, _) in _EDGES.items()}
    C = weights["alpha1"]
    return {
        "A": value["pc/rpo_e_in/h"] / _V,
        "B": -value["pc/rpo_i/h"] / _V,
        "a": 1 / value["pc/rpo_e_in/tau"],
        "b": 1 / value["pc/rpo_i/tau"],
        "e0": value["pc/pro/m_max"] / 2,
        "v0": value["pc/pro/v_thr"] / _V,
        "r": value["pc/pro/s"] * _V,
        "C": C,
        **{name: weight / C for name, weight in weights.items()},
    }


def _derivatives(column: Quantities, ys: np.ndarray) -> np.ndarray:
    function, arguments, places = _function()
    one = np.ones(len(ys))
    values = {name: value * one for name, value in (_nodes(column) | _weights(column)).items()}
    scales = _V * np.stack([one, -one, column["alpha1"] * column["C"], column["alpha3"] * column["C"]] * 2, -1)
    theirs = scales * ys[:, [1, 2, 0, 0, 4, 5, 3, 3]]
    found, y = np.empty((len(ys), 8)), np.empty(8)
    for i, state in enumerate(theirs):
        y[places] = state
        found[i] = function(0.0, y, np.empty(8), *(values[name][i] for name in arguments))[places]
    y1, y2, y0, again, y4, y5, y3, y3_again = (found / scales).T
    return np.stack([(y0 + again) / 2, y1, y2, (y3 + y3_again) / 2, y4, y5], -1)


def trajectory(column: Quantities, dt: float, steps: int, *, backend: str = "jax") -> np.ndarray:
    """The potentials after each step, by its `heun`, which is another method in another backend: see conventions."""
    weights = _weights(column)
    with _circuit() as circuit:
        circuit.update_var(
            node_vars=_nodes(column),
            edge_vars=[(*ends, {"weight": weights[argument]}) for argument, ends in _EDGES.values()],
        )
        table = circuit.run(
            simulation_time=(steps + 1) * dt,  # the state before each step is what it stores
            step_size=dt,
            outputs={state: f"{state}/v" for state in _STATES},
            solver="heun",
            backend=backend,
            float_precision="float64",
            vectorize=False,
            verbose=False,
            clear=False,
        )
    y1, y2, y0, again = (table[state].to_numpy().ravel()[1:] / _V for state in _STATES)
    C = column["C"]
    return np.stack([(y0 / column["alpha1"] + again / column["alpha3"]) / (2 * C), y1, -y2], -1)


PYRATES = Package(
    name="PyRates",
    distribution="pyrates",
    preset="jansen_rit_1995",
    defaults=_defaults,
    derivatives=_derivatives,
    trajectory=trajectory,
    scheme="Heun",
    shows=("y0", "y1", "y2"),
    conventions=(
        "Potentials are in volts, time in seconds: h is our A, and -B where it inhibits; tau = 1/a and 1/b; "
        "m_max = 2 e0; s = 1000 r; v_thr is our v0; u our p.",
        "Weights of edges are our C1 = 135, C2 = 108, C3 = C4 = 33.75; there is no C.",
        "JRC has eight states in operators: y1, -y2, C1 y0 and C3 y0, and their slopes. Both copies of y0 count here "
        "by their mean. JRC2, in one operator, has 0.8 built in and is not compared.",
        "It counts in float32 unless float_precision='float64'.",
        "Results begin with the state before the first step.",
        "'heun' is Heun's method with backend='jax' only, as is used here: by default, with NumPy (1.2.3), both of its "
        "stages share a buffer, and 1 s of the alpha cycle at 0.1 ms is 0.6 mV off.",
        "It makes no noise: inputs are given as arrays. There is no output variable: y1 - y2 is taken by the user.",
        "It writes the program into the current folder.",
    ),
)
