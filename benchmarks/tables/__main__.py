"""Write the tables of README.md and docs/ anew from the recorded results.

    python -m benchmarks.tables

Everything between `<!-- measured: NAME -->` and `<!-- end -->` is replaced by what the part of this name makes of
`benchmarks/results`. Run it after any benchmark; a test fails where a committed page differs.
"""

import argparse
from pathlib import Path

from .pages import marked_pages, rewritten


def main() -> None:
    """Rewrite every page that has a marked part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    house = Path(__file__).parents[2]
    for page in marked_pages(house):
        before = page.read_text()
        after = rewritten(before, house / "benchmarks" / "results")
        if after != before:
            page.write_text(after)
            print(f"rewrote {page.relative_to(house)}")


if __name__ == "__main__":
    main()
