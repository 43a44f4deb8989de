"""Decoded recordings as a page, and in a report of MNE."""

import re
from html import unescape
from html.parser import HTMLParser

import equinox as eqx
import numpy as np
import pytest

from jrae_jax.decoding import BANDS, FREQUENCIES
from jrae_jax.report import add_to_mne_report, write_decoded_report
from jrae_jax.report.decoded_tables import posterior_table
from tests.made_decoded import made_decoded

EVERY = [(0, 0), (0, 1), (0, 2)]


class Page(HTMLParser):
    """Tags with attributes, headings and rows of tables of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self.in_cell = [], [], False
        self.feed(text)
        # Without pictures, which are most of it.
        plain = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
        self.text = " ".join(unescape(re.sub(r"<[^>]*>", " ", plain)).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.in_cell &= tag not in ("td", "th")

    def handle_data(self, data):
        if self.in_cell:
            self.rows[-1][-1] += data.strip()

    def row(self, name):
        return next(row for row in self.rows if row[0].startswith(name))


@pytest.fixture(scope="module")
def mixed():
    return made_decoded(
        refused={"flat": [(0, 0)], "large": [(0, 0)]},
        unfamiliar=[(0, 1)],
        beyond={"beta": 2.7},
        words="Not one column: 2.7 times the <predicted> power from 13 to 30 Hz.",
        reference="linked ears & nose",
        measured_on="2024-05-01T10:00:00+00:00",
        read_as="read O1 of a file",
    )


@pytest.fixture(scope="module")
def written(mixed, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "rest.html"
    write_decoded_report([mixed], path, title="Eyes <closed>")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(written):
    return Page(written)


def of(path, *decoded, **given):
    write_decoded_report(decoded, path / "page.html", **given)
    return Page((path / "page.html").read_text(encoding="utf-8"))


def test_the_page_needs_no_other_file(written, page):
    assert not [tag for tag, _ in page.tags if tag in ("link", "script", "iframe", "base")]
    assert "@import" not in written
    assert "url(" not in written
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 4
    for attributes in images:
        assert attributes["src"].startswith("data:image/png;base64,iVBOR")
        assert "O1" in attributes["alt"]
    assert not [value for _, attributes in page.tags for value in attributes.values() if str(value).startswith("http")]


def test_the_verdict_in_words_comes_first_and_is_escaped(written, page):
    words = "Not one column: 2.7 times the &lt;predicted&gt; power from 13 to 30 Hz."
    assert written.count(words) == 1
    assert written.index("<h1>Eyes &lt;closed&gt;</h1>") < written.index("not for diagnosis") < written.index(words)
    assert written.index(words) < written.index("<img")
    assert '<strong class="verdict">O1: not explained by one column</strong>' in written
    assert "reference (linked ears &amp; nose)" in written
    assert "<closed>" not in written
    assert "<predicted>" not in written


def test_windows_are_counted_by_reason(page):
    counted = (
        "2 of 3 windows of 20 s used; 1 of them without intervals, unlike anything simulated; refused: 1 flat, 1 over"
    )
    assert f"{counted} 500 uV" in page.text


def test_tables_have_the_numbers(page, mixed):
    draws = mixed.draws["C"][0, 2]
    low, middle, high = np.quantile(draws, (0.05, 0.5, 0.95))
    assert page.row("C: ") == [
        "C: number of synapses", f"{middle:.3g}", f"{low:.3g} to {high:.3g}", "60 to 300", "-",
    ]  # fmt: skip
    assert page.row("column_fraction: ")[3:] == ["-", "-"]
    assert page.row("p: ")[4] == "1/s"
    assert page.row("alpha")[1:] == ["1.10", "within 99 %"]
    assert page.row("beta, 13 to 30 Hz")[1:] == ["2.70", "outside of 99 % of predictions in 2 of 2 windows"]


def test_how_well_each_state_is_known(page, mixed):
    relied = np.zeros(mixed.mean.shape[1], bool)
    relied[2 * 3200 : 3 * 3200] = True
    shape, level, std = (x[0, relied, 4] for x in (mixed.shape_std, mixed.mean, mixed.std))
    assert page.row("y4: excitatory derivative")[1:] == [
        f"± {1.645 * np.median(shape):.2f}",
        f"{np.median(level):.3g} ± {1.645 * np.median(std):.2g} mV/s",
    ]


def test_a_bound_of_the_prior_that_is_reached_is_named(mixed):
    for name, value, reached in (("exponent", 1.99, True), ("sigma", 0.31, True), ("sigma", 1.0, False)):
        draws = mixed.draws | {name: np.full_like(mixed.draws[name], value)}
        table = posterior_table(eqx.tree_at(lambda tree: tree.draws, mixed, draws), 0)
        (row,) = (row for row in table.rows if row[0].startswith(f"{name}: "))
        assert row[3].endswith(", its bound is reached") == reached


def test_how_it_was_made(page):
    known = {row[0]: row[1:] for row in page.rows}
    assert known["recorded on"] == ["2024-05-01T10:00:00+00:00"]
    assert known["rate"] == ["160 Hz"]
    assert known["filters"] == ["0.5 to 70 Hz"]
    assert known["relied on"] == ["2 to 45 Hz"]
    assert known["reference"] == ["linked ears & nose"]
    assert known["windows"] == ["3 of 20 s"]
    assert '"window_seconds": 20.0' in page.text


@pytest.mark.parametrize(
    "words",
    [
        "a patch of cortex with millions of neurons",
        "It does not mean that the brain is one column",
        "as often with open eyes, the two cannot be distinguished, and the verdict says so",
        "states in mV have wide intervals",
        "positive where the excitatory potential of the column is above the inhibitory one",
        "Another reference gives another recording",
        "do not record constant potentials",
        "no decision about a person should rest on it",
        "columns with A x, B x, C / x, p / x and sigma / x make the same recording for every x",
    ],
)
def test_what_a_reader_has_to_know(page, words):
    assert words in page.text


def test_every_window_refused(tmp_path):
    page = of(tmp_path, made_decoded(refused={"flat": EVERY, "missing": [(0, 1)]}))
    assert "O1: every window refused No window could be used. 0 of 3 windows of 20 s used" in page.text
    assert "refused: 1 with over 5% missing, 3 flat" in page.text
    assert "The recording: no window of it could be used." in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == 2
    assert not any(row[0].startswith(("C: ", "alpha")) for row in page.rows)


def test_nothing_but_the_unfamiliar_has_no_intervals(tmp_path):
    page = of(tmp_path, made_decoded(unfamiliar=EVERY))
    assert "O1: unlike anything the decoder was made for" in page.text
    assert "90 % intervals: they hold" not in page.text
    assert not any(row[0].startswith("C: ") for row in page.rows)


def test_many_channels_in_a_table_and_in_pictures_those_that_are_explained_first(tmp_path):
    refused = [(channel, window) for channel in (*range(5), *range(6, 9)) for window in range(3)]
    found = made_decoded(channels=9, refused={"clipped": refused})
    page = of(tmp_path, found)
    assert "One column explains 1 of 9 channels. E6: explained by one column One column explains this" in page.text
    assert re.findall(r"(\w+): every window refused", page.text)[:3] == ["O1", "O2", "E3"]
    assert "E6" in next(attributes["alt"] for tag, attributes in page.tags if tag == "img")
    assert next(attributes for tag, attributes in page.tags if tag == "strong") == {"class": "verdict supported"}
    assert "What one cortical column says of this recording" in page.text
    assert "5 more channels are in the table below." in page.text
    assert "Pictures are of 8 channels only, those that are explained first." in page.text
    assert [attributes for tag, attributes in page.tags if tag == "details"] == [{}] * 9  # with the settings
    inside = (BANDS["alpha"][0] <= FREQUENCIES) & (BANDS["alpha"][1] > FREQUENCIES)
    power = 1e6 * 0.5 * found.check.density[5][:, inside].sum(axis=1).mean()
    assert page.row("E6")[:4] == ["E6", "explained by one column", "3 of 3", f"{power:.3g}"]
    assert page.row("E9") == ["E9", "every window refused", "0 of 3", *["-"] * 4]


def test_several_recordings(tmp_path):
    good = made_decoded(reference="Cz")
    other = made_decoded(
        channels=2, unit="column", line_freq=None, band=None, refused={"flat": [(1, 0), (1, 1), (1, 2)]}
    )
    page = of(tmp_path, good, other, names=["a & b.edf", "c.edf"])
    known = {row[0]: row[1:] for row in page.rows if row}
    assert page.text.count("a & b.edf") >= 3
    assert known["unit"] == ["uV", "mV of a simulated column"]
    assert known["filters"] == ["0.5 to 70 Hz", "not known"]
    assert "(Cz; not known)" in page.text
    assert page.text.count('"name": "') == 2


def test_bad_arguments(tmp_path, mixed):
    path = tmp_path / "a.html"
    with pytest.raises(ValueError, match=r"^`decoded` must be a list of decoded recordings, got none$"):
        write_decoded_report([], path)
    with pytest.raises(ValueError, match=r"^`names` must be one for each recording, 1, got 2$"):
        write_decoded_report([mixed], path, names=["a", "b"])
    with pytest.raises(ValueError, match=r"^`path` must end in \.html"):
        write_decoded_report([mixed], tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_what_the_type_hints_forbid(tmp_path, mixed, without_type_checker):
    with pytest.raises(ValueError, match=r"^`decoded` must be an instance of Decoded"):
        write_decoded_report([mixed, 3], tmp_path / "a.html")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"^`decoded` must be a list of decoded recordings, got one without a list$"):
        write_decoded_report(mixed, tmp_path / "a.html")


def test_a_section_of_a_report_of_mne(mixed):
    mne = pytest.importorskip("mne")
    report = mne.Report(title="Rest", verbose="ERROR")
    add_to_mne_report(mixed, report, title="Decoded")
    names = [content.name for content in report._content]
    assert names == [
        "O1: not explained by one column",
        "O1: recording and states",
        "O1: numbers of the recording and states",
        "O1: spectrum",
        "O1: numbers of the spectrum",
        "O1: posterior",
        "O1: numbers of the posterior",
        "O1: windows",
        "How the recording was made",
        "What the words mean",
    ]
    assert {content.section for content in report._content} == {"Decoded"}
    first = report._content[0].html[0] if isinstance(report._content[0].html, tuple) else report._content[0].html
    assert "2.7 times the &lt;predicted&gt; power" in first


def test_channels_in_a_report_of_mne():
    mne = pytest.importorskip("mne")
    report = mne.Report(title="Rest", verbose="ERROR")
    every = [(0, window) for window in range(3)]
    add_to_mne_report(made_decoded(channels=2, refused={"flat": every}), report)
    names = [content.name for content in report._content]
    assert names[:2] == ["All channels", "O2: explained by one column"]
    assert "O1: every window refused" in names[2:]
    assert "O2: windows" in names
