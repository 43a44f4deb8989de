"""What `decode` returns of recordings that are known: states, columns, verdicts, and the files they go to."""

import importlib
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax.column.states import STATES
from jrae_jax.decoding import FREQUENCIES, QUANTILES, STANDARD
from jrae_jax.decoding.prepare import prepare
from jrae_jax.decoding.rows import row_keys, rows_of
from jrae_jax.recording import Annotation, RecordingInfo
from tests.made_decoded import made_decoded

from .conftest import SFREQ

decode_module = importlib.import_module("jrae_jax.decoding.decode")
K = jax.random.key(0)
SAMPLES, GAIN = 1280, 5e-3
NAMES = ("O1", "O2", "Pz", "Cz")
INFO = RecordingInfo(
    NAMES,
    unit="uV",
    start=3.0,
    measured_on="2024-05-01T10:00:00+00:00",
    annotations=(
        Annotation(4.0, 1.0, "blink"),
        Annotation(6.0, 0.5, "open", ("O2",)),
        Annotation(7.0, 0.5, "x", ("F",)),
    ),
)


def noise(rng, low, high, exponent=1.0):
    """Of one standard deviation."""
    f = np.fft.rfftfreq(SAMPLES, 1 / SFREQ)
    spectrum = (
        np.fft.rfft(rng.normal(size=SAMPLES)) * ((f >= low) & (f <= high)) * np.maximum(f, 0.5) ** (-exponent / 2)
    )
    values = np.fft.irfft(spectrum, SAMPLES)
    return values / values.std()


@pytest.fixture(scope="module")
def made(alpha):
    """Ten seconds of an alpha rhythm and a background; of another with a beta rhythm; of noise; and of too little."""
    rng, states = np.random.default_rng(0), alpha[:, :SAMPLES]
    eeg = states[..., 1] - states[..., 2]
    std = eeg.std()
    values = [
        eeg[0] - eeg[0].mean() + 0.5 * std * noise(rng, 0, 64),
        eeg[1] - eeg[1].mean() + 0.5 * std * noise(rng, 0, 64) + std * noise(rng, 20, 24),
        std * noise(rng, 0, 64, exponent=0.0),
        std * noise(rng, 0, 64),
    ]
    values = GAIN * np.stack(values)
    values[3, 100:200] = np.nan
    return SimpleNamespace(values=values, states=states)


def recording(values, **info):
    return jrae.Recording.of(eeg=values, dt=1 / SFREQ, info=INFO._replace(**info))


@pytest.fixture(scope="module")
def decoded(made):
    return jrae.decode(recording(made.values), key=K)


def arrays(decoded):
    """All numbers, by channel."""
    check = decoded.check
    states = (decoded.mean, decoded.std, decoded.shape_mean, decoded.shape_std)
    return [*states, check.p, check.density, check.predicted, check.left_over, *decoded.draws.values()]


def test_states_are_near_the_truth_and_intervals_contain_it(decoded, made):
    truth, shape = made.states[0], (made.states[0] - made.states[0].mean(axis=0)) / made.states[0].std(axis=0)
    r = [np.corrcoef(decoded.mean[0, :, i], truth[:, i])[0, 1] for i in range(6)]
    assert (np.array(r)[[0, 2, 3, 5]] > 0.9).all(), r
    for mean, std, true in (
        (decoded.mean[0], decoded.std[0], truth),
        (decoded.shape_mean[0], decoded.shape_std[0], shape),
    ):
        covered = (np.abs(mean - true) < 1.645 * std).mean(axis=0)
        assert (covered > 0.7).all(), covered
    own = decoded.draws["gain"][0]
    assert np.quantile(own, 0.02) < GAIN < np.quantile(own, 0.98)
    # With column and gain unknown, intervals of mV are wider than those of shapes.
    assert (decoded.std[0] / truth.std(axis=0) > decoded.shape_std[0]).mean() > 0.9


def test_verdicts(decoded):
    check = decoded.check
    assert check.explained.tolist() == [True, False, True, False]
    alpha, beta, alone, refused = check.words
    assert alpha.startswith("One column explains O1: 9")
    assert alpha.endswith("of the power from 4.5 to 24 Hz is the column's, the rest a background.")
    assert beta.startswith("One column does not explain O2: ")
    assert "times the power at 20" in beta
    assert alone.startswith("One column explains Pz, and so does a background alone: at most ")
    assert refused == "Nothing can be said of Cz: every window was refused."
    assert check.column_fraction[0, 0] > 0.8
    assert check.column_fraction[2, 0] <= 0.1
    beta_band = (FREQUENCIES >= 20.5) & (FREQUENCIES <= 23.5)
    assert (check.density[1, 0] > check.predicted[1, 0, 2])[beta_band].all()


def test_a_refused_window_is_nan_everywhere(decoded):
    assert decoded.used.tolist() == [[True], [True], [True], [False]]
    for values in (decoded.mean, decoded.std, decoded.shape_mean, decoded.shape_std):
        assert np.isnan(values[3]).all()
        assert np.isfinite(values[0]).all()
    assert all(np.isnan(values[3]).all() for values in decoded.draws.values())
    for values in (decoded.check.p, decoded.check.statistic, decoded.check.density, decoded.check.predicted):
        assert np.isnan(values[3]).all()
    assert not decoded.check.familiar[3].any()


def test_draws_are_of_the_prior(decoded):
    for name, quantity in STANDARD.items():
        values = decoded.draws[name][:3]
        assert values.shape == (3, 1, 256)
        assert values.min() >= quantity.low * (1 - 1e-5), name
        assert values.max() <= quantity.high * (1 + 1e-5), name


def test_densities_are_those_of_the_recording_and_of_what_is_predicted(decoded, made):
    from scipy.signal import welch

    every, power = welch(made.values[0], SFREQ, nperseg=256)
    inside = (FREQUENCIES > 2) & (FREQUENCIES < 44)
    expected = power[np.searchsorted(every, FREQUENCIES)]
    np.testing.assert_allclose(np.log(decoded.check.density[0, 0] / expected)[inside], 0, atol=0.05)
    low, middle, high = decoded.check.predicted[0, 0]
    assert (low < middle).all()
    assert (middle < high).all()
    assert ((low < expected) & (expected < high))[inside].mean() > 0.7


def test_a_channel_comes_out_the_same_alone_and_of_a_refused_recording_comes_nothing(decoded, made):
    calls = []
    refused, few = (recording(made.values[i], names=(NAMES[i],)) for i in (3, 1))
    found = jrae.decode([refused, few], key=K, progress=lambda *call: calls.append(call))
    assert isinstance(found, list)
    none, one = found
    for alone, together in zip(arrays(one), arrays(decoded), strict=True):
        np.testing.assert_array_equal(alone, together[1:2])
    assert one.check.words == decoded.check.words[1:2]
    assert none.used.tolist() == [[False]]
    for values in (none.mean, none.std, none.shape_mean, none.draws["gain"], none.check.p, none.check.density):
        assert np.isnan(values).all()
    assert none.check.words == ("Nothing can be said of Cz: every window was refused.",)
    assert calls == [(1, 2, "windows decoded"), (2, 2, "windows decoded")]


def test_what_is_drawn_for_a_window_depends_on_its_channel_and_its_time(made, decoder):
    values = np.tile(made.values[:2], 3)  # half a minute of two channels

    def keys(names, start=3.0, key=K, samples=3 * SAMPLES):
        prepared = prepare(recording(values[:, :samples], names=names, start=start))
        rows = rows_of(decoder.posterior, prepared)
        return jax.random.key_data(row_keys(prepared, rows, key)).reshape(2, samples * 2 // (3 * SAMPLES), -1)

    own = keys(("O1", "O2"))
    np.testing.assert_array_equal(keys(("O2", "O1"))[::-1], own)
    np.testing.assert_array_equal(keys(("O1..", "O2.."), start=18.0), own)
    np.testing.assert_array_equal(keys(("O1", "O2"), samples=3 * SAMPLES // 2), own[:, :1])
    assert len(np.unique(np.concatenate([own, keys(("Pz", "Cz")), keys(("O1", "O2"), key=jax.random.key(1))]))) == 48


def test_a_call_that_was_interrupted_resumes_with_the_same_answer(made, decoded, tmp_path, monkeypatch):
    computed, two = [], recording(made.values[1:3], names=NAMES[1:3])
    smoother = decode_module.hidden_states
    monkeypatch.setattr(decode_module, "hidden_states", lambda *args: computed.append(1) or smoother(*args))

    def stop(*call):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jrae.decode(two, key=K, store=tmp_path / "x.zarr", progress=stop)
    assert len(computed) == 1
    for _ in range(2):  # the second finds all of it
        found = jrae.decode(two, key=K, store=tmp_path / "x.zarr")
        assert len(computed) == 2
        for again, at_once in zip(arrays(found), arrays(decoded), strict=True):
            np.testing.assert_array_equal(again, at_once[1:3])
        assert found.check.words == decoded.check.words[1:3]
    with xr.open_zarr(tmp_path / "x.zarr") as stored:
        assert stored.channel.values.tolist() == ["O2", "Pz"]
        np.testing.assert_array_equal(stored["shape_mean"], decoded.shape_mean[1:3])
    before = "`store` .*x.zarr was made with other settings: "
    with pytest.raises(ValueError, match=f"{before}share was None, now gain$"):
        jrae.decode(two, key=K, share="gain", store=tmp_path / "x.zarr")
    with pytest.raises(ValueError, match=f"{before}recording.values was .* values, sha256 .*, now .*"):
        jrae.decode(recording(made.values[[2, 1]], names=NAMES[1:3]), key=K, store=tmp_path / "x.zarr")


@pytest.mark.parametrize("gain", [0.02, pytest.param(10.0, marks=pytest.mark.slow)])
def test_shapes_do_not_depend_on_the_gain(decoded, made, gain):
    other = jrae.decode(recording(gain * made.values[0], names=("O1",)), key=K)
    np.testing.assert_allclose(other.shape_mean, decoded.shape_mean[:1], atol=1e-4)
    np.testing.assert_allclose(other.shape_std, decoded.shape_std[:1], atol=1e-4)
    for name in STANDARD:  # to the last bit: a column near the border of two regimes is in one or the other for less
        np.testing.assert_array_equal(other.draws[name], decoded.draws[name][:1])
    np.testing.assert_allclose(other.draws["gain"], gain * decoded.draws["gain"][:1], rtol=1e-3)
    np.testing.assert_allclose(other.check.density, gain**2 * decoded.check.density[:1], rtol=1e-3)


@pytest.mark.slow
def test_one_key_one_answer_and_units_are_only_units(made, decoded):
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(
            jrae.decode(recording(made.values[:1], names=("O1",)), key=jax.random.key(1)).mean, decoded.mean[:1], 1e-3
        )
    found = []
    for unit, factor in (("V", 1e-3), ("mV", 1.0), ("uV", 1e3)):
        read = jrae.read_recording(factor * made.values[0], sfreq=SFREQ, unit=unit)
        found.append(jrae.decode(read, key=K))
    for other in found[1:]:
        np.testing.assert_allclose(other.shape_mean, found[0].shape_mean, atol=1e-4)


def test_labels_and_units(decoded):
    states = decoded.states
    assert set(states.data_vars) == {"mean", "std", "shape_mean", "shape_std"}
    assert states.sizes == {"channel": 4, "time": SAMPLES, "state": 6}
    assert states.channel.values.tolist() == list(NAMES)
    assert states.state.values.tolist() == list(STATES)
    assert states.unit.values.tolist() == ["mV"] * 3 + ["mV/s"] * 3
    np.testing.assert_allclose(states.time, 3 + np.arange(SAMPLES) / SFREQ)
    posterior = decoded.posterior
    assert posterior["C"].dims == ("channel", "window", "draw")
    assert set(posterior.data_vars) == {*STANDARD, "gain", "column_std", "column_fraction"}
    assert posterior["B"].attrs["units"] == "mV"
    np.testing.assert_allclose(posterior.start, [3.0])


def test_arviz_reads_the_posterior(decoded):
    arviz = pytest.importorskip("arviz")
    draws = decoded.posterior.isel(channel=[0]).stack(chain=("window",)).transpose("chain", "draw", ...)
    found = arviz.summary(draws.drop_vars(["window", "chain", "start"], errors="ignore"), var_names=["C"])
    np.testing.assert_allclose(found["mean"].iloc[0], decoded.draws["C"][0].mean(), rtol=1e-2)


@pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")
@pytest.mark.filterwarnings("ignore:The data type .* does not have a Zarr V3 specification")
def test_a_tree_is_read_back_from_zarr(decoded, tmp_path):
    tree = decoded.to_datatree()
    assert set(tree.children) == {"posterior", "check"}
    assert tree["check"]["predicted"].dims == ("channel", "window", "quantile", "frequency")
    np.testing.assert_array_equal(tree["check"]["quantile"], QUANTILES)
    tree.to_zarr(tmp_path / "x.zarr")
    with xr.open_datatree(tmp_path / "x.zarr", engine="zarr") as read:
        xr.testing.assert_equal(read.load(), tree)


def test_all_of_it_in_one_dataset_is_read_back_from_netcdf(decoded, tmp_path):
    found = decoded.to_dataset()
    for name in ("mean", "posterior_gain", "check_explained", "check_words", "check_refused"):
        assert name in found.data_vars, name
    found.to_netcdf(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as read:
        xr.testing.assert_equal(read.load(), found)


def test_states_as_channels_of_mne(decoded):
    pytest.importorskip("mne")
    raw = decoded.to_mne()
    assert len(raw.ch_names) == 48
    assert raw.ch_names[:4] == ["O1/y0", "O1/y0/std", "O1/y1", "O1/y1/std"]
    assert set(raw.get_channel_types()) == {"misc"}
    np.testing.assert_allclose(raw.get_data("O1/y2")[0], 1e-3 * decoded.mean[0, :, 2], rtol=1e-6)
    np.testing.assert_allclose(raw.get_data("O2/y5/std")[0], 1e-3 * decoded.std[1, :, 5], rtol=1e-6)
    assert (raw.first_samp, raw.info["sfreq"]) == (384, SFREQ)
    assert raw.info["meas_date"].isoformat() == INFO.measured_on
    notes = {note["description"]: note for note in raw.annotations}
    assert set(notes) == {"blink", "open", "BAD_refused"}
    of = {channel: tuple(name for name in raw.ch_names if name.startswith(channel)) for channel in NAMES}
    assert (notes["blink"]["onset"], notes["blink"]["ch_names"]) == (4.0, ())
    assert (notes["open"]["onset"], notes["open"]["ch_names"]) == (6.0, of["O2"])
    assert (notes["BAD_refused"]["onset"], notes["BAD_refused"]["duration"]) == (3.0, 10.0)
    assert notes["BAD_refused"]["ch_names"] == of["Cz"]


def test_what_is_printed(decoded):
    lines = repr(decoded).splitlines()
    assert lines[0] == (
        "Decoded(O1, O2, Pz, Cz: 1,280 samples at 128 Hz, 2 to 45 Hz relied on, 0 to 1 of 1 windows of 10 s used"
    )
    assert lines[1].startswith("  O1: C 1")
    assert lines[2] == f"  O1: {decoded.check.words[0]}"
    assert decoded.check.words[3] in repr(decoded)
    assert "more channels" not in repr(decoded)
    refused = [(4, window) for window in range(3)]
    many = repr(made_decoded(channels=6, refused={"flat": refused}))
    assert many.splitlines()[-1] == "  and 2 more channels, of which one column explains 1)"


@pytest.mark.slow
def test_recordings_that_have_one_gain_have_narrower_ones(made, alpha):
    eeg = alpha[:, -SAMPLES:, 1] - alpha[:, -SAMPLES:, 2]
    recordings = [recording(GAIN * (own - own.mean()), names=("O1",)) for own in eeg]
    apart, shared = (jrae.decode(recordings, key=K, share=share) for share in (None, "gain"))
    before, after = (np.array([np.log(each.draws["gain"]).std() for each in found]) for found in (apart, shared))
    assert (after < 0.9 * before).all()
    np.testing.assert_allclose(np.diff([np.log(each.draws["gain"]).mean() for each in shared]), 0, atol=0.1)
    far = recording(100 * GAIN * (eeg[0] - eeg[0].mean()) / 5, names=("O1",))
    with pytest.warns(UserWarning, match="^`share`: .* windows of O1 hardly have a gain that others have"):
        jrae.decode([recordings[0], far], key=K, share="gain")


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_in_double_precision(made):
    found = jrae.decode(recording(made.values), key=K)
    assert found.check.explained.tolist() == [True, False, True, False]
    assert np.isfinite(found.mean[:3]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recording": []}, "`recording` must be at least one recording, got none"),
        ({"recording": np.ones(2000)}, "`recording` must be an instance of Recording, got array"),
        ({"recording": ["x.edf"]}, r"`recording\[0\]` must be an instance of Recording, got 'x.edf'"),
        ({"share": "C"}, "`share` must be one of 'gain', got 'C'"),
        ({"decoder": "x"}, "`decoder` must be an instance of Decoder, got 'x'"),
        ({"key": 0}, "`key` must be "),
    ],
)
@pytest.mark.usefixtures("without_type_checker")
def test_bad_arguments(made, arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        jrae.decode(**{"recording": recording(made.values), "key": K} | arguments)


def test_what_is_unlike_anything_has_no_intervals(made):
    times, values = np.arange(SAMPLES) / SFREQ, made.values.copy()
    values[0] = 0.02 * np.sin(2 * np.pi * 35 * times) + 1e-5 * np.random.default_rng(5).normal(size=SAMPLES)
    found = jrae.decode(recording(values), key=K)
    assert not found.check.familiar[0].any()
    assert found.check.familiar[2].all()
    assert np.isfinite(found.mean[[0, 2]]).all()
    for std in (found.std, found.shape_std):
        assert np.isnan(std[0]).all()
        assert np.isfinite(std[2]).all()
    assert "without intervals" in found.check.words[0]
