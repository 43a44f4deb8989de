"""Whether the posterior of `decode` is calibrated (Talts et al. 2018, arXiv:1804.06788), and better than a regression.

    python -m benchmarks.decoding_calibration [--out benchmarks/results/decoding_calibration.json] [--quick]

For each quantity: how often 50 and 90 % intervals cover the truth of recordings that were not trained on, a test of
ranks for uniformity, and the correlation of posterior means with the truth beside that of a ridge regression on the
same features.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jrae_jax.decoding import load_decoder
from jrae_jax.decoding.simulated import simulated_windows
from jrae_jax.decoding.training import random_bands

from .timing import arguments_parser, environment, write

_DRAWS, _AT_ONCE = 200, 250
_RIDGE = 10.0


def main() -> None:
    """Measure, and write the results."""
    parser = arguments_parser(__doc__, __file__)
    parser.add_argument("--recordings", type=int, default=4000, help="that were not trained on (4000)")
    options = parser.parse_args()
    number = 500 if options.quick else options.recordings
    posterior = load_decoder().posterior

    def read(columns: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        data = simulated_windows(posterior.prior, columns, recordings=1, key=jax.random.key(seed))
        bands = random_bands(len(data.seconds), key=jax.random.key(seed + 1))
        condition = posterior.condition(posterior.standardized(data.found), data.seconds, bands)
        return np.asarray(condition), np.asarray(posterior.latent(data.normal, data.log_column_std))

    condition, truth = (array[:number] for array in read(number, 77))
    draws = []
    for start in range(0, number, _AT_ONCE):
        rows = jnp.asarray(condition[start : start + _AT_ONCE])
        keys = jax.random.split(jax.random.fold_in(jax.random.key(1), start), len(rows))
        draws.append(np.asarray(posterior.draw(rows, _DRAWS, keys=keys)))
    drawn = np.concatenate(draws)
    known, known_truth = read(8 * number, 99)
    design = np.column_stack([known, np.ones(len(known))])
    weights = np.linalg.solve(design.T @ design + _RIDGE * np.eye(design.shape[1]), design.T @ known_truth)
    regressed = np.column_stack([condition, np.ones(number)]) @ weights
    rng, rows = np.random.default_rng(0), []
    for i, name in enumerate((*posterior.prior.names, "column_std")):
        rank = ((drawn[..., i] < truth[:, None, i]).sum(axis=1) + rng.random(number)) / (_DRAWS + 1)
        row = {
            "quantity": name,
            "covered_by_50": float(np.mean(np.abs(rank - 0.5) < 0.25)),
            "covered_by_90": float(np.mean(np.abs(rank - 0.5) < 0.45)),
            "p_of_ranks": float(stats.kstest(rank, "uniform").pvalue),
            "r_posterior": float(np.corrcoef(drawn[..., i].mean(axis=1), truth[:, i])[0, 1]),
            "r_ridge": float(np.corrcoef(regressed[:, i], truth[:, i])[0, 1]),
        }
        rows.append(row)
        print("  ".join(f"{value:.4f}" if isinstance(value, float) else f"{value:11}" for value in row.values()))
    write({"environment": environment(), "recordings": number, "draws": _DRAWS, "rows": rows}, options.out)


if __name__ == "__main__":
    main()
