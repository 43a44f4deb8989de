import importlib

import pytest

from jrae_jax.cli import main as cli


@pytest.fixture
def asked(monkeypatch, small_study):
    """The settings that the command asks for; the study is already done."""
    asked = []
    monkeypatch.setattr(cli, "_configure_jax", lambda device, cores=None: None)
    # The module, as the room's name of it is that of the function.
    module = importlib.import_module("jrae_jax.studies.reproduce")
    monkeypatch.setattr(module, "reproduce", lambda settings, progress: asked.append(settings) or small_study)
    return asked


def test_reproduce_writes_a_report_and_prints_the_answer(asked, tmp_path, capsys):
    options = ["--seeds", "4", "--latent-size", "2", "--seed", "7"]
    assert cli.main(["reproduce", "--out", str(tmp_path / "out"), *options]) == 0
    assert (asked[0].seeds, asked[0].latent_size, asked[0].epochs, asked[0].seed) == (4, 2, 50, 7)
    printed = capsys.readouterr().out
    assert "Corrected: RK4 1 ms, loss on all six states" in printed
    assert "   NOT SUPPORTED  Hidden states come back" in printed
    assert "With all six states observed, reconstruction is good." in printed
    assert (tmp_path / "out" / "report.html").exists()


def test_quick_is_small_and_numbers_its_folder(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reproduce-001").mkdir()
    assert cli.main(["reproduce", "--quick", "--epochs", "5"]) == 0
    assert (asked[0].seeds, asked[0].epochs, asked[0].duration) == (3, 5, 2.0)
    assert (tmp_path / "reproduce-002" / "report.html").exists()
    assert "A quick look" in capsys.readouterr().out
