"""How large a latent must be: the answer as text, and a folder with its report."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..column.states import STATES
from ..plot.latent_sizes import latent_sizes
from ..plot.study import CONDITION_LABELS
from ..studies.findings import NOT_JUDGED
from ..studies.latent_sizes import LatentSizes
from .files import write_csv, write_figure, write_manifest, write_text
from .page import Picture, render
from .tables import Table, table_text

# With 400, y4 from y0 alone was still 0.02 in r below what a window allows: more than the 0.01 that is enough.
STEPS_TO_JUDGE = 1000
_LABEL = 20  # characters of the longest answer, and two spaces
_CELL = 9


class EnoughLatents(NamedTuple):
    """The answer for one kind of recording."""

    size: str
    """The smallest size that is enough, `at least` the largest one compared, or `not judged`."""
    observed: str
    number: str
    """What decides: how much r is lost with the next smaller size."""


def enough_latents(found: LatentSizes, *, steps: int) -> Iterator[EnoughLatents]:
    """The answer for each kind of recording.

    **Arguments:**

    - `steps`: how many each autoencoder was trained for.
    """
    for observed, r in found.r.items():
        index = found.sizes.index(found.enough(observed))
        is_least, is_largest = index == 0, index == len(found.sizes) - 1
        size = f"{found.sizes[index]} number{'' if found.sizes[index] == 1 else 's'}"
        if steps < STEPS_TO_JUDGE or (is_least and is_largest):
            size = NOT_JUDGED
        elif is_largest:
            size = f"at least {size}"
        if is_least:
            numbers = ["no smaller size was compared"]
        else:
            lost = r.max(axis=0) - r[index - 1]
            worst = int(lost.argmax())
            numbers = [f"with {found.sizes[index - 1]}, r of {STATES[worst]} is {lost[worst]:.3f} below its best"]
        if is_largest:
            numbers.append("no larger size was compared")
        yield EnoughLatents(size, CONDITION_LABELS[observed], "; ".join(numbers))


def latent_sizes_answer(found: LatentSizes, *, steps: int) -> str:
    """The smallest latent that is enough for each kind of recording, then r of every size, for a terminal."""
    lines = ["The smallest latent that reconstructs every state as well as any size compared, to 0.01 in r:", ""]
    for enough in enough_latents(found, steps=steps):
        lines += [f"{enough.size.upper():<{_LABEL}}{enough.observed} observed", " " * _LABEL + enough.number]
    if steps < STEPS_TO_JUDGE:
        lines += ["", _why_not_judged(steps)]
    return "\n".join([*lines, "", table_text(_table(found), width=_CELL)])


def write_latent_sizes(
    found: LatentSizes, folder: Path, *, steps: int, seed: int, durations: Mapping[str, float]
) -> None:
    """Write `report.html`, `manifest.json`, `latent_sizes.csv` and the figure into `folder`.

    **Arguments:**

    - `found`: from `compare_latent_sizes`.
    - `folder`: an empty folder.
    - `steps`, `seed`: how it was made.
    - `durations`: what took how many seconds; goes into the manifest.

    **Raises:** `OSError` if a file cannot be written.
    """
    answers = list(enough_latents(found, steps=steps))
    write_csv(folder / "latent_sizes.csv", list(_rows(found)))
    made = write_manifest(
        folder / "manifest.json",
        {"latent_sizes": list(found.sizes), "steps": steps, "seed": seed},
        durations,
        {"enough": [answer._asdict() for answer in answers]},
    )
    (folder / "figures").mkdir(exist_ok=True)  # of a report that was interrupted
    picture = Picture(
        "latent_sizes",
        "A panel for each kind of recording: r of each state against the size of the latent; the numbers are in the "
        "table below.",
        "r on held-out trajectories against the size of the latent, of autoencoders that read 0.16 s of the recording "
        "to either side of the instant, with 5 % sensor noise.",
        write_figure(folder / "figures" / "latent_sizes.png", latent_sizes(found)),
    )
    page = render(
        "latent_sizes.html",
        answers=answers,
        not_judged=_why_not_judged(steps) if steps < STEPS_TO_JUDGE else None,
        steps=steps,
        first_picture=picture,
        table_of_r=_table(found),
        manifest=made,
    )
    write_text(folder / "report.html", page)


def _why_not_judged(steps: int) -> str:
    return f"Not judged: {steps} steps for each autoencoder; an answer takes {STEPS_TO_JUDGE}, as of --epochs 50."


def _table(found: LatentSizes) -> Table:
    rows = [
        [f"{observed}, {size}", *map("{:.3f}".format, row)]
        for observed, r in found.r.items()
        for size, row in zip(found.sizes, r, strict=True)
    ]
    return Table(
        "Pearson r on held-out trajectories, by what is observed and latent size", ("observed, size", *STATES), rows
    )


def _rows(found: LatentSizes) -> Iterator[dict[str, Any]]:
    for observed, r in found.r.items():
        for size, row in zip(found.sizes, r, strict=True):
            yield {"observed": observed, "latent_size": size} | dict(zip(STATES, row, strict=True))
