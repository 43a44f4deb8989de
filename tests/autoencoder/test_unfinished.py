"""Trainings that are interrupted, resumed, or cannot be."""

import equinox as eqx
import jax
import numpy as np
import pytest

from jrae_jax.autoencoder import Autoencoder, ReconstructionLoss, sources, train_ensemble, unfinished

EPOCHS = 12  # in calls of two


class Interrupted(BaseException):
    pass


@pytest.fixture(scope="module")
def members(dataset):
    """Three members on two devices, one of which stops early."""
    autoencoders = [Autoencoder(latent_size=2, widths=(4,), key=jax.random.key(seed)) for seed in range(3)]
    datasets = [dataset(seed, validation=1, noise=1.0) for seed in range(3)]

    def trained(checkpoint=None, interrupt=None, **arguments):
        def progress(done, total, message):
            if done == interrupt:
                raise Interrupted

        chosen = {"epochs": EPOCHS, "patience": 3, "batch_size": 4, "learning_rate": 0.05}
        keys = jax.random.split(jax.random.key(0), 3)
        chosen |= {"data": datasets, "keys": keys, "checkpoint": checkpoint, "progress": progress}
        return train_ensemble(autoencoders, **chosen | arguments)

    return trained


@pytest.fixture(scope="module")
def whole(members):
    return members()


def same(left, right):
    return all(
        eqx.tree_equal(one.reconstructor, other.reconstructor)
        and np.array_equal(one.train_loss, other.train_loss, equal_nan=True)
        and np.array_equal(one.validation_loss, other.validation_loss, equal_nan=True)
        and (one.best_epoch, one.failed_epoch) == (other.best_epoch, other.failed_epoch)
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("epochs", [(1,), (2, 5), (10,)])
def test_an_interrupted_training_ends_with_the_same_bits(members, whole, tmp_path, epochs, compilations, monkeypatch):
    monkeypatch.setattr(unfinished, "_ADVANCE", 0)  # one epoch at a time
    assert len({training.best_epoch for training in whole}) > 1
    for interrupt in epochs:
        with pytest.raises(Interrupted):
            members(tmp_path / "x", interrupt)
    resumed, from_the_end = members(tmp_path / "x"), members(tmp_path / "x")
    assert len(compilations) <= 1  # what reads the keys, but nothing of the training
    assert same(resumed, whole)
    assert same(from_the_end, whole)


def test_it_is_written_at_the_end_and_every_so_often_even_if_nothing_comes_between(members, tmp_path, monkeypatch):
    written, write = [], unfinished.write_container
    monkeypatch.setattr(unfinished, "_ADVANCE", 0)

    def watched(path, header, *rest):
        written.append(header["epochs"])
        write(path, header, *rest)

    monkeypatch.setattr(unfinished, "write_container", watched)
    members(tmp_path / "x", patience=None)
    assert written == [EPOCHS]
    written.clear()
    monkeypatch.setattr(unfinished, "_EVERY", 0.0)
    monkeypatch.setattr(unfinished, "_COST", 0)
    members(tmp_path / "y", patience=None)
    assert written == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize(
    ("arguments", "change"),
    [
        ({"epochs": 13}, "epochs was 12, now 13"),
        ({"patience": 2}, "patience was 3, now 2"),
        ({"batch_size": 5}, "batch_size was 4, now 5"),
        ({"learning_rate": 0.1}, "learning_rate was 0.05, now 0.1"),
        ({"keys": jax.random.split(jax.random.key(1), 3)}, "keys was "),
        ({"loss": ReconstructionLoss.observed()}, r"loss was ReconstructionLoss.all\(\), now "),
        ({"data": 7}, "data was "),
    ],
)
def test_another_training_is_refused_by_what_differs(members, dataset, tmp_path, arguments, change):
    with pytest.raises(Interrupted):
        members(tmp_path / "x", 2)
    before = (tmp_path / "x").read_bytes()
    if "data" in arguments:
        arguments = {"data": [dataset(seed, validation=1, noise=1.0) for seed in (0, 1, 3)]}
    with pytest.raises(ValueError, match=f"^`checkpoint` .*x is of another training: {change}.*; delete it to train a"):
        members(tmp_path / "x", **arguments)
    assert (tmp_path / "x").read_bytes() == before


def test_another_version_of_the_package_or_of_jax_is_refused(members, tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        members(tmp_path / "x", 2)
    monkeypatch.setattr(jax, "__version__", "9.9.9")
    with pytest.raises(ValueError, match=r"of another training: jax was .*, now 9\.9\.9; delete it"):
        members(tmp_path / "x")


def test_a_file_that_is_none_or_is_damaged_is_refused(members, tmp_path):
    path = tmp_path / "x"
    with pytest.raises(Interrupted):
        members(path, 2)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"`checkpoint` .*x is damaged: delete it to train anew"):
        members(path)
    path.write_text("notes")
    with pytest.raises(ValueError, match=r"`checkpoint` must be a file of an unfinished training, got .*x"):
        members(path)
    with pytest.raises(ValueError, match="`checkpoint` must lie in a folder that exists"):
        members(tmp_path / "no" / "x")


def test_what_was_interrupted_before_its_first_epoch_leaves_nothing(members, tmp_path, monkeypatch):
    def interrupted(*_):
        raise Interrupted

    monkeypatch.setattr(sources, "train_epochs", interrupted)
    with pytest.raises(Interrupted):
        members(tmp_path / "x")
    assert not list(tmp_path.iterdir())
