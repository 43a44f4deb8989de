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

from jrae_jax.autoencoder import (
    Autoencoder,
    Calibration,
    EpochSettings,
    Reconstructor,
    StepSettings,
    Training,
    Whitener,
    WindowedAutoencoder,
    load,
    save,
    train,
)
from jrae_jax.autoencoder.base import float_type
from jrae_jax.column import Trajectories
from jrae_jax.recording import EEG, FULL, ObservationMask, Recording, Standardizer, make_dataset

EPOCHS = 4
SOME = ObservationMask.from_names("y2", "eeg")


def some_training(
    *, mask=SOME, failed_epoch=None, best_epoch: int | None = 2, patience: int | None = 1, seed=0, **arguments
):
    """As training on a dataset might have left it."""
    autoencoder = Autoencoder(**{"latent_size": 2, "widths": (4, 3), **arguments}, key=jax.random.key(seed))
    mean, std = (jnp.asarray(values, dtype=float) for values in (np.arange(7) / 3, 1 + np.arange(7) / 7))
    dtype = np.asarray(mean).dtype
    settings = EpochSettings("ReconstructionLoss.observed()", EPOCHS, 16, patience)
    train_loss = np.array([0.9, 0.7, 0.8, np.nan], dtype=dtype)
    validation_loss = np.array([1.2, 1.1, 1.3, np.nan], dtype=dtype)
    reconstructor = Reconstructor(autoencoder, [mask], Standardizer(mean, std))
    return Training(reconstructor, train_loss, validation_loss, failed_epoch, best_epoch, settings)


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
    """A saved training."""
    path = tmp_path / "some.jrae"
    save(path, some_training())
    return path


@pytest.mark.parametrize(
    "made_as",
    [
        {},
        {"mask": EEG, "inputs": EEG, "activation": "gelu"},
        {"widths": (), "patience": None, "best_epoch": None},
        {"failed_epoch": 3, "best_epoch": None},
    ],
    ids=["early stopping", "other autoencoder", "no patience", "failed"],
)
def test_what_is_loaded_is_what_was_saved(tmp_path, made_as):
    training = some_training(**made_as)
    save(tmp_path / "some.jrae", training)
    loaded = load(tmp_path / "some.jrae")
    assert_same(loaded, training)
    assert loaded.settings == training.settings
    np.testing.assert_array_equal(loaded.reconstructor.kinds, training.reconstructor.kinds)
    assert (loaded.failed_epoch, loaded.best_epoch) == (training.failed_epoch, training.best_epoch)


def test_a_training_comes_back_equal_and_estimates_the_same(tmp_path):
    ys = jax.random.normal(jax.random.key(0), (3, 8, 6))
    dataset = make_dataset(Trajectories(ys, dt=1e-3), observed="eeg", held_out=1, validation=1)
    autoencoder = Autoencoder(latent_size=2, widths=(4,), key=jax.random.key(1))
    settings = {"optimiser": optax.sgd(0.1), "epochs": EPOCHS, "batch_size": 4, "patience": EPOCHS}
    training = train(autoencoder, dataset, key=jax.random.key(2), **settings)
    save(os.fspath(tmp_path / "trained.jrae"), training)
    loaded = load(os.fspath(tmp_path / "trained.jrae"))
    assert eqx.tree_equal(loaded, training)
    assert loaded.best_epoch is not None
    one, other = (found.reconstructor for found in (loaded, training))
    np.testing.assert_array_equal(one(dataset.train.recording).mean, other(dataset.train.recording).mean)
    np.testing.assert_array_equal(one.latents(dataset.train.recording), other.latents(dataset.train.recording))


def test_float64_comes_back_as_float64(x64, tmp_path):
    training = some_training()
    save(tmp_path / "some.jrae", training)
    loaded = load(tmp_path / "some.jrae")
    assert float_type(loaded.reconstructor.autoencoder) == jnp.float64
    assert_same(loaded, training)


def test_float32_stays_float32_where_float64_is_enabled(path):
    training = some_training()
    with jax.enable_x64(True):
        loaded = load(path)
    assert float_type(loaded.reconstructor.autoencoder) == jnp.float32
    assert_same(loaded, training)


def test_float64_is_refused_where_it_is_not_enabled(tmp_path):
    with jax.enable_x64(True):
        save(tmp_path / "some.jrae", some_training())
    with pytest.raises(ValueError, match=r"`path` holds float64, enable jax_enable_x64 to load .*some\.jrae"):
        load(tmp_path / "some.jrae")


def test_a_saved_training_replaces_an_older_one(path):
    newer = some_training(seed=1)
    save(path, newer)
    assert_same(load(path), newer)
    assert os.listdir(path.parent) == [path.name]


def test_a_file_is_a_line_of_json_plain_arrays_and_a_digest(path):
    training = some_training()
    header, rest = header_of(path)
    assert header["autoencoder"] == training.reconstructor.autoencoder.settings
    assert header["kinds"] == [["y2", "eeg"]]
    expected = {"loss": "ReconstructionLoss.observed()", "epochs": EPOCHS, "batch_size": 16, "patience": 1}
    assert header["settings"] == expected
    file = io.BytesIO(rest)
    arrays = [np.load(file, allow_pickle=False) for _ in jax.tree.leaves(training)]
    assert file.read() == hashlib.sha256(path.read_bytes()[:-32]).digest()
    autoencoder = training.reconstructor.autoencoder
    assert isinstance(autoencoder, Autoencoder)
    for index, layer in enumerate(autoencoder.encoder):
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
    with pytest.raises(ValueError, match="`path` holds no training"):
        load(path)
    assert not witness.exists()


def test_a_file_cut_short_anywhere_is_refused(path):
    whole = path.read_bytes()
    end_of_header = whole.index(b"\n")
    lengths = {0, 1, end_of_header - 1, end_of_header, end_of_header + 1, len(whole) - 1, *range(0, len(whole), 131)}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        message = "written by jrae_jax.save" if length < end_of_header else "damaged or truncated training"
        with pytest.raises(ValueError, match=f"`path` .*{message}.*some.jrae"):
            load(path)


def test_bytes_after_the_end_are_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="`path` is a damaged or truncated training"):
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
        b"neither JSON nor a training\n",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00",
        npy_bytes(),
        b'{"format": "another format", "version": 1}\n',
        b'["jrae_jax training"]\n',
        b"\x80\x04\x95\x00\x00\x00\x00",
    ],
    ids=["empty", "empty line", "text", "png", "npy", "json", "json list", "pickle"],
)
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "foreign").write_bytes(content)
    with pytest.raises(ValueError, match=r"`path` must be a file written by jrae_jax\.save, got .*foreign"):
        load(tmp_path / "foreign")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"version": 5, "jrae_jax": "99.0"},
            r"has format 5, written by jrae_jax 99\.0; this is .*: upgrade to read it:",
        ),
        ({"version": 2, "format": "jrae_jax fit"}, r"has format 2, written by .*; this is .* format 4: train anew, or"),
        ({"version": "x"}, "has format x, written by"),
    ],
)
def test_another_format_is_refused(path, change, message):
    header, rest = header_of(path)
    path.write_bytes(json.dumps(header | change).encode() + b"\n" + rest)
    with pytest.raises(ValueError, match=rf"`path` {message}.*some\.jrae") as error:
        load(path)
    assert "\n" not in str(error.value)


def test_a_byte_that_changed_anywhere_is_noticed(path):
    whole = path.read_bytes()
    for position in range(0, len(whole), 13):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"`path` .*some\.jrae"):
            load(path)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_a_path_that_cannot_be_written_is_an_os_error(path):
    with pytest.raises(FileNotFoundError, match=r"`path` cannot be written \(No such file or directory\): .*nowhere"):
        save(path.parent / "nowhere" / "some.jrae", some_training())
    with pytest.raises(NotADirectoryError, match=r"some\.jrae"):
        save(path / "another.jrae", some_training())
    (path.parent / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match=r"`path` cannot be written \(Is a directory\): .*folder"):
        save(path.parent / "folder", some_training())
    assert sorted(os.listdir(path.parent)) == ["folder", path.name]
    assert os.listdir(path.parent / "folder") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only_is_an_os_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="Permission denied"):
        save(tmp_path / "some.jrae", some_training())


@pytest.mark.parametrize("stage", ["writing", "moving"])
def test_a_save_that_fails_leaves_the_older_training_whole(path, monkeypatch, stage):
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
    with pytest.raises(OSError, match=r"`path` cannot be written \(No space left on device\): .*some\.jrae"):
        save(path, some_training(seed=1))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "change", [{"autoencoder": {"depth": 3}}, {"dtype": "float16"}, {"kinds": [["y7"]]}, {"settings": {}}]
)
def test_a_whole_file_whose_header_does_not_describe_it_is_refused(path, change):
    header, rest = header_of(path)
    content = json.dumps(header | change).encode() + b"\n" + rest[:-32]
    path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(ValueError, match="`path` holds no training that its header describes"):
        load(path)


def some_calibration(kinds):
    factor = jnp.linspace(0.5, 3.0, kinds * 6 * 16).reshape(kinds, 6, 16)
    return Calibration(jnp.broadcast_to(jnp.linspace(-4.0, 0.0, 16), factor.shape), factor)


def some_whitener(window):
    basis = jax.random.normal(jax.random.key(4), (7, window.size, window.size))
    return Whitener(basis, jnp.linspace(0.0, 9.0, 7 * window.size).reshape(7, -1), jnp.linspace(0.1, 0.7, 7))


def windowed_training(*, calibrated=True, whitened=True, kinds=(FULL, SOME), **arguments):
    """As training on simulated recordings might have left it."""
    small = {"past": 0.05, "future": 0.02, "dt": 2e-3, "latent_size": 3, "widths": (5, 4), "filters": 2}
    autoencoder = WindowedAutoencoder(**small | arguments, key=jax.random.key(3))
    plain = some_training(best_epoch=None)
    reconstructor = Reconstructor(
        autoencoder,
        kinds,
        plain.reconstructor.standardizer,
        some_calibration(len(kinds)) if calibrated else None,
        some_whitener(autoencoder.window) if whitened else None,
    )
    settings = StepSettings("ReconstructionLoss.all()", 128, 16)
    return Training(reconstructor, plain.train_loss, plain.validation_loss, None, None, settings)


@pytest.mark.parametrize(
    "made_as",
    [
        {"variational": True},
        {"calibrated": False, "whitened": False, "kinds": [SOME], "activation": "tanh"},
        {"inputs": ("y2", "eeg"), "kinds": [SOME], "calibrated": False, "past": 0.3, "future": 0.0, "dt": 1e-3},
    ],
    ids=["variational", "plain", "causal"],
)
def test_a_windowed_autoencoder_comes_back_and_estimates_the_same(tmp_path, made_as):
    training = windowed_training(**made_as)
    save(tmp_path / "windowed.jrae", training)
    loaded = load(tmp_path / "windowed.jrae")
    assert_same(loaded, training)
    autoencoder = training.reconstructor.autoencoder
    assert loaded.reconstructor.autoencoder.settings == autoencoder.settings
    assert loaded.settings == training.settings
    values = jax.random.normal(jax.random.key(0), (2, 30, 7)).at[0, 3:9].set(jnp.nan)
    recording = Recording.from_array(values, observed=SOME, dt=autoencoder.dt or 1e-3)
    assert_same(loaded.reconstructor(recording), training.reconstructor(recording))


def test_a_windowed_autoencoder_in_double_precision(x64, tmp_path):
    training = windowed_training(variational=True)
    save(tmp_path / "windowed.jrae", training)
    assert_same(load(tmp_path / "windowed.jrae"), training)


@pytest.mark.parametrize(
    "change", [{"architecture": "os"}, {"training": "system"}, {"kinds": [["y7"]]}, {"epochs": 3}, {"whitened": 2}]
)
def test_a_header_that_does_not_describe_a_windowed_autoencoder_is_refused(tmp_path, change):
    path = tmp_path / "windowed.jrae"
    save(path, windowed_training(variational=True))
    header, rest = header_of(path)
    content = json.dumps(header | change).encode() + b"\n" + rest[:-32]
    path.write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(ValueError, match="`path` holds no training that its header describes"):
        load(path)
