"""Tables of fitting parameters to recordings."""

from pathlib import Path

from .markdown import PERCENT, measured, percent, record, table

_CASES = {
    "trace, no noise": "4 s, input known, no noise",
    "trace, 10 % sensor noise": "4 s, input known, sensor noise of 10 %",
    "spectrum, uniform noise": "spectrum of 60 s, unobserved uniform noise",
    "spectrum, sigma = 2000": "spectrum of 60 s, unobserved white noise, sigma = 2000",
}


def fits(results: Path) -> str:
    """How often, and how nearly, A, B and C are found."""
    found = record(results, "fitting")
    number = found["problems"]
    rows = []
    for name, words in _CASES.items():
        one = found["cases"][name]["summary"]
        digits = 3 if one["median_error"] < 1e-4 else 1
        rows.append(
            [
                words,
                percent(one["median_error"], digits),
                ", ".join(f"{100 * error:.{digits}f}" for error in one["median_error_each"]) + PERCENT,
                f"{one['all_within_1_percent'] * number:.0f} of {number}",
                f"{one['all_within_10_percent'] * number:.0f} of {number}",
                percent(one["within_two_std"]),
                percent(one["converged"]),
                f"{one['median_seconds']:.0f} s",
            ]
        )
    head = ["recording", "median error", "A, B, C", "all within 1 %", "within 10 %", "errors within two `std`"]
    from_where = measured("python -m benchmarks.fitting", "fitting.json", found["environment"])
    return f"{table([*head, 'converged', 'a fit takes'], rows)}\n\n{from_where}"


PARTS = {"fitting": fits}
