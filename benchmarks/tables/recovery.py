"""Tables of recovery: every estimator beside the autoencoders, bounds, unlabelled data, unknown parameters."""

from pathlib import Path
from typing import Any

import numpy as np

from jrae_jax.column import STATES

from .markdown import KINDS, frame, measured, percent, record, select, table

_CAUSAL = {"wiener causal": "Wiener filter", "kalman filter": "Kalman filter, true parameters"}
_WHOLE = {
    "wiener": "Wiener filter",
    "observer": "observer cascade",
    "kalman smoother": "Kalman smoother, true parameters",
    "4d-var": "weak-constraint 4D-Var, true parameters",
}
_FOR_ALL = "**the one autoencoder for all**"
_NOISE = 0.05
_SEPARATE = {**KINDS, "y1": "`y1`", "y4": "`y4`"}
_FROM = "python -m benchmarks.variational"


def estimators(results: Path) -> str:
    """r of y1 and y4 by every estimator at 5 % noise, and the least of the other four."""
    found, searched = record(results, "recovery"), record(results, "variational")
    rows = {(row["observed"], row["causal"]): row["r"] for row in select(found["rows"], noise=_NOISE)}
    for kind in KINDS:
        (row,) = select(searched["rows"], observed=kind, noise=_NOISE)
        rows[kind, False]["4d-var"] = row["scores"]["4d-var"]["r"]

    def line(name: str, words: str, causal: bool) -> list[str]:
        return [words, *[_three(rows[kind, causal][name]) for kind in KINDS]]

    empty = [""] * len(KINDS)
    lines = [line("memoryless", "best function of one instant", False), ["*causal*", *empty]]
    lines += [line(name, words, True) for name, words in _CAUSAL.items()]
    lines += [line("for all", _FOR_ALL, True), ["*non-causal*", *empty]]
    lines += [line(name, words, False) for name, words in _WHOLE.items()]
    lines += [line("for all", _FOR_ALL, False)]
    from_where = measured("python -m benchmarks.recovery", "recovery.json", found["environment"])
    search = measured(_FROM, "variational.json", searched["environment"])
    head = ["estimator", *[f"from {words}" for words in KINDS.values()]]
    return f"{table(head, lines)}\n\n{from_where} The row of 4D-Var: {search[0].lower()}{search[1:]}"


def _three(r: list[float]) -> str:
    least = min(r[state] for state in (0, 2, 3, 5))
    return f"{r[1]:.3f}, {r[4]:.3f} ({least:.3f})"


def autoencoders(results: Path) -> str:
    """How far autoencoders stay behind the best estimator that knows the column."""
    rows = record(results, "recovery")["rows"]
    at_five = select(rows, noise=_NOISE)
    other = [row for row in rows if row["noise"] not in (0.0, _NOISE)]
    silent = [row for row in rows if row["noise"] == 0.0]
    dedicated = -min(min(row["dedicated_minus_kalman"]) for row in at_five)
    for_all = -min(min(row["for_all_minus_dedicated"]) for row in at_five)
    others = -min(min(row["for_all_minus_dedicated"]) for row in other)
    without = -min(min(row["for_all_minus_dedicated"]) for row in silent)
    return (
        "An autoencoder that is trained for one of these kinds of recording alone (3000 steps, five held-out sets) "
        "is at "
        f"most {dedicated:.4f} below the Kalman filter or smoother in any state. The one for all is at most "
        f"{for_all:.4f} "
        f"below that, and from `y0` or the EEG at 1, 10 and 50 % noise at most {others:.4f}. Without any sensor "
        "noise, on "
        f"which it was not trained, it is up to {without:.3f} below."
    )


def atlas(results: Path) -> str:
    """How near the one autoencoder comes to the smoother over all masks, and where it does not."""
    found = frame(results, "atlas.csv.gz")
    at_five = found[found.noise == _NOISE].groupby(["mask", "state", "estimator"]).r.mean().unstack()
    short = at_five["kalman smoother"] - at_five["autoencoder"]
    worst = short.groupby("mask").max().sort_values(ascending=False)
    rows = []
    for mask in worst.index[:5]:
        state = short[mask].idxmax()
        both = at_five.loc[(mask, state)]
        rows.append([_named(mask), f"`{state}`", f"{both['autoencoder']:.3f}", f"{both['kalman smoother']:.3f}"])
    near = [percent(float((short <= limit).mean())) for limit in (0.003, 0.01)]
    text = (
        f"Over all {short.index.get_level_values('mask').nunique()} kinds of recording at 5 % noise, {near[0]} of the "
        "states "
        f"come within 0.003 of the smoother's r, {near[1]} within 0.01. Where it is furthest off, by kind of recording:"
    )
    from_where = measured("jrae atlas --store atlas.zarr --table atlas.csv.gz", "atlas.csv.gz")
    head = ["observed", "state", "the one autoencoder, r", "Kalman smoother, r"]
    return f"{text}\n\n{table(head, rows, words=2)}\n\n{from_where}"


def _named(mask: str) -> str:
    return ", ".join("EEG" if name == "eeg" else f"`{name}`" for name in mask.split(","))


def bound(results: Path) -> str:
    """Smoother and 4D-Var beside the bound, and the input that they infer."""
    found = record(results, "variational")
    rows = []
    for row in select(found["rows"], noise=_NOISE):
        smoother, search = row["scores"]["kalman smoother"], row["scores"]["4d-var"]
        rows.append(
            [
                _SEPARATE[row["observed"]],
                *[f"{one['r'][0]:.4f} ({one['least_r'][0]:.3f})" for one in (smoother, search)],
                f"{row['bound'][0]:.4f}",
                *[f"{one['r_slow_p']:.4f}" for one in (smoother, search)],
                f"{search['r_p']:.3f}",
            ]
        )
    head = ["observed", "`y0`, smoother", "`y0`, 4D-Var", "bound"]
    head += [f"p below {found['slow_hz']:.0f} Hz, {name}" for name in ("smoother", "4D-Var")]
    return f"{table([*head, 'all of p, 4D-Var'], rows)}\n\n{measured(_FROM, 'variational.json', found['environment'])}"


def search(results: Path) -> str:
    """What a search finds beyond the smoother, how near it is to the bound, and how long it takes."""
    found = record(results, "variational")["rows"]
    four = [row for row in found if row["observed"] in KINDS]
    alone = [row for row in found if row["observed"] not in KINDS]
    apart = max(_apart(row, "kalman smoother") for row in four)
    noisy = [row for row in found if row["noise"] > 0]
    above = max(_apart(row, None) for row in noisy)
    times = [[row["median_s"]["4d-var"] / row["median_s"]["kalman smoother"] for row in part] for part in (four, alone)]
    converged = min(row["converged"] for row in found)
    return "\n".join(
        [
            f"- From the four kinds of recording above, r of 4D-Var is that of the smoother within {apart:.4f} in "
            "every state, "
            "at 0 to 50 % noise.",
            f"- With noise, r of 4D-Var is within {above:.4f} of what the bound leaves, in every state and for all "
            "six kinds.",
            f"- {percent(converged)} of the searches converged. One takes {_times(times[0])} times as long as the "
            "smoother on "
            f"the same recordings, from `y1` or `y4` alone {_times(times[1])} times.",
        ]
    )


def _apart(row: dict[str, Any], other: str | None) -> float:
    ours = np.array(row["scores"]["4d-var"]["r"])
    theirs = row["bound"] if other is None else row["scores"][other]["r"]
    return float(np.abs(ours - np.array(theirs)).max())


def _times(ratios: list[float]) -> str:
    return f"{min(ratios):.1f} to {max(ratios):.1f}"


def unlabelled(results: Path) -> str:
    """The same autoencoder with and without labels."""
    found = record(results, "unlabelled")
    rows = [
        [KINDS[row["observed"]], f"{how} labels", *[f"{r:.4f}" for r in row["r"][f"{how} labels"]]]
        for row in found["rows"]
        for how in ("with", "without")
    ]
    from_where = measured("python -m benchmarks.unlabelled", "unlabelled.json", found["environment"])
    return f"{table(['observed', 'trained', *STATES], rows, words=2)}\n\n{from_where}"


def unknown(results: Path) -> str:
    """Columns whose parameters are not known."""
    found = record(results, "unknown_parameters")
    names = {
        "autoencoder, trained over the ranges": "autoencoder trained over the ranges",
        "autoencoder, trained at the standard ones": "autoencoder trained at the standard column",
        "smoother, standard parameters": "smoother, standard parameters",
        "smoother, parameters estimated": "smoother that estimates them",
        "smoother, true parameters": "smoother, true parameters",
    }
    rows, middle = [], []
    for kind in list(KINDS)[:3]:
        each = [select(found["rows"], observed=kind, means=name)[0] for name in names]
        rows.append([KINDS[kind], *[f"{one['hidden_r2']:.3f} ± {one['hidden_r2_half_width']:.3f}" for one in each]])
        within = [one["r2_of_the_middle_column"] for one in each]
        middle.append([KINDS[kind], *[f"{r2[1]:.2f}, {r2[2]:.2f}" for r2 in within]])
    head = ["observed", *names.values()]
    from_where = measured("python -m benchmarks.unknown_parameters", "unknown_parameters.json", found["environment"])
    return (
        f"Mean R² of the hidden states over {found['columns']} columns, ± its 95 % interval over five sets:\n\n"
        f"{table(head, rows)}\n\nR² of `y1` and `y2` within the column in the "
        f"middle:\n\n{table(head, middle)}\n\n{from_where}"
    )


PARTS = {
    "recovery: estimators": estimators,
    "recovery: autoencoders": autoencoders,
    "recovery: atlas": atlas,
    "recovery: bound": bound,
    "recovery: search": search,
    "recovery: unlabelled": unlabelled,
    "recovery: unknown parameters": unknown,
}
