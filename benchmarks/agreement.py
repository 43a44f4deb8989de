"""Whether other packages have the same equations and come to the same trajectories, and what they do otherwise.

    python benchmarks/agreement.py [--out benchmarks/results/agreement.json] [--quick]

`jrae agree`, with more random columns and longer trajectories; and PyRates once more with its NumPy backend, whose
`heun` is another method.
"""

import platform
from functools import partial
from importlib.metadata import version

from timing import arguments_parser, write

import jrae_jax as jrae
from jrae_jax._agreement.agreement import DT, PACKAGES
from jrae_jax._agreement.pyrates import PYRATES, trajectory

WITH_NUMPY = PYRATES._replace(name="PyRates, NumPy", trajectory=partial(trajectory, backend="numpy"))


def main() -> None:
    """Compare, print and write."""
    options = arguments_parser(__doc__, __file__).parse_args()
    work = {"samples": 100, "duration": 0.1} if options.quick else {"samples": 10_000, "duration": 10.0}
    found = jrae.agreement((*PACKAGES, WITH_NUMPY), **work)
    for one in found:
        print(one.package, one.version, one.verdict, one.derivatives, one.trajectory, one.error, one.reason or "")
    versions = {name: version(name) for name in ("jrae-jax", "jax", "jaxlib", "diffrax", "numpy")}
    record = {
        "environment": {"python": platform.python_version(), "packages": versions},
        "work": {**work, "dt": DT},
        "agreement": [one._asdict() for one in found],
    }
    write(record, options.out)


if __name__ == "__main__":
    main()
