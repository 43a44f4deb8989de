"""Recordings from files of amplifiers and from arrays: the same numbers from everything, and what is refused."""

import re
import sys
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.recording import SuspectValuesWarning

from .conftest import SFREQ, V

REAL = Path(__file__).parents[3] / "shared" / "eeg"
HEADER = """Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile=x.eeg
MarkerFile=x.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=4
SamplingInterval=4000
[Binary Infos]
BinaryFormat=IEEE_FLOAT_32
[Channel Infos]
Ch1=O1,,1,µV
Ch2=Oz,,1,µV
Ch3=O2,,1,µV
Ch4=EOG-left,,1,µV
"""


def read(source: Any, **options: Any) -> Any:
    return jrae.read_recording(source, **options)


def microvolts(recording):
    return 1e3 * recording.with_missing_as_nan()[..., 6]


def edf(path, *, rates=(SFREQ,) * 4, units=("uV",) * 4, labels=("O1", "Oz", "O2", "EOG-left"), **header):
    """The same signals as EDF, each thinned out to its rate."""
    signals = [
        edfio.EdfSignal(
            v[:: round(SFREQ / rate)], rate, label=label, physical_dimension=unit, physical_range=(-200, 200)
        )
        for v, rate, label, unit in zip(V, rates, labels, units, strict=True)
    ]
    edfio.Edf(signals, **header).write(path)
    return path


def written(kind, raw, folder):
    path = folder / f"x{kind}"
    if kind == ".edf":
        return edf(path)
    if kind == ".csv":
        np.savetxt(
            path, np.column_stack([2 + np.arange(3000) / SFREQ, *V]), "%.6f", ",", header="time,O1,Oz,O2,E", comments=""
        )
    elif kind == "_raw.fif":
        raw.save(path, fmt="double", verbose="ERROR")
    else:
        (folder / "x.vhdr").write_text(HEADER, "utf-8")
        (folder / "x.vmrk").write_text("Brain Vision Data Exchange Marker File, Version 1.0\n[Marker Infos]\n", "utf-8")
        V.T.astype("<f4").tofile(folder / "x.eeg")
    return path


@pytest.mark.parametrize("kind", [".edf", ".csv", "_raw.fif", ".vhdr", ".eeg", "Raw"])
def test_the_same_numbers_come_from_every_format(kind, raw, tmp_path, capfd):
    source = raw if kind == "Raw" else written(kind, raw, tmp_path)
    unit = "uV" if kind == ".csv" else None
    several = read(source, picks=["O2", "O1"], unit=unit)
    np.testing.assert_allclose(microvolts(several), V[[2, 0]], atol=0.005)
    assert several.dt == 1 / SFREQ
    assert several.info.names == ("O2", "O1")
    one = read(source, picks="O2", unit=unit)
    np.testing.assert_array_equal(one.values, several.values[0])
    assert one.info.names == ("O2",)
    assert capfd.readouterr() == ("", "")


def test_what_a_file_says_of_a_recording_is_kept(raw, tmp_path):
    info = read(raw).info
    assert info.read_as == ("read O1, Oz, O2, 3,000 samples at 250 Hz, V, 0.5 to 45 Hz; RawArray; left out EOG-left")
    assert (info.unit, info.band, info.line_freq, info.kind, info.start) == ("V", (0.5, 45.0), 50.0, "eeg", 2.0)
    assert info.measured_on == "2026-01-02T03:04:05+00:00"
    assert info.reference is None
    assert hash(info) == hash(read(raw).info)
    assert read(raw.copy().set_eeg_reference(verbose="ERROR")).info.reference == "custom"
    assert read(raw.copy().set_eeg_reference(projection=True, verbose="ERROR").apply_proj()).info.reference == "average"
    bipolar = raw.copy().rename_channels({"O1": "O1-A2", "Oz": "Oz-A2", "O2": "O2-A1"})
    assert read(bipolar, picks=["O1-A2", "Oz-A2"]).info.reference == "A2"
    assert read(bipolar).info.reference is None
    filtered = edf(tmp_path / "x.edf")
    assert read(filtered).info.band is None
    assert "uV, band not known; EDF; left out" in read(filtered).info.read_as


def test_channels_are_picked_by_name_or_type(raw):
    assert read(raw).info.names == ("O1", "Oz", "O2")
    assert read(raw.copy().pick(["Oz", "EOG-left"])).batch is None
    assert read(raw, picks=["O1"]).batch == 1
    raw.set_channel_types({"O1": "seeg", "EOG-left": "eog"}, verbose="ERROR")
    assert read(raw, picks="eeg").info.names == ("Oz", "O2")
    assert read(raw, picks="seeg").info.kind == "seeg"


def test_bad_channels_are_left_out_and_reported_if_they_are_picked(raw):
    raw.info["bads"] = ["Oz"]
    assert read(raw).info.names == ("O1", "O2")
    with pytest.warns(SuspectValuesWarning, match="`Oz` is marked as bad, in the RawArray"):
        assert read(raw, picks="Oz").info.names == ("Oz",)
    with pytest.warns(SuspectValuesWarning, match="`EOG-left` is by its name no EEG") as warned:
        read(raw, picks="EOG-left")
    assert warned[0].filename == __file__


def test_bad_segments_are_not_measured(raw, mne):
    raw.set_annotations(
        mne.Annotations([1.0, 4.0, 6.0], [0.5, 1.0, 0.2], ["BAD_blink", "T1", "bad"], ch_names=[(), (), ("Oz",)])
    )
    recording = read(raw)
    missing = ~np.asarray(recording.measured[..., 6])
    expected = np.zeros((3, 3000), bool)
    expected[:, 250:375] = expected[1, 1500:1550] = True
    np.testing.assert_array_equal(missing, expected)
    onsets = [(annotation.onset, annotation.description) for annotation in recording.info.annotations]
    assert onsets == [(3.0, "BAD_blink"), (6.0, "T1"), (8.0, "bad")]
    assert "425 missing" in recording.info.read_as


@pytest.mark.parametrize("joint", ["boundary", "EDGE boundary", "BAD boundary", "New Segment/"])
def test_parts_that_were_joined_are_refused(joint, raw, mne):
    raw.set_annotations(mne.Annotations([0, 4.0], [0, 0], [joint, joint]))
    with pytest.raises(ValueError, match=r"one continuous part, got 2 .* at 4 s: .* as raw.crop\(4, 12, include_tmax"):
        read(raw)
    read(raw.crop(4, 12, include_tmax=False))


def test_gaps_of_a_discontinuous_edf_are_found(tmp_path, mne):
    annotations = [edfio.EdfAnnotation(1.0, None, "x")]
    path = edf(tmp_path / "x.edf", annotations=annotations, data_record_duration=1)
    data = path.read_bytes()
    path.write_bytes(data[:192] + b"EDF+D" + data[197:])
    read(path)  # as many programs write it, without any gap
    later = data.replace(b"+7\x14\x14", b"+9\x14\x14")
    assert later != data
    path.write_bytes(later[:192] + b"EDF+D" + later[197:])
    with pytest.raises(ValueError, match=r"`source` must have no gaps, .* an EDF\+D with 2, the first after 7 s"):
        read(path)
    opened = mne.io.read_raw(path, verbose="ERROR")
    with pytest.raises(ValueError, match="`source` must have no gaps"):
        read(opened)
    assert read(opened.crop(0, 7, include_tmax=False)).values.shape[1] == 7 * SFREQ


@pytest.mark.parametrize(("written_as", "factor"), [("uv", 1), ("UV", 1), ("mV", 1e3), ("V", 1e6), ("nV", 1e-3)])
def test_units_of_edf_are_those_of_its_header(written_as, factor, tmp_path):
    path = edf(tmp_path / "x.edf", units=(written_as,) * 4)
    np.testing.assert_allclose(microvolts(read(path)), factor * V[:3], atol=0.005 * factor)


def test_the_unit_is_of_the_numbers_in_the_file(raw, mne, tmp_path):
    path = edf(tmp_path / "x.edf", units=("", "", "%", "uV"))
    with pytest.raises(ValueError, match=r"`unit` must be given, .* got O1 \(unknown\) in .*x.edf"):
        read(path, picks="O1")
    saturation = edf(tmp_path / "z.edf", units=("uV", "%", "uV", "uV"))
    assert read(saturation).info.names == ("O1", "O2")
    with pytest.raises(ValueError, match=r"`picks` must be of one unit, got O1 \(uV\), Oz \(unknown\) in .*z.edf"):
        read(saturation, picks=["O1", "Oz"])
    for source in (path, edf(tmp_path / "y.edf"), mne.io.RawArray(V, raw.info, verbose="ERROR")):
        found = read(source, picks="O1", unit="uV", noise_std=2.0)
        np.testing.assert_allclose(microvolts(found), V[0], atol=0.005)
        np.testing.assert_allclose(found.noise_std, 2e-3, rtol=1e-6)
        assert found.info.unit == "uV"
    column = read(raw, picks="O1", unit="column")
    np.testing.assert_allclose(microvolts(column), V[0], atol=1e-3)
    assert column.info.unit == "column"
    simulated = read(V[0], sfreq=SFREQ, unit="column")
    np.testing.assert_allclose(simulated.values[:, 6], V[0], rtol=1e-6)


def test_a_channel_keeps_its_own_rate(tmp_path, mne):
    path = edf(tmp_path / "x.edf", rates=(SFREQ, 125.0, 125.0, SFREQ))
    slow = read(path, picks=["Oz", "O2"])
    np.testing.assert_allclose(microvolts(slow), V[1:3, ::2], atol=0.005)
    assert slow.dt == 1 / 125
    message = "`picks` must be recorded at one rate, got {} in .*, which MNE raises"
    with pytest.raises(ValueError, match=message.format("Oz, O2")):
        read(path)
    with pytest.raises(ValueError, match=message.format("Oz")):
        read(mne.io.read_raw(path, verbose="ERROR"), picks="Oz")


def test_epochs_are_a_batch_channel_by_channel(raw, mne, tmp_path):
    events = np.array([[500 + 250 * n, 0, 1] for n in range(1, 6)])
    epochs = mne.Epochs(raw, events, tmin=-0.2, tmax=0.6, baseline=None, verbose="ERROR")
    epochs.save(tmp_path / "x-epo.fif", fmt="double", verbose="ERROR")
    for source in (epochs, tmp_path / "x-epo.fif"):
        found = read(source, picks=["O1", "O2"])
        expected = [V[row, 250 * n - 50 : 250 * n + 151] for row in (0, 2) for n in range(1, 6)]
        np.testing.assert_allclose(microvolts(found), expected, atol=1e-3)
        assert found.info.names == ("O1",) * 5 + ("O2",) * 5
        assert found.info.start == -0.2
        assert (
            found.info.read_as.startswith("read O1, O2, 201 samples at 250 Hz, V, 0.5 to 45 Hz; Epochs")
            or "FIF" in found.info.read_as
        )
        assert found.info.read_as.endswith(", 5 epochs")
    assert read(epochs, picks="O1").batch == 5
    with pytest.raises(ValueError, match="`to_mne` must have one name for each of 10 recordings"):
        found.to_mne()


def test_source_estimates_and_arrays_say_neither_unit_nor_rate(mne):
    estimate = mne.SourceEstimate(V[:3], [[4, 7], [2]], tmin=0.5, tstep=1 / SFREQ)
    found = read(estimate, unit="uV")
    np.testing.assert_allclose(microvolts(found), V[:3], rtol=1e-6)
    assert found.info.names == ("lh 4", "lh 7", "rh 2")
    assert found.ts[0] == 0.5
    gap = np.where(V[0] == V[0, 5], np.nan, V[0])
    one = read(gap, sfreq=SFREQ, unit="uV", missing=[V[0, 9]])
    assert one.batch is None
    assert one.info.read_as == "read an array, 3,000 samples at 250 Hz, uV, 2 missing"
    np.testing.assert_array_equal(np.flatnonzero(~np.asarray(one.measured[:, 6])), [5, 9])
    assert read(V.tolist(), sfreq=SFREQ, unit="uV").batch == 4
    for source, options, message in (
        (estimate, {}, "`unit` must be given, .* got a source estimate, whose values are moments"),
        (V, {"sfreq": SFREQ}, "`unit` must be given, one of V, mV, uV, nV, or column .*, got an array"),
        (V, {"unit": "uV"}, "`sfreq` must be given, samples a second, got an array"),
        (V, {"unit": "uV", "sfreq": 0.0}, "`sfreq` must be positive"),
        (
            V.T,
            {"unit": "uV", "sfreq": SFREQ},
            r"`source` must have shape \(time,\) or \(channel, time\), got .*: transpose",
        ),
        (V[None], {"unit": "uV", "sfreq": SFREQ}, r"`source` must have shape .*, got \(1, 4, 3000\)"),
        (V, {"unit": "uV", "sfreq": SFREQ, "picks": "O1"}, "`picks` must be left out, got an array: take the rows"),
        (V, {"unit": "uV", "sfreq": SFREQ, "decimal": ","}, "`decimal` must be left out of what is no table"),
    ):
        with pytest.raises(ValueError, match=message):
            read(source, **options)


def test_a_recording_goes_back_to_mne(raw, mne, tmp_path):
    raw.set_annotations(mne.Annotations([1.0, 4.0], [0.5, 1.0], ["BAD_blink", "T1"], ch_names=[("O1",), ()]))
    recording = read(raw)
    back = recording.to_mne()
    good = np.s_[:, 375:]
    np.testing.assert_allclose(back.get_data()[good], raw.get_data(picks=[0, 1, 2])[good], atol=1e-11)
    assert np.isnan(back.get_data()[0, 250:375]).all()
    assert (back.first_samp, back.ch_names) == (500, ["O1", "Oz", "O2"])
    assert back.info["meas_date"] == raw.info["meas_date"]
    for name in ("onset", "duration", "description", "ch_names"):
        np.testing.assert_array_equal(getattr(back.annotations, name), getattr(raw.annotations, name))
    back.save(tmp_path / "x_raw.fif", fmt="double", verbose="ERROR")
    again = read(tmp_path / "x_raw.fif")
    np.testing.assert_array_equal(again.values, recording.values)
    assert again.info._replace(unit="V", read_as=None) == recording.info._replace(read_as=None)
    simulated = read(V, sfreq=SFREQ, unit="column").to_mne()
    assert simulated.ch_names == ["eeg 0", "eeg 1", "eeg 2", "eeg 3"]
    with pytest.raises(ValueError, match="`to_mne` must have recordings of an EEG alone, got y0"):
        jrae.Recording.of(y0=V[0], dt=4e-3).to_mne()


@pytest.mark.parametrize(
    ("picks", "message"),
    [
        ("oz", '`picks` must name channels of the RawArray, got oz, did you mean "Oz"[?] there are O1 .eeg., Oz'),
        ("Fp1", "got Fp1: there are O1"),
        (["O1", "O1"], "`picks` must name each channel once, got O1 2 times"),
        ([], "`picks` must name at least one channel, got none"),
        ("O2", "`picks` must name potentials, got O2 in the RawArray, of type csd, a current density"),
        ("EOG-left", "`picks` must name potentials, got EOG-left in .*, of type mag, a magnetic field"),
        (["O1", "Oz"], r"`picks` must be of one type, got O1 \(eeg\), Oz \(seeg\) in the RawArray: read them apart"),
        (None, r"`picks` must be of one type, got O1 \(eeg\), Oz \(seeg\)"),
        ("ecog", r"`picks` must name good channels of type ecog, got none, of O1 \(eeg\), "),
    ],
)
def test_unknown_channels_and_types_are_refused(picks, message, raw, mne):
    info = mne.create_info(raw.ch_names, SFREQ, ["eeg", "seeg", "csd", "mag"])
    raw = mne.io.RawArray(V, info, verbose="ERROR")
    with pytest.raises(ValueError, match=message):
        read(raw, picks=picks)


def test_dots_that_fill_a_name_up_can_be_left_out_where_one_channel_is_meant(mne):
    raw = mne.io.RawArray(V, mne.create_info(["O1..", "Oz.", "Oz..", "Oz"], SFREQ, "eeg"), verbose="ERROR")
    assert read(raw, picks="O1").info.names == ("O1..",)
    assert read(raw, picks="O1.").info.names == ("O1..",)
    assert read(raw, picks="Oz").info.names == ("Oz",)
    with pytest.raises(ValueError, match=re.escape("got Oz..., did you mean")):  # one of three
        read(raw, picks="Oz...")
    with pytest.raises(ValueError, match=re.escape("`picks` must name each channel once, got O1.. 2 times")):
        read(raw, picks=["O1", "O1.."])


@pytest.mark.filterwarnings("ignore:`source` is damaged")  # before it is refused
def test_what_is_no_whole_recording_is_refused_in_one_line(raw, tmp_path):
    whole = {kind: written(kind, raw, tmp_path).read_bytes() for kind in (".edf", "_raw.fif", ".vhdr")}
    for kind, content in (
        *[(f"_{name}", whole[name][:200]) for name in whole],
        ("_head.edf", whole[".edf"][:1280]),
        ("_cut_raw.fif", whole["_raw.fif"][:30000]),
        *[
            (f"_foreign{suffix}", b"hello\n" * 300)
            for suffix in (".edf", ".bdf", ".fif", ".set", ".cnt", ".vhdr", ".gdf")
        ],
        *[(f"_empty{suffix}", b"") for suffix in (".edf", ".fif", ".vhdr")],
    ):
        path = tmp_path / f"damaged{kind}"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"`source` must be a whole recording, .*{path}: MNE says .") as refused:
            read(path)
        assert "\n" not in str(refused.value)
    (tmp_path / "x.eeg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"`source` must be a whole recording, .*x.vhdr: MNE says"):
        read(tmp_path / "x.vhdr")


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    path = edf(tmp_path / "x.edf", data_record_duration=1)
    path.write_bytes(path.read_bytes()[:15000])
    with pytest.warns(SuspectValuesWarning, match="`source` is damaged, .*x.edf: MNE says Number of records") as warned:
        cut = read(path)
    assert {warning.filename for warning in warned} == {__file__}
    np.testing.assert_allclose(microvolts(cut), V[:3, :1500], atol=0.005)


@pytest.mark.usefixtures("without_type_checker")
def test_options_that_do_not_fit_are_refused(raw, mne, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`source` must be a file that exists.*none.edf"):
        read(tmp_path / "none.edf")
    with pytest.raises(ValueError, match="`sfreq` must be that of the RawArray, 250 Hz, got 256 Hz: leave it out"):
        read(raw, sfreq=256.0)
    with pytest.raises(ValueError, match=r"`header` must be left out of what is no table, got True for .*x.edf"):
        read(tmp_path / "x.edf", header=True)
    assert read(raw, sfreq=SFREQ).dt == 1 / SFREQ
    for picks in (0, [0, 1]):
        with pytest.raises(ValueError, match="`picks` must be a name or a list of names, got"):
            read(raw, picks=picks)
    for source in (None, {"O1": [1.0]}, [[1.0], [1.0, 2.0]], mne.EvokedArray(V, raw.info, verbose="ERROR")):
        with pytest.raises(
            ValueError, match=r"`source` must be the path of a file, an array of numbers, or an mne.io.Raw"
        ):
            read(source, sfreq=SFREQ, unit="uV")
    raw.set_annotations(mne.Annotations(0, 12, "BAD"))
    with pytest.raises(ValueError, match="`source` must have numbers, got none that are not called bad in"):
        read(raw)
    with pytest.raises(ValueError, match="`source` must have numbers, got none in an array"):
        read([np.nan, np.nan], sfreq=SFREQ, unit="uV")


def test_without_mne_one_line_says_what_is_missing(monkeypatch, tmp_path):
    path = edf(tmp_path / "x.edf")
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(
        ImportError, match=r"x.edf is read by MNE, which is not installed: pip install 'jrae-jax\[eeg\]'"
    ):
        read(path)
    with pytest.raises(FileNotFoundError, match="`source` must be a file that exists"):
        read(tmp_path / "none.edf")
    assert read(V, sfreq=SFREQ, unit="uV").batch == 4


@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings do not lie beside the checkout")
@pytest.mark.parametrize("eyes", ["open", "closed"])
def test_real_recordings_in_four_formats_are_the_same(eyes, mne):
    electrodes = ["O1", "Oz", "O2"]
    table = read(REAL / f"eyes-{eyes}_20s.csv", picks=electrodes, unit="uV")
    for kind in (".edf", ".vhdr", "_raw.fif"):
        other = read(REAL / f"eyes-{eyes}_20s{kind}")
        np.testing.assert_allclose(microvolts(other), microvolts(table), atol=0.01)
        assert (other.info.names, other.dt) == (tuple(electrodes), table.dt)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings do not lie beside the checkout")
def test_real_recordings_say_where_they_come_from(mne):
    with pytest.warns(SuspectValuesWarning, match="`Fc5.` has 128 samples without change, .*; so have 63 more of 64"):
        rest = read(REAL / "S001R01_eyes-open.edf")
    assert rest.batch == 64
    with pytest.raises(ValueError, match=r'got o1, did you mean "O1[.][.]"[?] there are'):
        read(REAL / "S001R01_eyes-open.edf", picks="o1")
    with pytest.warns(SuspectValuesWarning, match="`C3` has 80 samples without change"):
        imagery = read(REAL / "S001R04_imagery_left-right-fist_raw.fif")
    assert {annotation.description for annotation in imagery.info.annotations} == {"T0", "T1", "T2"}
    assert read(REAL / "test.vhdr", picks="FP1").dt == 1e-3
