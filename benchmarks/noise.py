"""Certificate of the noise: dieharder's battery on its words, moments and tails of its normals, and their distribution.

    python -m benchmarks.noise [--out benchmarks/results/noise.json] [--quick] [--parts dieharder moments ks]
                               [--logs FOLDER] [--from-logs]

The words are the two hashes of 32 bits from which `NoiseStream.normal_pair` makes a radius and an angle, in the orders
`steps`, `columns` and `interleaved`. Every order gets the whole battery (an hour or two each), and what is weak or
fails there is repeated on streams of other keys. dieharder's own words are in the logs, one file an order and one for
its repeats: a battery whose log is there is not run again, and `--from-logs` runs none.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jrae_jax.column import NoiseStream, noise_stream

from .timing import arguments_parser, environment, write

BLOCK = 65536  # words, which stay in the second-level cache
ORDERS = {
    "steps": "one stream after the other along its 2^32 steps: 65,536 radius words, the angle words of the same steps",
    "columns": "65,536 streams step by step: all radius words of a step, then all its angle words",
    "interleaved": "65,536 streams step by step: of each stream its radius word, then its angle word",
}
REPEATS = 3
FIELDS = ("test_name", "show_num", "ntuple", "tsamples", "psamples", "pvalues", "assessment")
OF_TUPLES = {200, 201, 202, 203}  # the tests that a battery runs once for each length of tuple
SUSPECT = {
    5: "called suspect by dieharder's list of tests",
    6: "called suspect by dieharder's list of tests",
    7: "called suspect by dieharder's list of tests",
    14: "called not to be used by dieharder's list of tests",
}
QUICK = (0, 100, 101)  # of a few seconds each
_END = "# all tests have run\n"
BEYOND = (1, 2, 3, 4, 5, 6)  # sd

# Words.


def words(stream: NoiseStream, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The radius and the angle words of `stream` at `index`, broadcast against one another."""
    first, second = (np.asarray(word, np.uint32) for word in (stream.first, stream.second))
    halfway = _mixed(index * np.uint32(0x9E3779B9) + first)
    return _mixed(halfway ^ second), _mixed(halfway + (second * np.uint32(0x2C1B3C6D) + np.uint32(0x85EBCA6B)))


def _mixed(x: np.ndarray) -> np.ndarray:
    x = x ^ (x >> 16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> 15
    x *= np.uint32(0x846CA68B)
    x ^= x >> 16
    return x


def ordered(order: str, seed: int) -> Iterator[np.ndarray]:
    """Words without end, in blocks."""
    streams = noise_stream(jax.random.key(seed), jnp.arange(BLOCK))
    blocks = np.arange(0, 2**32, BLOCK, dtype=np.int64).astype(np.uint32)
    within = np.arange(BLOCK, dtype=np.uint32)
    if order == "steps":
        for column in range(BLOCK):
            stream = jax.tree.map(lambda word, column=column: word[column : column + 1], streams)
            for start in blocks:
                yield from words(stream, start + within)
    for step in range(2**32):
        pair = words(streams, np.full(1, step, np.uint32))
        yield from pair if order == "columns" else [np.stack(pair, -1)]


def feed(order: str, seed: int) -> None:
    """Write words to standard output until nobody reads them."""
    try:
        for block in ordered(order, seed):
            sys.stdout.buffer.write(block.data)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# The battery.


def dieharder(order: str, seed: int, tests: str, log: Path) -> None:
    """Run tests on words in this order, and append what dieharder says of them to the log, line by line."""
    source = shlex.join([sys.executable, "-m", "benchmarks.noise", "--feed", order, str(seed)])
    flags = " ".join(f"-D {field}" for field in FIELDS)
    subprocess.run(f"{source} | stdbuf -oL dieharder -g 200 {tests} -c '|' {flags} >> {log}", shell=True, check=True)


def logged(log: Path) -> list[dict[str, Any]]:
    """The lines of a log."""
    lines = log.read_text().splitlines() if log.exists() else []
    found = [[entry.strip() for entry in line.split("|")] for line in lines if line.count("|") == len(FIELDS) - 1]
    return [
        {"test": test, "number": int(number), "ntuple": int(ntuple), "p": float(p), "assessment": assessment}
        for test, number, ntuple, _, _, p, assessment in found
    ]


def finish(log: Path) -> None:
    """Note that all tests of a log have run: one without that was interrupted, and is begun anew."""
    with log.open("a") as file:
        file.write(_END)


def finished(log: Path) -> bool:
    """Whether all tests of a log have run."""
    return log.exists() and log.read_text().endswith(_END)


def battery(order: str, logs: Path, quick: bool, run: bool) -> dict[str, Any]:
    """The results of one order, and the repeats of those that were not passed."""
    log, repeats = logs / f"{order}.log", logs / f"{order}-repeats.log"
    if run and not finished(log):
        log.unlink(missing_ok=True)
        for tests in [f"-d {number}" for number in QUICK] if quick else ["-a"]:
            dieharder(order, 0, tests, log)
        finish(log)
    results = logged(log)
    doubtful = dict.fromkeys((row["number"], row["ntuple"]) for row in results if row["assessment"] != "PASSED")
    chosen = {(number, ntuple if number in OF_TUPLES else None) for number, ntuple in doubtful}
    if run and not finished(repeats):
        repeats.unlink(missing_ok=True)
        for number, ntuple in sorted(chosen, key=str):
            for seed in range(1, REPEATS + 1):
                dieharder(order, seed, f"-d {number}" + (f" -n {ntuple}" if ntuple else ""), repeats)
        finish(repeats)
    again = logged(repeats)
    for row in results:
        key = row["number"], row["ntuple"]
        if key in doubtful:
            rows = [other for other in again if (other["number"], other["ntuple"]) == key]
            row["repeats"] = [{"p": other["p"], "assessment": other["assessment"]} for other in rows]
        if row["number"] in SUSPECT:
            row["of_the_test"] = SUSPECT[row["number"]]
    return {
        "order": ORDERS[order],
        "finished": finished(log),
        "passed": sum(row["assessment"] == "PASSED" for row in results),
        "weak": [row for row in results if row["assessment"] == "WEAK"],
        "failed": [row for row in results if row["assessment"] == "FAILED"],
        "failed_again": sorted(
            {row["test"] for row in results if any(one["assessment"] == "FAILED" for one in row.get("repeats", ()))}
        ),
        "results": results,
    }


# Normals.


@jax.jit
def sums(streams: NoiseStream, steps: jax.Array) -> dict[str, jax.Array]:
    """Of each stream over the steps: powers, products and counts; single precision holds those of a thousand steps."""

    def add(carry, step):
        before, found = carry
        pair = x, y = jnp.stack(streams.normal_pair(step))
        powers = jnp.stack([pair, pair**2, pair**3, pair**4])
        products = jnp.stack([x * y, x * before[0], y * before[1], x * jnp.roll(x, 1), y * jnp.roll(y, 1)])
        counts = jnp.stack([jnp.abs(pair) > beyond for beyond in BEYOND]).astype(jnp.int32)
        return (pair, jax.tree.map(jnp.add, found, (powers, products, counts))), None

    n = streams.first.shape
    zeros = jnp.zeros((4, 2, *n)), jnp.zeros((5, *n)), jnp.zeros((len(BEYOND), 2, *n), jnp.int32)
    before = jnp.stack(streams.normal_pair(steps[0] - 1))
    (_, found), _ = jax.lax.scan(add, (before, zeros), steps)
    return dict(zip(("powers", "products", "beyond"), found, strict=True))


def moments(quick: bool) -> dict[str, Any]:
    """Of 10^9 pairs of normals: moments, correlations and tails, each with its z-score."""
    columns, steps = 8192, 1024
    calls = 4 if quick else -(-(10**9) // (columns * steps))
    key, total = jax.random.key(0), {}
    for call in range(calls):
        streams = noise_stream(key, jnp.arange(columns) + call * columns)
        found = sums(streams, 1 + jnp.arange(steps))
        for name, values in found.items():
            total[name] = total.get(name, 0) + np.asarray(values, np.float64).sum(-1)
    n = calls * columns * steps
    m1, m2, m3, m4 = total["powers"] / n
    variance = m2 - m1**2
    skewness = (m3 - 3 * m1 * m2 + 2 * m1**3) / variance**1.5
    kurtosis = (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / variance**2
    spread = {"mean": (m1, 0, 1), "variance": (variance, 1, 2), "skewness": (skewness, 0, 6)}
    spread |= {"kurtosis": (kurtosis, 3, 24)}
    rows = [
        {"of": f"{name}, {which}", "value": value, "expected": true, "z": (value - true) / np.sqrt(square / n)}
        for name, (values, true, square) in spread.items()
        for which, value in zip(("cosine", "sine"), values, strict=True)
    ]
    between = ("the two of a pair", "lag 1, cosine", "lag 1, sine", "neighbours, cosine", "neighbours, sine")
    rows += [
        {"of": f"correlation, {name}", "value": value, "expected": 0, "z": value * np.sqrt(n)}
        for name, value in zip(between, total["products"] / n, strict=True)
    ]
    for beyond, counts in zip(BEYOND, total["beyond"], strict=True):
        share = 2 * stats.norm.sf(beyond)
        for which, count in zip(("cosine", "sine"), counts, strict=True):
            z = (count - n * share) / np.sqrt(n * share * (1 - share))
            exact = min(1.0, 2 * min(stats.poisson.cdf(count, n * share), stats.poisson.sf(count - 1, n * share)))
            rows.append({"of": f"beyond {beyond} sd, {which}", "value": count, "expected": n * share, "z": z})
            rows[-1] |= {"p": exact} if n * share < 1000 else {}
    return {
        "pairs": n,
        "dtype": str(jnp.result_type(float)),
        "largest_z": max(abs(row["z"]) for row in rows if "p" not in row),  # counts below a thousand have a p instead
        "rows": rows,
    }


def ks(quick: bool) -> dict[str, Any]:
    """Kolmogorov and Smirnov's test on disjoint streams, and again on its own p-values, which have to be uniform."""
    tests, size = (50 if quick else 1000), 100_000
    along = jax.jit(lambda stream: jnp.stack(jax.vmap(stream.normal_pair)(jnp.arange(size))))
    across = jax.jit(lambda streams, step: jnp.stack(streams.normal_pair(step)))
    key, found = jax.random.key(1), {}
    for test in range(tests):
        pairs = {"along a stream": along(noise_stream(key, test))}
        pairs["across streams"] = across(noise_stream(key, tests + test * size + jnp.arange(size)), jnp.int32(test))
        for order, pair in pairs.items():
            for which, values in zip(("cosine", "sine"), np.asarray(pair, np.float64), strict=True):
                found.setdefault(f"{order}, {which}", []).append(float(stats.kstest(values, "norm").pvalue))
    rows = [
        {
            "of": name,
            "p_uniform": float(stats.kstest(p, "uniform").pvalue),
            "below_0.01": sum(one < 0.01 for one in p),
            "least": min(p),
        }
        for name, p in found.items()
    ]
    return {"tests": tests, "normals_each": size, "expected_below_0.01": tests / 100, "rows": rows}


PARTS = ("dieharder", "moments", "ks")


def main() -> None:
    """All parts, or those asked for; the others stay as they were in the file."""
    parser = arguments_parser(__doc__, __file__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--logs", type=Path, default=Path("noise-logs"))
    parser.add_argument("--from-logs", action="store_true", help="run no battery: what the logs say so far")
    parser.add_argument("--feed", nargs=2, metavar=("ORDER", "SEED"), help="for the script itself")
    options = parser.parse_args()
    if options.feed:
        return feed(options.feed[0], int(options.feed[1]))
    record = json.loads(options.out.read_text()) if options.out.exists() else {}
    options.logs.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        found = {"environment": environment()}
        if part == "dieharder":
            found |= {order: battery(order, options.logs, options.quick, not options.from_logs) for order in ORDERS}
        else:
            found |= {"moments": moments, "ks": ks}[part](options.quick)
        record[part] = found
        write(record, options.out)
    return None


if __name__ == "__main__":
    main()
