"""What the package does, with the number that shows it: the bullets of README.md."""

from pathlib import Path

from .markdown import frame, percent, record, select, span

_NOISE = 0.05
_DAMAGED = ("V", "uV", "offset", "gain 2", "gain 1/2", "0.5 to 45 Hz", "1/f of 30 %", "250 Hz resampled")
"""Recordings that are not what an autoencoder was trained for, by what was done to them."""


def proofs(results: Path) -> str:
    """Five of them, each with a link to the page that shows more."""
    return "\n".join(
        f"- {words} ([{page}](docs/results/{page}.md))"
        for page, words in (
            ("recovery", _recovery(results)),
            ("decoding", _decoding(results)),
            ("intervals", _intervals(results)),
            ("recovery", _unlabelled(results)),
            ("speed", _scan(results)),
        )
    )


def _recovery(results: Path) -> str:
    (row,) = select(record(results, "recovery")["rows"], observed="eeg", noise=_NOISE, causal=False)
    ours, best, instant = (row["r"][name][1] for name in ("for all", "kalman smoother", "memoryless"))
    atlas = frame(results, "atlas.csv.gz")
    kinds = atlas["mask"].nunique()
    return (
        f"**Hidden states from any of {kinds} kinds of recording, with one trained autoencoder.** From an EEG with 5 "
        "% noise "
        f"the excitatory potential comes back with r = {ours:.3f}; a smoother that knows the column reaches "
        f"{best:.3f}, the "
        f"best function of one instant {instant:.3f}."
    )


def _decoding(results: Path) -> str:
    found = record(results, "decoding")
    (every,) = select(found["cells"], by="all")
    return (
        "**Hidden states of a real recording, whose column and gain nobody knows.** On simulated recordings of "
        "columns, gains "
        f"and backgrounds that nothing was trained on, 90 % intervals hold {span(every['cover'], percent)} of the "
        "true values."
    )


def _intervals(results: Path) -> str:
    rows = select(record(results, "consistency")["rows"], estimator="autoencoder", kind="eeg")
    noticed = [row["beyond"] for row in rows if row["change"] in _DAMAGED]
    unchanged = select(record(results, "consistency")["rows"], estimator="autoencoder", change="none")
    alarms = sum(row["beyond"] * row["recordings"] for row in unchanged)
    return (
        "**A warning where an interval cannot be believed.** Of recordings in another unit, with another gain, an "
        "offset, a "
        f"filter, a background or another rate, {span(noticed, percent)} are noticed; of unchanged ones {alarms:.0f} "
        "of "
        f"{sum(row['recordings'] for row in unchanged):,}."
    )


def _unlabelled(results: Path) -> str:
    (row,) = select(record(results, "unlabelled")["rows"], observed="eeg")
    return (
        "**Training without a single true hidden state**, on the equations and the samples alone: r of the excitatory "
        f"potential from the EEG is {row['r']['without labels'][1]:.3f}, with labels {row['r']['with labels'][1]:.3f}."
    )


def _scan(results: Path) -> str:
    million, kills = record(results, "scans")["million"], record(results, "faults")["kills"]["scan"]
    return (
        f"**A million noisy columns of 10 s in {million['results']['seconds']:.0f} s** on "
        f"{million['environment']['cores']} "
        f"cores; killed {kills['kills']} times at random, such scans resumed to the same bytes, "
        f"{kills['of_them_identical']} of {kills['runs_resumed_to_the_end']}."
    )


PARTS = {"proofs": proofs}
