"""Random command lines and damaged files, with what is wrong about them.

python -m benchmarks.fuzzing [KIND] [--cases 500] [--seed 0]
"""

import argparse

from . import fuzzed
from .kinds import KINDS


def main() -> None:
    """Print counts, and every fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=[*KINDS], choices=[[], *KINDS], metavar="KIND")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for kind in options.kinds:
        found = fuzzed(kind, options.cases, seed=options.seed)
        print(kind, found["outcomes"], f"{found['seconds_of_cpu']:.0f} s of CPU")
        for fault in found["faults"]:
            print("  ", fault)


if __name__ == "__main__":
    main()
