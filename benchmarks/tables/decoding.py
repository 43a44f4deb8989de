"""Tables of decoding real recordings: coverage, correlation, the posterior, the check, and changes over time."""

from pathlib import Path
from typing import Any

from jrae_jax.column import STATES

from .markdown import measured, percent, record, select, span, table

_TRANSITIONS = {"windows": "windows", "within_one": "within one window", "within_two": "within two"}


def _two(value: float) -> str:
    return f"{value:.2f}"


def _three(value: float) -> str:
    return f"{value:.3f}"


def _words(cell: dict[str, Any]) -> str:
    if "rate" in cell:
        return f"{cell['rate']:g} Hz" + ("" if cell["band"] == "none" else f", band {cell['band']}")
    return f"columns {cell['regime']}" if cell["regime"] == "at rest" else f"columns with a {cell['regime']}"


def _background(cell: dict[str, Any]) -> str:
    return f"{cell['from']:g} to {cell['to']:g}" if cell["from"] else f"below {cell['to']:g}"


def coverage(results: Path) -> str:
    """Over all recordings: how often truth lies within the intervals."""
    found = record(results, "decoding")
    (every,) = select(found["cells"], by="all")
    least = min(min(*cell["cover"], *cell["shape_cover"]) for cell in found["cells"])
    return (
        f"Of {every['recordings'] + found['not_promised']:,} simulated recordings of {found['seconds']:g} s, "
        f"{found['not_promised']} were refused. Over the other {every['recordings']}, 90 % intervals in mV hold "
        f"{span(every['cover'], _three)} of the true values, state by state, those of shapes "
        f"{span(every['shape_cover'], _three)}; the least in any cell below is {least:.3f}. The check calls "
        f"{percent(1 - found['explained'], 1)} of them not explained by one column. A recording takes "
        f"{found['seconds_a_recording']:.1f} s.\n\n"
        + measured("python -m benchmarks.decoding", "decoding.json", found["environment"])
    )


def by_background(results: Path) -> str:
    """Median r by the size of the background, beside a smoother that knows all."""
    cells = select(record(results, "decoding")["cells"], by="background over column")
    rows = [
        [
            _background(cell),
            str(cell["recordings"]),
            *[f"{r:.3f} ({best:.3f})" for r, best in zip(cell["r"], cell["informed_r"], strict=True)],
        ]
        for cell in cells
    ]
    return table(["background over column", "recordings", *STATES], rows)


def by_amplifier(results: Path) -> str:
    """Coverage and r by rate, band and regime."""
    cells = [cell for cell in record(results, "decoding")["cells"] if cell["by"] in ("rate and band", "regime")]
    rows = [
        [_words(cell), str(cell["recordings"]), *[span(cell[name], _two) for name in ("cover", "shape_cover", "r")]]
        for cell in cells
    ]
    head = ["recordings", "number", "in 90 % intervals, mV", "in 90 % intervals, shapes", "median r"]
    return f"Over the six states, from the least to the greatest:\n\n{table(head, rows)}"


def posterior(results: Path) -> str:
    """Whether the posterior's intervals hold what they should, and what the spectrum says of each quantity."""
    found = record(results, "decoding_calibration")
    rows = [
        [
            f"`{row['quantity']}`",
            percent(row["covered_by_50"]),
            percent(row["covered_by_90"]),
            _two(row["p_of_ranks"]),
            _two(row["r_posterior"]),
            _two(row["r_ridge"]),
        ]
        for row in found["rows"]
    ]
    head = ["quantity", "in 50 % intervals", "in 90 %", "p, ranks uniform", "r of means", "r of ridge regression"]
    text = f"{found['recordings']:,} simulated recordings that were not trained on, {found['draws']} draws of each:"
    from_where = measured(
        "python -m benchmarks.decoding_calibration", "decoding_calibration.json", found["environment"]
    )
    return f"{text}\n\n{table(head, rows)}\n\n{from_where}"


def check(results: Path) -> str:
    """What is called not explained, kind by kind."""
    found = record(results, "decoding_check")
    rows = [
        [
            row["kind"],
            f"{row['seconds']:g}",
            f"{row['recordings']:,}",
            percent(row["not_explained"], 1 if 0 < row["not_explained"] < 0.02 else 0),
            _two(row["column_fraction"][1]),
            percent(row["fraction_at_most_a_tenth"]),
        ]
        for row in found["rows"]
    ]
    head = ["recordings of", "s", "number", "not explained", "column's fraction, median", "fraction at most .1"]
    from_where = measured("python -m benchmarks.decoding_check", "decoding_check.json", found["environment"])
    return f"{table(head, rows)}\n\n{from_where}"


def over_time(results: Path) -> str:
    """How well windows of one recording agree, and how well changes are located."""
    found = record(results, "decoding_over_time")
    agreement = [[f"`{name}`", _two(r)] for name, r in found["test_retest"].items()]
    rows = [
        [name, str(row["windows"]), percent(row["within_one"]), percent(row["within_two"])]
        for name, row in found["transitions"].items()
    ]
    from_where = measured("python -m benchmarks.decoding_over_time", "decoding_over_time.json", found["environment"])
    return (
        f"Posterior medians of windows of one recording of 60 s, correlation over {found['recordings']} columns:\n\n"
        f"{table(['quantity', 'r between windows'], agreement)}\n\n"
        f"Where the mean input of a standard column rises through a bifurcation, {found['recordings']} recordings in "
        "windows of 20 s, the change is "
        f"located:\n\n{table(['bifurcation', *_TRANSITIONS.values()], rows)}\n\n{from_where}"
    )


PARTS = {
    "decoding: coverage": coverage,
    "decoding: by background": by_background,
    "decoding: by amplifier": by_amplifier,
    "decoding: posterior": posterior,
    "decoding: check": check,
    "decoding: over time": over_time,
}
