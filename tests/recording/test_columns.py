"""Recordings in tables: as people have them, awkward ones, and real ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jrae_jax as jrae
from jrae_jax.recording import SuspectValuesWarning

REAL = Path(__file__).parents[3] / "shared" / "eeg"
N = np.arange(400)
V = np.round(30 * np.random.default_rng(0).normal(size=400), 2)
TIMES = np.round(N / 256, 3)


def table(header, *columns, separator=",", decimal="."):
    rows = (separator.join(str(field).replace(".", decimal) for field in row) for row in zip(*columns, strict=True))
    return "\n".join([*[header] * (header is not None), *rows]) + "\n"


@pytest.fixture
def read(tmp_path):
    def reader(content, **options):
        path = tmp_path / "x.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return jrae.read_recording(path, **options)

    return reader


def eeg_of(recording):
    return recording.with_missing_as_nan()[..., 6]


AWKWARD = {
    "commas": (table("time,O1 (uV)", TIMES, V), "commas, utf-8; clock time"),
    "semicolons, decimal commas": (
        table("Time;O1 [µV]", TIMES, V, separator=";", decimal=","),
        "semicolons, decimal commas, utf-8; clock Time",
    ),
    "tabs, latin-1": (table("t\tO1 [µV]", TIMES, V, separator="\t").encode("latin-1"), "tabs, latin-1; clock t"),
    "tabs, decimal commas, utf-16": (
        table("Timestamp\tO1_uV", TIMES, V, separator="\t", decimal=",").encode("utf-16"),
        "tabs, decimal commas, utf-16; clock Timestamp",
    ),
    "utf-16 without a mark": (table("sec;O1 uV", TIMES, V, separator=";").encode("utf-16-be"), "utf-16-be; clock sec"),
    "utf-8 with a mark, blanks in names": (
        table(" time , O1 (μV) ", TIMES, V).encode("utf-8-sig"),
        "commas, utf-8; clock time",
    ),
    "blanks": ("\n" + table("  time   O1/uV", TIMES, V, separator="    "), "blanks, utf-8; clock time"),
    "quoted decimal commas": (
        table('"time","O1 (uV)"', *([f'"{x}"'.replace(".", ",") for x in column] for column in (TIMES, V))),
        "commas, decimal commas, utf-8; clock time",
    ),
    "comments, old line ends": (
        table("# a logger\n% 1.2\ntime|O1 (uV)", TIMES, V, separator="|").replace("\n", "\r"),
        "bars",
    ),
    "clock in ms": (table("time (ms),O1 (uV)", np.round(1000 * N / 256, 3), V), "commas, utf-8; clock time"),
    "late clock": (table("time,O1 (uV)", np.round(1.7e9 + N / 256, 3), V), "commas, utf-8; clock time"),
    "dates": (
        table("Timestamp,O1 (uV)", pd.date_range("2026-01-01", periods=400, freq="3906250ns").astype(str), V),
        "clock Timestamp",
    ),
    "unnamed index": (table(",time,O1 (uV)", N, TIMES, V), "commas, utf-8; clock time"),
    "mark at the end of lines": (table("time;O1 (uV);", TIMES, V, [""] * 400, separator=";"), "semicolons, utf-8"),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_tables_are_read_as_the_same_recording(name, read):
    content, described = AWKWARD[name]
    recording = read(content)
    np.testing.assert_allclose(eeg_of(recording), V * 1e-3, rtol=1e-6)
    assert recording.dt == 1 / 256
    assert recording.observed.names == ("eeg",)
    assert recording.info.unit == "uV"
    assert recording.info.read_as.startswith("read O1, 400 samples at 256 Hz, uV; ")
    assert described in recording.info.read_as


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e3), ("mV", 1.0), ("uV", 1e-3), ("µV", 1e-3), ("nV", 1e-6)])
def test_units_are_converted_from_what_the_header_or_the_argument_says(unit, factor, read):
    by_header = read(table(f"time,O1 ({unit})", TIMES, V))
    by_argument = read(table("time,O1", TIMES, V), unit=unit, noise_std=2.0)
    for recording in (by_header, by_argument):
        np.testing.assert_allclose(eeg_of(recording), V * factor, rtol=1e-6)
    np.testing.assert_allclose(by_argument.noise_std, 2.0 * factor, rtol=1e-6)
    overridden = read(table("time,O1 (mV)", TIMES, V), unit=unit)
    np.testing.assert_array_equal(overridden.values, by_argument.values)


def test_a_rate_is_given_where_there_is_no_clock_or_a_coarse_one(read):
    assert read(table("O1 (uV)", V), sfreq=250.0).dt == 1 / 250
    assert read(table("time,O1 (uV)", TIMES, V), sfreq=256.0).dt == 1 / 256
    assert read(table("time,O1 (uV)", 4 * N, V), sfreq=250.0).dt == 1 / 250
    assert read(table("time,O1 (uV)", np.round(N / 1024, 3), V), sfreq=1024.0).dt == 1 / 1024
    assert read(table("time,O1 (uV)", 3600 + N / 256, V)).info.start == 3600


def test_the_first_line_is_data_where_it_has_numbers(read):
    recording = read(table(None, V), unit="mV", sfreq=256.0)
    np.testing.assert_allclose(eeg_of(recording), V, rtol=1e-6)
    assert "no header" in recording.info.read_as
    second = read(table(None, TIMES, V), picks="2", unit="mV", sfreq=256.0)
    np.testing.assert_array_equal(second.values, recording.values)


def test_what_is_missing_is_not_measured(read):
    gaps = np.isin(N, [0, 17, *range(100, 130)])
    for column, options in (
        (np.where(gaps, "", V.astype(str)), {}),
        (np.where(gaps, "NaN", V.astype(str)), {}),
        (np.where(gaps, -9999, V), {"missing": [-9999.0]}),
    ):
        recording = read(table("time,O1 (uV)", TIMES, column), **options)
        np.testing.assert_array_equal(recording.measured[:, 6], ~gaps)
        assert "uV, 32 missing" in recording.info.read_as
    one_column = read("O1 (uV)\n1\n\n3\n4\n", sfreq=100.0)  # an empty line is a sample
    np.testing.assert_allclose(eeg_of(one_column), [1e-3, np.nan, 3e-3, 4e-3], rtol=1e-6)
    with pytest.warns(SuspectValuesWarning, match="`O1` has 32 samples of -9999 far from the others"):
        read(table("time,O1 (uV)", TIMES, np.where(gaps, -9999, V)))


def test_several_columns_are_a_batch_and_states_are_channels(read):
    electrodes = table("time,O1 (uV),O2 (uV)", TIMES, V, -V)
    batch = read(electrodes, picks=["O2", "O1"])
    np.testing.assert_allclose(eeg_of(batch), [-V * 1e-3, V * 1e-3], rtol=1e-6)
    assert batch.info.names == ("O2", "O1")
    assert read(electrodes, picks="O2 (uV)").batch is None
    states = table("time,y0 (mV),y3 (mV/s),eeg (mV)", TIMES, V, 2 * V, 3 * V)
    assert read(states).observed.names == ("eeg",)
    channels = read(states, picks=["y0", "y3", "eeg"])
    assert channels.observed.names == ("y0", "y3", "eeg")
    np.testing.assert_allclose(channels.values[:, [0, 3, 6]], np.stack([V, 2 * V, 3 * V], 1), rtol=1e-6)


N7 = "eeg\n10,87065\n10,91\n"


def test_what_is_found_out_can_be_given(read):
    np.testing.assert_allclose(eeg_of(read(N7, decimal=",", unit="mV", sfreq=100.0)), [10.87065, 10.91], rtol=1e-6)
    two = read("10,87065\n10,91\n", separator=",", picks="2", unit="mV", sfreq=100.0)
    np.testing.assert_allclose(eeg_of(two), [87065, 91])
    numbered = read(table("0,1,2", TIMES, V, V), header=True, picks="1", unit="uV", sfreq=256.0)
    assert len(numbered.ts) == 400
    assert read(table("O1 [µV]", V).encode("utf-16-le"), encoding="utf-16-le", sfreq=256.0).info.unit == "uV"


LOST = np.delete(N, 200)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            table("time,eeg", TIMES, V),
            {},
            "`unit` must be given, one of V, mV, uV, nV, or column for .*, where .* got eeg in .*x.csv",
        ),
        (table("time,M1 (pT)", TIMES, V), {}, r"`unit` must be given, .* got M1 \(pT\) in"),
        (table("time,A (uV),B (mV)", TIMES, V, V), {"picks": ["A", "B"]}, r"`unit` must be given, .* or not the same"),
        (table("time,eeg", TIMES, V), {"unit": "MV"}, "`unit` must be one of V, mV, uV, nV, or column .*, got .MV'"),
        (table("O1 (uV)", V), {}, "`sfreq` must be given, samples a second, where no column is called time, got O1"),
        (table("Time,O1 (uV)", N / 256, V), {"sfreq": 250.0}, "`sfreq` must be that of `Time`, got 250 Hz and steps"),
        (table("time (ms),O1 (uV)", 4 * N, V), {"sfreq": 256.0}, r"`sfreq` must be that of `time \(ms\)`, got 256 Hz"),
        (table("O1 (uV)", V), {"sfreq": 0.0}, "`sfreq` must be positive, got 0"),
        (
            table("time,O1 (uV)", 4 * N, V),
            {},
            r"`time` must say its unit, as time \(ms\), got steps of 4, which are 0.25",
        ),
        (table("time,O1 (uV)", 3600 + LOST / 500, V[1:]), {}, "`time` must rise evenly, .* after sample 199: cut out"),
        (table("time,O1 (uV)", LOST / 1000, V[1:]), {}, "`time` is rounded to 0.001 s, which leaves two readings"),
        (table("time,O1 (uV)", ["", *N[1:] / 256], V), {}, "each with its time, got 399 times for 400 samples in"),
        (
            table("time,t,O1 (uV)", N, N, V),
            {},
            "`source` must have one clock, got time, t in .*: leave all but one out",
        ),
        (table("time,A,B", TIMES, V, V), {"unit": "uV"}, "`picks` must name the column to read, one of A, B, in"),
        (table("time,A,B", TIMES, V, V), {"picks": "C"}, "`picks` must name each column once, of A, B, got C, in"),
        (table("time,A,A", TIMES, V, V), {"picks": "A"}, "`picks` must name each column once, of A, A, got A, in"),
        (table("time,A,B", TIMES, V, V), {"picks": ["A", "A"]}, "`picks` must name each column once, of A, B, got A"),
        (table("time,A,B", TIMES, V, V), {"picks": []}, "`picks` must name at least one column, got none"),
        (
            table("time,y0,B", TIMES, V, V),
            {"picks": ["y0", "B"], "unit": "uV"},
            "`picks` must be channels of one column",
        ),
        (table("time", TIMES), {}, "`source` must have more than a clock, got time in"),
        (table("time,O1 (uV)", TIMES, ["NaN"] * 400), {}, "`source` must have numbers in column O1, got none in"),
        (
            N7,
            {},
            "`source` can be read in two ways, got 'eeg' and '10,87065' in .*x.csv: two fields with a comma between",
        ),
        (
            N7,
            {"separator": ","},
            "`source` must be a table of numbers with as many names as columns, got 'eeg' and '10,8",
        ),
        (
            "10,87\n10,91\n",
            {},
            "`source` can be read in two ways, .* one number with a decimal comma: give `separator`",
        ),
        ("eeg\n1.234,5\n2.345,6\n", {}, "`source` must be a table of numbers with as many names as columns, got 'eeg'"),
        (table(",0,1,2", N, V, V, V), {}, "`source` must have names or numbers in its first line, got , 0, 1, 2 in"),
        ("time,eeg\n", {}, "`source` must have numbers below its names, got names only, time, eeg, in"),
        ("", {}, "`source` must be a table of numbers, got an empty file,"),
        ("time,O1 (uV)\n0,1\n1,BAD\n2,3\n", {}, "`source` must have numbers in column O1 .uV., got 'BAD' in line 3 of"),
        ("0.0,BAD\n1.0,3\n2.0,4\n", {"picks": "2", "unit": "V", "sfreq": 1.0}, "column 2, got 'BAD' in line 1 of"),
        ("time,O1 (uV)\nx,1\ny,2\nz,3\n", {}, "`source` must have numbers in column time, got 'x' in line 2 of"),
        (
            "time,O1 (uV)\n0,1\n1,2\n1\n",
            {},
            "must have 2 fields in every line, with commas .*, got 1 in line 4 of .*'1'",
        ),
        (table("time,O1", TIMES, V) + "1,2,3\n", {}, "`source` must have 2 fields in every line, .* got 3 in line 402"),
        ("time,O1\n0,1\n\n1,2\n2,2\n3,2\n4,2\n", {}, "must have 2 fields in every line, .* got 1 in line 3 of .*: ''"),
        ("time,O1 (uV)\n0,1\n1,inf\n2,2\n", {"sfreq": 1.0}, "`O1` must be finite, .* got inf in sample 1"),
        ("<html>\n<p>404</p>\n", {}, "`source` must be a table of numbers with as many names as columns, got '<html>'"),
        (b"O1 [\xb5V]\n1\n", {"encoding": "utf-8"}, "`encoding` must be that of .*x.csv, got 'utf-8': 'utf-8' codec"),
        ("O1\n1\n", {"encoding": "utf-88"}, "`encoding` must be that of .*x.csv, got 'utf-88': unknown encoding"),
        (
            "O1\n1\n",
            {"encoding": "undefined"},
            "`encoding` must be that of .*x.csv, got 'undefined': undefined encoding",
        ),
        ("O1\n1\n", {"separator": ":"}, r"`separator` must be one of ',', ';', '\\t', '\|', ' ', got ':'"),
        ("O1\n1\n", {"decimal": ";"}, "`decimal` must be one of '.', ',', got ';'"),
    ],
)
def test_what_cannot_be_read_or_in_two_ways_is_refused_in_one_line(content, options, message, read):
    with pytest.raises(ValueError, match=message) as refused:
        read(content, **options)
    assert "\n" not in str(refused.value)


@pytest.mark.posix
def test_a_device_is_no_table():
    with pytest.raises(ValueError, match="`source` must be a table of numbers, got a device, /dev/zero"):
        jrae.read_recording("/dev/zero", unit="mV")


EDF = b"0       " + b"X" * 248 + bytes(100)


@pytest.mark.parametrize(
    ("content", "kind", "remedy"),
    [
        (EDF, "an EDF file", "name it .edf"),
        (b"\xffBIOSEMI" + bytes(300), "a BDF file", "name it .bdf"),
        (b"GDF 2.20" + bytes(300), "a GDF file", "name it .gdf"),
        (b"Brain Vision Data Exchange Header File Version 1.0\n", "a BrainVision file", "name it .vhdr"),
        (b"\x00\x00\x00\x64\x00\x00\x00\x1f" + bytes(range(90)), "a FIF file", "name it .fif"),
        (b"MATLAB 5.0 MAT-file" + bytes(200), "a MAT file", "export it as .csv or .edf"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "an HDF5 file", "export it as .csv or .edf"),
        (b"\x93NUMPY\x01\x00", "a NumPy file", "export it as .csv or .edf"),
        (b"PAR1" + bytes(20), "a Parquet file", "export it as .csv or .edf"),
        (b"PK\x03\x04\x14\x00", "a zip archive, as .xlsx and .npz are", "export it as .csv or .edf"),
        (b"\x1f\x8b\x08\x00", "a gzip archive", "export it as .csv or .edf"),
        (np.arange(500, dtype=np.int16).tobytes(), "a binary file", "export it as .csv or .edf"),
    ],
)
def test_binary_files_get_the_formats_that_are_read(content, kind, remedy, read):
    with pytest.raises(ValueError, match=rf"`source` must be a table of numbers as text .*, got {kind}, .*: {remedy}"):
        read(content, unit="uV")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings do not lie beside the checkout")
@pytest.mark.parametrize("eyes", ["open", "closed"])
def test_real_recordings(eyes):
    path = REAL / f"eyes-{eyes}_20s.csv"
    recordings = jrae.read_recording(path, picks=["O1", "Oz", "O2"], unit="uV")
    assert recordings.info is not None
    assert recordings.info.read_as == "read O1, Oz, O2, 3,200 samples at 160 Hz, uV; commas, utf-8; clock time"
    assert recordings.dt == 1 / 160
    expected = pd.read_csv(path)[["O1", "Oz", "O2"]].to_numpy().T
    np.testing.assert_allclose(eeg_of(recordings), 1e-3 * expected, rtol=1e-5, atol=1e-9)
    with pytest.raises(ValueError, match=r"`unit` must be given, .* got O1 in"):
        jrae.read_recording(path, picks="O1")


def test_a_file_of_one_blank_that_is_not_ascii(tmp_path):
    (tmp_path / "x.txt").write_text("\u2028", encoding="utf-8")
    with pytest.raises(ValueError, match="`source` must be a table of numbers"):
        jrae.read_recording(tmp_path / "x.txt")
