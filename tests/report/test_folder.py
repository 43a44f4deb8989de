import pytest

from jrae_jax.report import new_folder


def test_folders_are_numbered(tmp_path):
    for number in ("001", "002"):
        with new_folder(None, parent=tmp_path) as made:
            assert made == tmp_path / f"reproduce-{number}"
    (tmp_path / "reproduce-041").mkdir()
    with new_folder(None, parent=tmp_path) as made:
        assert made.name == "reproduce-042"


def test_folder_that_is_not_empty_is_left_alone(tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_text("data")
    with pytest.raises(ValueError, match="`out` must be a new or empty folder"), new_folder(str(tmp_path)):
        pass
    assert kept.read_text() == "data"


@pytest.mark.parametrize("below", ["", "/a"])
def test_folder_that_cannot_be_made(tmp_path, below):
    blocking = tmp_path / "file"
    blocking.write_text("data")
    expected = "`out` must be a folder that can be written"
    with pytest.raises(ValueError, match=expected), new_folder(f"{blocking}{below}"):
        pass
    assert blocking.read_text() == "data"


def test_folder_is_removed_if_the_work_fails_before_anything_is_written(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(str(tmp_path / "new")):
        raise KeyboardInterrupt
    assert not (tmp_path / "new").exists()
