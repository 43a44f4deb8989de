"""What the check of `decode` notices, and how often it is wrong about recordings of its own model.

    python -m benchmarks.decoding_check [--out benchmarks/results/decoding_check.json] [--quick] [--recordings N]

The fraction of recordings for which the check says that one column does not explain them, and the fraction of the
column that it sees in those of noise alone, of 20 s and, for some, of 60 s.
"""

import time

import jax
import numpy as np

import jrae_jax as jrae
from jrae_jax.decoding import Check, Decoder, load_decoder
from jrae_jax.decoding.outcome import check_of, outcome_of, quantities
from jrae_jax.decoding.prepare import prepare
from jrae_jax.decoding.rows import columns_drawn, row_keys, rows_of

from .timing import arguments_parser, environment, write
from .unlike import RATE, unlike

LONG = ("the model", "two columns", "1/f noise", "white noise", "sine of 10 Hz, and 1/f", "surrogates")
"""Kinds that are measured at 60 s as well."""

_OF_THE_MODEL = 10  # times as many recordings, for false alarms


def checked(values: np.ndarray, decoder: Decoder, key: jax.Array) -> Check:
    """The check of `decode`, without its states."""
    prepared = prepare(jrae.Recording.of(eeg=values, dt=1 / RATE, unit="column"))
    rows = rows_of(decoder.posterior, prepared)
    keys = row_keys(prepared, rows, key)
    latents = columns_drawn(decoder.posterior, rows, keys[:, 0])
    outcome = outcome_of(decoder, prepared, rows, latents, keys[:, 1])
    return check_of(decoder, prepared, rows, outcome.comparison, quantities(rows, outcome.draws)["column_fraction"])


def main() -> None:
    """Measure, and write the results."""
    parser = arguments_parser(__doc__, __file__)
    parser.add_argument("--recordings", type=int, default=100, help="of each kind; of the model ten times that (100)")
    parser.add_argument("--kinds", default="", help="only those whose names contain one of these, with ; between them")
    options = parser.parse_args()
    number, decoder, rows = 2 if options.quick else options.recordings, load_decoder(), []
    for seconds in (20.0, 60.0):
        times = _OF_THE_MODEL if seconds == 20.0 else 2
        of_the_model = unlike(number * times, seconds, seed=5)["the model"]
        for i, (kind, make) in enumerate(unlike(number, seconds, seed=6).items()):
            chosen = not options.kinds or any(part in kind for part in options.kinds.split(";"))
            if not chosen or (seconds > 20.0 and kind not in LONG):
                continue
            start = time.perf_counter()
            check = checked((of_the_model if kind == "the model" else make)(), decoder, jax.random.key(i))
            fraction = check.column_fraction.mean(axis=1)
            row = {
                "kind": kind,
                "seconds": seconds,
                "recordings": len(check.explained),
                "not_explained": float(1 - check.explained.mean()),
                "unfamiliar": float((~check.familiar).any(axis=1).mean()),
                "column_fraction": np.quantile(fraction, (0.05, 0.5, 0.95)).round(4).tolist(),
                "fraction_at_most_a_tenth": float((fraction <= 0.1).mean()),
            }
            rows.append(row)
            numbers = (
                row["not_explained"],
                row["unfamiliar"],
                *row["column_fraction"],
                row["fraction_at_most_a_tenth"],
            )
            print(
                f"{kind:46} {seconds:3.0f} s {row['recordings']:5}  {'  '.join(f'{x:.3f}' for x in numbers)}  "
                f"({time.perf_counter() - start:.0f} s)",
                flush=True,
            )
    write({"environment": environment(), "rows": rows}, options.out)


if __name__ == "__main__":
    main()
