"""Results on standard output, in a few lines."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from .._files import atomic_path
from ..scan.engine import FAILURES
from ..scan.regime import REGIMES

_MOST_FAILURES = 5  # that are listed


def save_figure(figure: Figure, path: Path, option: str = "--plot") -> None:
    """Write the figure that an option asks for, and say where it is."""
    with atomic_path(path, option) as unfinished:
        figure.savefig(unfinished)
    print(f"picture in {path}")


def print_scan(scan: xr.Dataset) -> None:
    """The axes of a scan, how much is done, what failed, and the range of every result."""
    for name in scan.failed.dims:
        quantities = [str(quantity) for quantity in scan.coords if scan[quantity].dims == (name,)]
        ranges = (f"{q} {scan[q].values.min():g} to {scan[q].values.max():g}" for q in quantities)
        print(f"{name}: {scan.sizes[name]} values, {', '.join(ranges)}")
    done, points = scan.attrs["points_done"], scan.attrs["points"]
    print(f"{done} of {points} points done, {int(scan.failed.sum())} failed")
    for name in sorted(str(name) for name in scan.data_vars):
        values = scan[name].values
        if name == "regime":
            fractions = (f"{regime} {np.sum(values == code) / max(done, 1):.0%}" for code, regime in enumerate(REGIMES))
            print(f"{name:>20}  {', '.join(fractions)}")
        elif name not in ("failed", "failure") and np.isfinite(values).any():
            print(f"{name:>20}  {np.nanmin(values):.4g} to {np.nanmax(values):.4g} {scan[name].attrs['units']}")
    for place in np.argwhere(scan.failed.values)[:_MOST_FAILURES]:
        point = scan.failed[tuple(place)]
        where = ", ".join(f"{name}={point[name].item():g}" for name in point.coords)
        reason = FAILURES[int(scan.failure.values[tuple(place)])].replace("_", " ")
        print(f"failed at {scan.failure_time.values[tuple(place)]:g} s ({reason}): {where}")
