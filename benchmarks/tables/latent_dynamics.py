"""Tables of the dynamics of latents, and of the measures on systems whose answer is known."""

from pathlib import Path
from typing import Any

from .markdown import frame, mean_and_half_width, measured, record, table

_CONDITIONS = {"full": "all six states", "potentials": "three potentials", "pyramidal": "pyramidal potential"}
_PROTOCOLS = {"as_published": "as published", "corrected": "corrected"}
_SYSTEMS = {
    "column, p = 220: cycle": "column, p = 220 /s: cycle",
    "column, p = 400: focus": "column, p = 400 /s: to rest",
}


def latents(results: Path) -> str:
    """Measures of every latent of the study."""
    found = frame(results, "latents.csv")
    rows = []
    for protocol, words in _PROTOCOLS.items():
        for condition, observed in _CONDITIONS.items():
            loss = "observed" if protocol == "as_published" else "all"
            chosen = (found.protocol == protocol) & (found.condition == condition) & (found.loss == loss)
            part = found[chosen]
            ratio = part.nonlinear_error / part.linear_error
            nonlinear = (ratio < 1) & (part.p_value <= 0.05)
            rows.append(
                [
                    words,
                    observed,
                    mean_and_half_width(part.first_component_variance),
                    mean_and_half_width(part.correlation_dimension),
                    f"{(part.chaotic == 'yes').sum()} of {len(part)}",
                    mean_and_half_width(ratio),
                    f"{nonlinear.sum()} of {len(part)}",
                ]
            )
    head = ["protocol", "latent of", "variance of the first component", "correlation dimension", "chaotic"]
    from_where = measured("jrae reproduce", "latents.csv")
    return f"{table([*head, 'nonlinear / linear error', 'nonlinear'], rows, words=2)}\n\n{from_where}"


def known(results: Path) -> str:
    """The same measures on systems about which the answer is known."""
    found = record(results, "latent_measures")
    rows = [
        [
            _SYSTEMS.get(row["system"], row["system"]),
            _measure(row, "exponent", 3 if "column" in row["system"] else 2),
            f"{row['known']['exponent']:g}" if "exponent" in row["known"] else "none",
            *[_measure(row, name, 2) for name in ("two_nn", "correlation")],
            f"{row['known']['correlation']:g}" if "correlation" in row["known"] else "",
            *[f"{row['mean'][name] * found['repeats']:.0f} of {found['repeats']}" for name in ("chaotic", "nonlinear")],
        ]
        for row in found["rows"]
    ]
    head = ["system", "exponent", "known", "dimension, neighbours", "correlation dimension", "known"]
    from_where = measured("python -m benchmarks.latent_measures", "latent_measures.json", found["environment"])
    return f"{table([*head, 'called chaotic', 'nonlinear'], rows)}\n\n{from_where}"


def _measure(row: dict[str, Any], name: str, digits: int) -> str:
    if row["told"][name] == 0:
        return "none"
    if row["system"].endswith("focus") and name != "exponent":
        return ""  # a point has no dimension to be found
    rare = "" if row["told"][name] == len(row["each"]) else f" ({row['told'][name]} of {len(row['each'])})"
    mean = round(row["mean"][name], digits) or 0.0  # no -0.000
    return f"{mean:.{digits}f} ± {row['std'][name]:.{digits}f}{rare}"


PARTS = {"latent dynamics: latents": latents, "latent dynamics: known": known}
