"""Decoded recordings as one page that a person reads, and as a section of a report of MNE."""

import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.figure import Figure

from .._checks import check_type
from .._files import check_output
from .._version import __version__
from ..decoding.decoded import Decoded
from ..plot.decoded import LEVEL, decoded as draw_decoded, decoded_spectrum, decoded_windows, relied_on
from ..plot.decoded_posterior import decoded_posterior
from .decoded_tables import (
    EXPLAINED,
    bands_table,
    channels_table,
    how_table,
    posterior_table,
    states_table,
    verdict,
    windows_in_words,
)
from .files import png_of, write_text
from .page import Picture, fragment, render
from .tables import Table

if TYPE_CHECKING:
    import mne

TITLE = "What one cortical column says of this recording"

_DETAILED = 8  # channels with pictures on a page: more of them make it slow to open
_FIRST = 4  # verdicts in words at the top
_SPECTRUM = (
    "The spectrum of the recording (black) over where that of recordings of the columns found lies (blue). Above each "
    "band: power recorded over power predicted; orange where it is beyond what is predicted."
)
_WINDOWS = (
    "Windows used and refused. p: the fraction of windows of simulated columns that are further from what is predicted "
    "for them than this one; of 100 windows of a column {:g} are in the orange strip."
)
_POSTERIOR = (
    "What the recording says of column, gain and background: draws of all windows (blue) over the range that the prior "
    "allows, which is all of each axis. The orange lines are exact: columns with A x, B x, C / x, p / x and sigma / x "
    "make the same recording for every x. The prior fixes A at its standard value, and so chooses one point of each "
    "line: B, C and p are known only together with that choice."
)


class ChannelAnswer(NamedTuple):
    """The verdict on a channel."""

    name: str
    verdict: str
    is_explained: bool
    words: str
    windows: str
    """How many were used and refused, and why."""


class Evidence(NamedTuple):
    """What a verdict rests on, and its numbers."""

    picture: Picture
    table: Table | None


class ChannelDetail(NamedTuple):
    """All that is said of a channel."""

    answer: ChannelAnswer
    evidence: Sequence[Evidence]


class RecordingSection(NamedTuple):
    """All that is said of a recording."""

    name: str
    answers: Sequence[ChannelAnswer]
    explained: int
    """How many channels are."""
    table: Table
    details: Sequence[ChannelDetail]


class _Drawn(NamedTuple):
    name: str
    alt: str
    caption: str
    figure: Figure
    table: Table | None = None


def write_decoded_report(
    decoded: Sequence[Decoded], path: str | os.PathLike, *, title: str = TITLE, names: Sequence[str] | None = None
) -> None:
    """Write a page that needs no other file: verdicts in words, then what they rest on.

    Channels that are explained come first. Pictures are of eight channels, or of fewer of each of several recordings;
    numbers are of all.

    **Arguments:**

    - `decoded`: recordings from `jrae_jax.decode`.
    - `path`: of an `.html` file; one that is there is replaced.
    - `title`: of the page.
    - `names`: of the recordings, such as files.

    **Raises:** `ValueError` for no recordings, another number of names, or a path that cannot be written; `OSError`.
    """
    if isinstance(decoded, Decoded) or not len(decoded):
        got = "one without a list" if isinstance(decoded, Decoded) else "none"
        raise ValueError(f"`decoded` must be a list of decoded recordings, got {got}")
    for each in decoded:
        check_type(Decoded, decoded=each)
    if names is None:
        names = [f"Recording {i + 1}" for i in range(len(decoded))] if len(decoded) > 1 else ["Recording"]
    if len(names) != len(decoded):
        raise ValueError(f"`names` must be one for each recording, {len(decoded)}, got {len(names)}")
    check_output("path", path, suffixes=(".html",))
    most = max(_DETAILED // len(decoded), 1)
    sections = [_section(each, name, most) for each, name in zip(decoded, names, strict=True)]
    settings = [_settings(each, name) for each, name in zip(decoded, names, strict=True)]
    page = render(
        "decoded.html",
        title=title,
        sections=sections,
        first=_FIRST,
        first_picture=sections[0].details[0].evidence[0].picture,
        how=how_table(decoded, names),
        references=_references(decoded),
        manifest={"jrae_jax": __version__, "python": platform.python_version(), "recordings": settings},
    )
    write_text(Path(path), page)


def add_to_mne_report(decoded: Decoded, report: "mne.Report", *, title: str = TITLE) -> None:
    """Add a section to a report of MNE: verdicts, pictures, tables, and what the words mean.

    Pictures are of eight channels, those that are explained first.

    **Arguments:**

    - `decoded`: from `jrae_jax.decode`.
    - `report`: is changed; `report.save` writes it.
    - `title`: of the section.
    """
    check_type(Decoded, decoded=decoded)

    def add(template: str, name: str, **values: Any) -> None:
        report.add_html(fragment(template, **values), name, section=title, tags=("jrae_jax",))

    if len(decoded.names) > 1:
        add("decoded_table.html", "All channels", each=channels_table(decoded))
    for i in _explained_first(decoded)[:_DETAILED]:
        answer = _answer(decoded, i)
        add("decoded_channel.html", f"{answer.name}: {answer.verdict}", answer=answer)
        for drawn in _drawn(decoded, i):
            report.add_figure(
                drawn.figure, f"{answer.name}: {drawn.name}", caption=drawn.caption, section=title, tags=("jrae_jax",)
            )
            if drawn.table is not None:
                add("decoded_table.html", f"{answer.name}: numbers of the {drawn.name}", each=drawn.table)
    add("decoded_table.html", "How the recording was made", each=how_table([decoded], [title]))
    add("decoded_words.html", "What the words mean", references=_references([decoded]))


def _references(decoded: Sequence[Decoded]) -> list[str]:
    return sorted({each.info.reference or "not known" for each in decoded})


def _section(decoded: Decoded, name: str, most: int) -> RecordingSection:
    order = _explained_first(decoded)
    answers = [_answer(decoded, i) for i in order]
    details = [
        ChannelDetail(
            answer,
            [Evidence(Picture(*drawn[:3], png_of(drawn.figure)), drawn.table) for drawn in _drawn(decoded, i)],
        )
        for i, answer in zip(order, answers[:most], strict=False)
    ]
    explained = sum(answer.is_explained for answer in answers)
    return RecordingSection(name, answers, explained, channels_table(decoded), details)


def _explained_first(decoded: Decoded) -> list[int]:
    """The channels, otherwise in the order of the recording."""
    return sorted(range(len(decoded.names)), key=lambda i: verdict(decoded, i) != EXPLAINED)


def _answer(decoded: Decoded, channel: int) -> ChannelAnswer:
    short = verdict(decoded, channel)
    return ChannelAnswer(
        decoded.names[channel],
        short,
        short == EXPLAINED,
        decoded.check.words[channel],
        windows_in_words(decoded, channel),
    )


def _drawn(decoded: Decoded, channel: int) -> Iterator[_Drawn]:
    """The figures of a channel, as far as there is anything to draw."""
    used, has_intervals = decoded.used[channel].any(), relied_on(decoded, channel).any()
    name = decoded.names[channel]
    states = "what the states of the column did, in standard deviations of each"
    if not used:
        recording = "The recording: no window of it could be used."
    elif has_intervals:
        recording = (
            f"The recording, and {states}, with 90 % intervals: they hold if one column and a background made it"
            f"{'.' if decoded.check.explained[channel] else ', which is not so here.'}"
        )
    else:
        recording = f"The recording, and {states}, as far as a column can follow what is unlike any column."
    yield _Drawn(
        "recording and states",
        f"Some seconds of {name} and, below it, the six states of a column with their bands.",
        recording,
        draw_decoded(decoded, channel),
        states_table(decoded, channel) if has_intervals else None,
    )
    if used:
        yield _Drawn(
            "spectrum",
            f"Power density of {name} against frequency, over that predicted; numbers are in the table of bands.",
            _SPECTRUM,
            decoded_spectrum(decoded, channel),
            bands_table(decoded, channel),
        )
    if has_intervals:
        yield _Drawn(
            "posterior",
            f"Distributions of column, gain and background given {name}, and two pairs; numbers are in the table.",
            _POSTERIOR,
            decoded_posterior(decoded, channel),
            posterior_table(decoded, channel),
        )
    yield _Drawn(
        "windows",
        f"Which windows of {name} were used, which refused and why, and the p value of each.",
        _WINDOWS.format(100 * LEVEL) if used else "Why the windows were refused.",
        decoded_windows(decoded, channel),
    )


def _settings(decoded: Decoded, name: str) -> dict[str, Any]:
    info = {key: value for key, value in decoded.info._asdict().items() if key != "annotations"}
    return {
        "name": name,
        "channels": list(decoded.names),
        "samples": decoded.eeg.shape[-1],
        "rate": 1 / decoded.dt,
        "window_seconds": decoded.seconds,
        "band": list(decoded.band),
        "draws": next(iter(decoded.draws.values())).shape[-1],
        "info": info,
    }
