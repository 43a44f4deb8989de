"""One of every figure of `jrae_jax.plot`, of small or made-up records."""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import jrae_jax as jrae
from jrae_jax import plot
from jrae_jax.column import STATES
from jrae_jax.dynamics import BifurcationCurves, BifurcationDiagram, Equilibria, LimitCycle
from jrae_jax.inference import ParameterFit
from jrae_jax.scan import BANDS
from jrae_jax.studies import LatentSizes, Study
from tests.made_decoded import made_decoded

STANDARD = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0))
UNITS = {"C": "1", "p": "1/s"}
SUMMARIES = {"eeg_mean": "mV", "eeg_sd": "mV", "eeg_min": "mV", "eeg_max": "mV", "dominant_frequency": "Hz"}


def some(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 1.0, shape)


def atlas() -> xr.Dataset:
    masks, estimators = ["y0", "y1,y2", "eeg"], ["chance", "memoryless", "wiener", "kalman smoother", "autoencoder"]
    coords = {"mask": masks, "noise": [0.05], "estimator": estimators, "state": list(STATES)}
    return xr.Dataset({"r": (("seed", "mask", "noise", "estimator", "state"), some(2, 3, 1, 5, 6))}, coords)


def equilibria(parameter: str, points: int = 9) -> Equilibria:
    """Stable and unstable."""
    eigenvalues = jnp.asarray(np.linspace(-1, 1, points)[:, None] * np.ones(6, complex), jnp.complex64)
    along = jnp.linspace(100.0, 300.0, points)
    return Equilibria(along, jnp.asarray(some(points, 6), jnp.float32), eigenvalues, along, parameter)


def cycles(*shape: int) -> LimitCycle:
    along = jnp.broadcast_to(jnp.linspace(100.0, 300.0, shape[-1]), shape)
    period, states, extrema = (jnp.asarray(some(*shape, *more), jnp.float32) for more in ((), (6,), (2,)))
    return LimitCycle(along, period, states, states.astype(jnp.complex64), extrema, along)


def diagram() -> BifurcationDiagram:
    few, bounds = equilibria("p", 2), jnp.array([100.0, 300.0])
    return BifurcationDiagram(equilibria("p"), few, few, cycles(2, 5), cycles(3), bounds, STANDARD)


def found(*, from_spectrum: bool) -> ParameterFit:
    y0, axis = None if from_spectrum else np.zeros(6), np.linspace(0.0, 4.0, 50)
    return ParameterFit(
        ("A", "gain"), some(2), some(2), np.array([False, True]), np.eye(2), STANDARD, 1.0, y0, 0.9, True, 3, 4,
        axis, some(50), some(50),
    )  # fmt: skip


def axes(**sizes: int) -> dict[str, Any]:
    return {name: (name, np.linspace(100, 300, size), {"units": UNITS[name]}) for name, size in sizes.items()}


def regimes() -> xr.Dataset:
    return xr.Dataset({"regime": (("C", "p"), np.arange(20).reshape(4, 5) % 4)}, axes(C=4, p=5))


def scanned(**sizes: int) -> xr.Dataset:
    """As `parameter_scan` gives it, over axes, or of points that were sampled."""
    shape = tuple(sizes.values())
    variables: dict[str, Any] = {
        name: (tuple(sizes), some(*shape), {"units": unit}) for name, unit in SUMMARIES.items()
    }
    variables["failed"] = (tuple(sizes), np.zeros(shape, bool))
    variables["regime"] = (tuple(sizes), np.arange(np.prod(shape)).reshape(shape) % 3)
    variables["band_power"] = ((*sizes, "band"), some(*shape, len(BANDS)), {"units": "mV²"})
    if "point" in sizes:
        coords = {name: ("point", some(sizes["point"]), {"units": unit}) for name, unit in UNITS.items()}
    else:
        coords = axes(**sizes)
    return xr.Dataset(variables, coords | {"band": list(BANDS)})


def figures(study: Study | None = None) -> dict[str, Callable[[], Figure]]:
    """By what is drawn, of which the first word is the function of `jrae_jax.plot`; those of a study need one."""
    decoded = made_decoded(refused={"flat": [(0, 0)]}, beyond={"beta": 2.7})
    trajectories = jrae.Trajectories(jnp.asarray(some(2, 300, 6), jnp.float32), dt=1e-2)
    sizes = LatentSizes((1, 4), {"full": some(2, 6), "pyramidal": some(2, 6)})
    curves = BifurcationCurves(equilibria("C"), equilibria("C"))
    of_study = ("latents", "losses", "reconstruction", "recovery", "recovery_means", "traces")
    of_decoded = ("decoded", "decoded_spectrum", "decoded_posterior", "decoded_windows")
    return {
        "atlas": lambda: plot.atlas(atlas(), noise=0.05),
        "atlas_scores": lambda: plot.atlas_scores(atlas(), noise=0.05),
        "bifurcation_diagram": lambda: plot.bifurcation_diagram(diagram()),
        "regime_map": lambda: plot.regime_map(regimes(), curves),
        "estimate": lambda: plot.estimate(
            jrae.Estimate(trajectories.ys, 0.1 + 0 * trajectories.ys, dt=1e-2), trajectories.ys
        ),
        "fit of a trace": lambda: plot.fit(found(from_spectrum=False)),
        "fit of a spectrum": lambda: plot.fit(found(from_spectrum=True)),
        "latent_sizes": lambda: plot.latent_sizes(sizes),
        "scan along an axis": lambda: plot.scan(scanned(p=7)),
        "scan over two axes": lambda: plot.scan(scanned(C=5, p=7)),
        "scan of points": lambda: plot.scan(scanned(point=9)),
        "trajectories": lambda: plot.trajectories(trajectories),
        **{name: functools.partial(getattr(plot, name), decoded) for name in of_decoded},
        **{name: functools.partial(getattr(plot, name), study) for name in of_study},
    }
