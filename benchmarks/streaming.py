"""Latency of online decoding: one sample in, six states out, for 1 to 256 recordings side by side.

    python -m benchmarks.streaming [--out benchmarks/results/streaming.json] [--quick]

The causal autoencoder that comes with the package, fed sample by sample, as at 1 kHz, and in chunks of ten samples.
Every call is waited for and counts alone; recordings are on the host before it, and states are on the host after it.
"""

import time
from typing import Any

import numpy as np

import jrae_jax as jrae

from .timing import arguments_parser, environment, write

RECORDINGS = (1, 4, 16, 64, 256)
CHUNKS = (1, 10)
CALLS, WARM_UP = 2000, 50
BUSY_S = 20.0  # no size is measured for longer


def latencies(decoder: jrae.StreamingDecoder, recordings: int, chunk: int, calls: int) -> np.ndarray:
    """Seconds of each call."""
    values = np.random.default_rng(0).normal(size=(recordings, chunk, 7)).astype(np.float32)
    standardizer = decoder.reconstructor.standardizer
    samples = np.asarray(standardizer.mean) + np.asarray(standardizer.std) * values
    state, seconds, begun = decoder.init(recordings), [], time.perf_counter()
    for call in range(WARM_UP + calls):
        start = time.perf_counter()
        state, estimate = decoder(state, jrae.Recording.from_array(samples, observed="eeg", dt=1e-3))
        np.asarray(estimate.mean)
        seconds.append(time.perf_counter() - start)
        if call > 2 * WARM_UP and time.perf_counter() - begun > BUSY_S:
            break
    return np.asarray(seconds[WARM_UP:])


def main() -> None:
    """Measure, print and write."""
    options = arguments_parser(__doc__, __file__).parse_args()
    decoder = jrae.StreamingDecoder(jrae.load_pretrained(causal=True), observed="eeg", dt=1e-3)
    rows: list[dict[str, Any]] = []
    for recordings in RECORDINGS[:2] if options.quick else RECORDINGS:
        for chunk in CHUNKS:
            seconds = latencies(decoder, recordings, chunk, 100 if options.quick else CALLS)
            row = {
                "recordings": recordings,
                "samples_a_call": chunk,
                "calls": len(seconds),
                "median_ms": 1e3 * float(np.median(seconds)),
                "p99_ms": 1e3 * float(np.percentile(seconds, 99)),
                "max_ms": 1e3 * float(np.max(seconds)),
                "fraction_of_real_time": float(np.median(seconds)) / (chunk * 1e-3),
            }
            print({name: round(value, 3) for name, value in row.items()})
            rows.append(row)
    write({"environment": environment(), "latency": rows}, options.out)


if __name__ == "__main__":
    main()
