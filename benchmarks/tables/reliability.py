"""Tables of what survives: work that is killed, and damaged or mistyped input."""

from pathlib import Path

from .markdown import measured, record, table

_WORK = {"scan": "scan of parameters", "training": "training", "atlas": "atlas"}


def kills(results: Path) -> str:
    """Work that is killed at random moments and resumed."""
    found = record(results, "faults")
    rows = [
        [
            words,
            *[str(found["kills"][name][key]) for key in ("kills", "runs_resumed_to_the_end", "of_them_identical")],
            str(len(found["kills"][name]["errors"])),
            str(len(found["kills"][name]["left_beside"])),
        ]
        for name, words in _WORK.items()
    ]
    head = [
        "work",
        "kills",
        "runs resumed to the end",
        "of them the same, byte for byte",
        "errors",
        "files left beside",
    ]
    return f"{table(head, rows)}\n\n{measured('python -m benchmarks.faults', 'faults.json', found['environment'])}"


def nonsense(results: Path) -> str:
    """Random command lines and damaged files."""
    found = record(results, "faults")["cases"]
    rows = [
        [
            kind,
            str(one["cases"]),
            *[str(one["outcomes"].get(name, 0)) for name in ("done", "refused")],
            str(len(one["faults"])),
        ]
        for kind, one in found.items()
    ]
    return table(["kind", "cases", "done", "refused in one line", "anything else"], rows)


def noise(results: Path) -> str:
    """dieharder's battery on the words of the streams, and what the normals are like."""
    found = record(results, "noise")
    rows = []
    batteries = {name: battery for name, battery in found["dieharder"].items() if name != "environment"}
    for order, battery in batteries.items():
        counts = [len(battery["results"]), battery["passed"], len(battery["weak"]), len(battery["failed"])]
        again = ", ".join(battery["failed_again"]) or "none"
        rows.append([f"{order}{'' if battery['finished'] else ', not finished'}", *map(str, counts), again])
    head = ["order of the words", "results", "passed", "weak", "failed", "failed again"]
    moments, ks = found["moments"], found["ks"]
    uniform = ", ".join(f"{row['p_uniform']:.2g}" for row in ks["rows"])
    from_where = measured("python -m benchmarks.noise", "noise.json", moments["environment"])
    words = (
        f"{len(moments['rows'])} moments, correlations and tails of {moments['pairs']:.1e} pairs of normals, up to 6 "
        f"standard deviations, have z-scores of at most {moments['largest_z']:.1f}. The p-values of {ks['tests']:,} "
        f"tests of the distribution of {ks['normals_each']:,} normals, along streams and across them, are themselves "
        f"uniform with p = {uniform}."
    )
    return f"{table(head, rows)}\n\n{words}\n\n{from_where}"


PARTS = {"reliability: kills": kills, "reliability: nonsense": nonsense, "reliability: noise": noise}
