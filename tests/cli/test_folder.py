import contextlib

import pytest

from jrae_jax.cli.folder import new_folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_are_numbered(here):
    for number in ("001", "002"):
        with new_folder(None) as made:
            assert str(made) == f"reproduce-{number}"
            assert made.is_dir()
    (here / "reproduce-041").mkdir()
    with new_folder(None) as made:
        assert made.name == "reproduce-042"


def test_folder_that_is_not_empty_is_left_alone(here):
    kept = here / "kept.txt"
    kept.write_text("data")
    message = f"`--out` must be a new or empty folder, got {here}, which holds something already"
    with pytest.raises(ValueError, match=message), new_folder(str(here)):
        pass
    assert kept.read_text() == "data"


@pytest.mark.parametrize(("out", "why"), [("file", "Not a directory"), ("file/a", "Not a directory")])
def test_folder_that_cannot_be_made(here, out, why):
    (here / "file").write_text("data")
    expected = f"`--out` must be a folder that can be written, got {out}: {why}"
    with pytest.raises(ValueError, match=expected), new_folder(out):
        pass
    assert (here / "file").read_text() == "data"


def test_folder_and_those_above_it_are_removed_if_the_work_fails_before_anything_is_written(here):
    with pytest.raises(KeyboardInterrupt), new_folder("above/new"):
        raise KeyboardInterrupt
    assert not list(here.iterdir())


def test_an_empty_folder_that_was_there_stays(here):
    (here / "mine").mkdir()
    with pytest.raises(KeyboardInterrupt), new_folder("mine"):
        raise KeyboardInterrupt
    assert (here / "mine").is_dir()


def test_what_was_written_stays(here):
    with contextlib.suppress(KeyboardInterrupt), new_folder("new") as folder:
        (folder / "scores.csv").write_text("half")
        raise KeyboardInterrupt
    assert (here / "new" / "scores.csv").exists()
