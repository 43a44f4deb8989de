import contextlib

import pytest

from jrae_jax.cli.folder import report_folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_are_numbered(here):
    for number in ("001", "002"):
        with report_folder(None, {}) as made:
            assert str(made) == f"reproduce-{number}"
            assert made.is_dir()
    (here / "reproduce-041").mkdir()
    with report_folder(None, {}) as made:
        assert made.name == "reproduce-042"


def test_folder_that_is_not_empty_is_left_alone(here):
    kept = here / "kept.txt"
    kept.write_text("data")
    message = f"`--out` must be a new or empty folder, got {here}, which holds something already"
    with pytest.raises(ValueError, match=message), report_folder(str(here), {}):
        pass
    assert kept.read_text() == "data"


@pytest.mark.parametrize(("out", "why"), [("file", "Not a directory"), ("file/a", "Not a directory")])
def test_folder_that_cannot_be_made(here, out, why):
    (here / "file").write_text("data")
    expected = f"`--out` must be a folder that can be written, got {out}: {why}"
    with pytest.raises(ValueError, match=expected), report_folder(out, {}):
        pass
    assert (here / "file").read_text() == "data"


def test_folder_and_those_above_it_are_removed_if_the_work_fails_before_anything_is_written(here):
    with pytest.raises(KeyboardInterrupt), report_folder("above/new", {}):
        raise KeyboardInterrupt
    assert not list(here.iterdir())


def test_an_empty_folder_that_was_there_stays(here):
    (here / "mine").mkdir()
    with pytest.raises(KeyboardInterrupt), report_folder("mine", {}):
        raise KeyboardInterrupt
    assert (here / "mine").is_dir()


SETTINGS = {"--seeds": 4, "--quick": False}


@pytest.fixture
def interrupted(here):
    with contextlib.suppress(KeyboardInterrupt), report_folder("new", SETTINGS) as folder:
        (folder / "unfinished" / "as_published").write_text("trained so far")
        raise KeyboardInterrupt
    return here / "new"


def test_a_folder_whose_work_was_interrupted_is_taken_up_again_and_is_finished_then(interrupted):
    with report_folder("new", SETTINGS) as folder:
        assert (folder / "unfinished" / "as_published").read_text() == "trained so far"
        (folder / "scores.csv").write_text("all")
    assert [path.name for path in interrupted.iterdir()] == ["scores.csv"]
    with pytest.raises(ValueError, match="`--out` must be a new or empty folder"), report_folder("new", SETTINGS):
        pass


def test_other_options_than_those_that_were_interrupted_are_named(interrupted):
    expected = "`--out` new holds what was interrupted with other options: --seeds was 4, now 5; give those, or delete"
    with pytest.raises(ValueError, match=expected), report_folder("new", SETTINGS | {"--seeds": 5}):
        pass
    (interrupted / "unfinished" / "options.json").write_text('{"--seeds"')
    expected = r"`--out`: .*options.json is damaged; delete new/unfinished to begin anew"
    with pytest.raises(ValueError, match=expected), report_folder("new", SETTINGS):
        pass
    assert (interrupted / "unfinished" / "as_published").exists()


def test_what_was_written_stays(here):
    with contextlib.suppress(KeyboardInterrupt), report_folder("new", {}) as folder:
        (folder / "scores.csv").write_text("half")
        raise KeyboardInterrupt
    assert (here / "new" / "scores.csv").exists()
