import errno
import hashlib
import io
import json
import os
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jrae_jax import (
    EEG,
    Autoencoder,
    EndlessSettings,
    Fit,
    FitSettings,
    ObservationMask,
    Reconstructor,
    Standardizer,
    Trajectories,
    Window,
    WindowedAutoencoder,
    fit,
    load,
    make_dataset,
    save,
)
from jrae_jax.autoencoder.calibration import Calibration
from jrae_jax.autoencoder.whitening import Whitener

EPOCHS = 4
SEEN = ObservationMask.of("y2", "eeg")


def some_fit(
    *, mask=SEEN, failed_epoch=None, best_epoch: int | None = 2, patience: int | None = 1, seed=0, **arguments
):
    """A fit as training might have left it."""
    network = Autoencoder(**{"latent_size": 2, "widths": (4, 3), **arguments}, key=jax.random.key(seed))
    mean, std = (jnp.asarray(values, dtype=float) for values in (np.arange(7) / 3, 1 + np.arange(7) / 7))
    dtype = np.asarray(mean).dtype
    settings = FitSettings("observed", EPOCHS, 16, patience)
    train_loss = np.array([0.9, 0.7, 0.8, np.nan], dtype=dtype)
    validation_loss = np.array([1.2, 1.1, 1.3, np.nan], dtype=dtype)
    model = Reconstructor(network, mask, Standardizer(mean, std))
    return Fit(model, train_loss, validation_loss, failed_epoch, best_epoch, settings)


def assert_same(one, other):
    """Equal in every array, NaN included, and in all that is not an array."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def header_of(path: Path):
    first, _, rest = path.read_bytes().partition(b"\n")
    return json.loads(first), rest


@pytest.fixture
def path(tmp_path):
    """A saved fit."""
    path = tmp_path / "some.fit"
    save(path, some_fit())
    return path


@pytest.mark.parametrize(
    "fitted_as",
    [
        {},
        {"mask": EEG, "inputs": EEG, "activation": "gelu"},
        {"widths": (), "patience": None, "best_epoch": None},
        {"failed_epoch": 3, "best_epoch": None},
    ],
    ids=["early stopping", "other network", "no patience", "failed"],
)
def test_what_is_loaded_is_what_was_saved(tmp_path, fitted_as):
    fitted = some_fit(**fitted_as)
    save(tmp_path / "some.fit", fitted)
    loaded = load(tmp_path / "some.fit")
    assert_same(loaded, fitted)
    assert loaded.settings == fitted.settings
    assert loaded.model.mask.names == fitted.model.mask.names
    assert (loaded.failed_epoch, loaded.best_epoch) == (fitted.failed_epoch, fitted.best_epoch)


def test_a_trained_fit_comes_back_equal_and_predicts_the_same(tmp_path):
    ys = jax.random.normal(jax.random.key(0), (3, 8, 6))
    recordings = Trajectories(jnp.linspace(0.001, 0.008, 8), ys)
    dataset = make_dataset(recordings, observed="eeg", held_out=1, validation=1)
    network = Autoencoder(latent_size=2, widths=(4,), key=jax.random.key(1))
    fitted = fit(
        network, dataset, key=jax.random.key(2), optimiser=optax.sgd(0.1), epochs=EPOCHS, batch_size=4, patience=EPOCHS
    )
    save(os.fspath(tmp_path / "trained.fit"), fitted)
    loaded = load(os.fspath(tmp_path / "trained.fit"))
    assert eqx.tree_equal(loaded, fitted)
    assert loaded.best_epoch is not None
    np.testing.assert_array_equal(loaded.model(ys), fitted.model(ys))
    np.testing.assert_array_equal(loaded.model.latents(ys), fitted.model.latents(ys))


def test_float64_comes_back_as_float64(x64, tmp_path):
    fitted = some_fit()
    save(tmp_path / "some.fit", fitted)
    loaded = load(tmp_path / "some.fit")
    assert loaded.model.network.encoder[0].weight.dtype == jnp.float64
    assert_same(loaded, fitted)


def test_float32_stays_float32_where_float64_is_enabled(path):
    fitted = some_fit()
    with jax.enable_x64(True):
        loaded = load(path)
    assert loaded.model.network.encoder[0].weight.dtype == jnp.float32
    assert_same(loaded, fitted)


def test_float64_is_refused_where_it_is_not_enabled(tmp_path):
    with jax.enable_x64(True):
        save(tmp_path / "some.fit", some_fit())
    with pytest.raises(ValueError, match=r"`path` holds float64, enable jax_enable_x64 to load .*some\.fit"):
        load(tmp_path / "some.fit")


def test_a_saved_fit_replaces_an_older_one(path):
    newer = some_fit(seed=1)
    save(path, newer)
    assert_same(load(path), newer)
    assert os.listdir(path.parent) == [path.name]


def test_a_file_is_a_line_of_json_plain_arrays_and_a_digest(path):
    fitted = some_fit()
    header, rest = header_of(path)
    assert header["network"] == fitted.model.network.settings
    assert header["observed"] == ["y2", "eeg"]
    assert header["settings"] == {"loss": "observed", "epochs": EPOCHS, "batch_size": 16, "patience": 1}
    file = io.BytesIO(rest)
    arrays = [np.load(file, allow_pickle=False) for _ in jax.tree.leaves(fitted)]
    assert file.read() == hashlib.sha256(path.read_bytes()[:-32]).digest()
    for index, layer in enumerate(fitted.model.network.encoder):
        np.testing.assert_array_equal(arrays[2 * index], layer.weight)
        np.testing.assert_array_equal(arrays[2 * index + 1], layer.bias)


def test_a_pickle_in_a_file_is_never_run(path, tmp_path):
    witness = tmp_path / "witness"

    class Payload:
        def __reduce__(self):
            return os.mkdir, (os.fspath(witness),)

    header, _ = header_of(path)
    file = io.BytesIO()
    np.save(file, np.array([Payload()], dtype=object), allow_pickle=True)
    content = json.dumps(header).encode() + b"\n" + file.getvalue()
    path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(ValueError, match="`path` holds no fit"):
        load(path)
    assert not witness.exists()


def test_a_file_cut_short_anywhere_is_refused(path):
    whole = path.read_bytes()
    end_of_header = whole.index(b"\n")
    lengths = {0, 1, end_of_header - 1, end_of_header, end_of_header + 1, len(whole) - 1, *range(0, len(whole), 131)}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        message = "written by jrae_jax.save" if length < end_of_header else "damaged or truncated fit"
        with pytest.raises(ValueError, match=f"`path` .*{message}.*some.fit"):
            load(path)


def test_bytes_after_the_end_are_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="`path` is a damaged or truncated fit"):
        load(path)


def npy_bytes():
    file = io.BytesIO()
    np.save(file, np.arange(12.0))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"neither JSON nor a fit\n",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00",
        npy_bytes(),
        b'{"format": "another format", "version": 1}\n',
        b'["jrae_jax fit"]\n',
        b"\x80\x04\x95\x00\x00\x00\x00",
    ],
    ids=["empty", "empty line", "text", "png", "npy", "json", "json list", "pickle"],
)
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "foreign").write_bytes(content)
    with pytest.raises(ValueError, match=r"`path` must be a file written by jrae_jax\.save, got .*foreign"):
        load(tmp_path / "foreign")


def test_a_newer_format_is_refused(path):
    header, rest = header_of(path)
    header |= {"version": header["version"] + 1, "jrae_jax": "99.0"}
    path.write_bytes(json.dumps(header).encode() + b"\n" + rest)
    with pytest.raises(ValueError, match=r"written by jrae_jax 99\.0; .*: upgrade to read .*some\.fit"):
        load(path)


def test_a_byte_that_changed_anywhere_is_noticed(path):
    whole = path.read_bytes()
    for position in range(0, len(whole), 13):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"`path` .*some\.fit"):
            load(path)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_a_path_that_cannot_be_written_is_an_os_error(path):
    with pytest.raises(FileNotFoundError, match=r"`path` cannot be written \(No such file or directory\): .*nowhere"):
        save(path.parent / "nowhere" / "some.fit", some_fit())
    with pytest.raises(NotADirectoryError, match=r"some\.fit"):
        save(path / "another.fit", some_fit())
    (path.parent / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match=r"`path` cannot be written \(Is a directory\): .*folder"):
        save(path.parent / "folder", some_fit())
    assert sorted(os.listdir(path.parent)) == ["folder", path.name]
    assert os.listdir(path.parent / "folder") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only_is_an_os_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="Permission denied"):
        save(tmp_path / "some.fit", some_fit())


@pytest.mark.parametrize("stage", ["writing", "moving"])
def test_a_save_that_fails_leaves_the_older_fit_whole(path, monkeypatch, stage):
    before = path.read_bytes()

    def half_written(file, content):
        with file.open("wb") as half:
            half.write(content[: len(content) // 2])
        assert path.read_bytes() == before
        raise OSError(errno.ENOSPC, "No space left on device")

    def not_moved(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if stage == "writing":
        monkeypatch.setattr(Path, "write_bytes", half_written)
    else:
        monkeypatch.setattr(os, "replace", not_moved)
    with pytest.raises(OSError, match=r"`path` cannot be written \(No space left on device\): .*some\.fit"):
        save(path, some_fit(seed=1))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "change", [{"network": {"depth": 3}}, {"dtype": "float16"}, {"observed": ["y7"]}, {"settings": {}}]
)
def test_a_whole_file_whose_header_does_not_describe_it_is_refused(path, change):
    header, rest = header_of(path)
    content = json.dumps(header | change).encode() + b"\n" + rest[:-32]
    path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(ValueError, match="`path` holds no fit that its header describes"):
        load(path)


def some_calibration(kinds):
    factor = jnp.linspace(0.5, 3.0, kinds * 6 * 16).reshape(kinds, 6, 16)
    return Calibration(jnp.broadcast_to(jnp.linspace(-4.0, 0.0, 16), factor.shape), factor)


def some_whitener(window):
    basis = jax.random.normal(jax.random.key(4), (7, window.taps, window.taps))
    return Whitener(basis, jnp.linspace(0.0, 9.0, 7 * window.taps).reshape(7, -1), jnp.linspace(0.1, 0.7, 7))


def windowed_fit(*, calibrated=True, whitened=True, masks=((True,) * 7, SEEN.channels), **arguments):
    """A fit as endless training might have left it."""
    small = {"window": Window(past=0.05, future=0.02, dt=2e-3), "latent_size": 3, "widths": (5, 4), "filters": 2}
    network = WindowedAutoencoder(**small | arguments, key=jax.random.key(3))
    plain = some_fit(best_epoch=None)
    model = Reconstructor(
        network,
        ObservationMask(np.asarray(SEEN.channels)),
        plain.model.standardizer,
        None if masks is None else np.array(masks),
        some_calibration(1 if masks is None else len(masks)) if calibrated else None,
        some_whitener(network.window) if whitened else None,
    )
    return Fit(model, plain.train_loss, plain.validation_loss, None, None, EndlessSettings(128, 16))


@pytest.mark.parametrize(
    "fitted_as",
    [
        {"variational": True},
        {"calibrated": False, "masks": None, "activation": "tanh"},
        {"inputs": ("y2", "eeg"), "masks": [SEEN.channels], "calibrated": False, "window": Window(past=0.3)},
    ],
    ids=["variational", "plain", "causal"],
)
def test_a_network_with_a_window_comes_back_and_tells_the_same(tmp_path, fitted_as):
    fitted = windowed_fit(**fitted_as)
    save(tmp_path / "windowed.fit", fitted)
    loaded = load(tmp_path / "windowed.fit")
    assert_same(loaded, fitted)
    network = fitted.model.network
    assert isinstance(network, WindowedAutoencoder)
    assert loaded.model.network.settings == network.settings
    assert loaded.settings == EndlessSettings(128, 16)
    dt = network.window.dt
    recordings = jax.random.normal(jax.random.key(0), (2, 30, 7)).at[0, 3:9].set(jnp.nan)
    np.testing.assert_array_equal(loaded.model(recordings, dt=dt), fitted.model(recordings, dt=dt))
    if network.variational:
        one, other = (of.model.distribution(recordings, dt=dt) for of in (loaded, fitted))
        assert_same(one, other)
        assert loaded.model.observing([True] * 7).mask.names == fitted.model.observing([True] * 7).mask.names


def test_a_network_with_a_window_in_double_precision(x64, tmp_path):
    fitted = windowed_fit(variational=True)
    save(tmp_path / "windowed.fit", fitted)
    assert_same(load(tmp_path / "windowed.fit"), fitted)


@pytest.mark.parametrize(
    "change", [{"architecture": "os"}, {"training": "system"}, {"trained_masks": [["y7"]]}, {"history": 3}]
)
def test_a_header_that_does_not_describe_a_network_with_a_window_is_refused(tmp_path, change):
    path = tmp_path / "windowed.fit"
    save(path, windowed_fit(variational=True))
    header, rest = header_of(path)
    content = json.dumps(header | change).encode() + b"\n" + rest[:-32]
    path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(ValueError, match="`path` holds no fit that its header describes"):
        load(path)
