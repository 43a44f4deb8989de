"""Every path that a command writes is tried before its work, and what is written is whole or not there."""

import pytest
import xarray as xr

from jrae_jax.cli import main as cli

COMMANDS = {
    "simulate --plot": ("simulate --plot", "x.png"),
    "simulate --out": ("simulate --out", "x.csv"),
    "scan --store": ("scan --axis C=100,135 --store", "x.zarr"),
    "scan --plot": ("scan --axis C=100,135 --store s.zarr --plot", "x.png"),
    "scan-show --plot": ("scan-show s.zarr --plot", "x.png"),
    "atlas --store": ("atlas --store", "x.zarr"),
    "atlas --table": ("atlas --store s.zarr --table", "x.csv"),
    "atlas --plot": ("atlas --store s.zarr --plot", "x.png"),
    "atlas --plot-scores": ("atlas --store s.zarr --plot-scores", "x.png"),
    "pretrain --out": ("pretrain --out", "x.jrae"),
    "dynamics --table": ("dynamics --table", "x.csv"),
    "dynamics --plot": ("dynamics --plot", "x.png"),
    "fit --json": ("fit rest.csv --free C=100:200 --json", "x.json"),
    "fit --plot": ("fit rest.csv --free C=100:200 --plot", "x.png"),
}


pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.posix
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("nowhere/", "must lie in a folder that exists, got nowhere/"),
        ("file/", "must lie in a folder that exists, got file/"),
        ("/proc/", "must be a path that can be written, got /proc/"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(here, capsys, command, place, why):
    (here / "file").touch()
    written, name = COMMANDS[command]
    assert cli.main([*written.split(), f"{place}{name}"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"jrae: error: `{command.split()[-1]}` {why}{name}")
    assert complaint.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["file"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_in_place_of_a_store_and_a_folder_in_place_of_a_file_are_refused(here, capsys, command):
    written, name = COMMANDS[command]
    (here / name).touch() if name.endswith(".zarr") else (here / name).mkdir()
    assert cli.main([*written.split(), name]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"jrae: error: `{command.split()[-1]}` must ")
    assert complaint.count("\n") == 1
    assert [path.name for path in here.iterdir()] == [name]


@pytest.mark.parametrize(
    "written",
    ["atlas --store s.zarr --table x.txt", "dynamics --table x.parquet", "fit rest.csv --free C=1:2 --json fit.txt"],
)
def test_a_suffix_that_says_another_format_is_refused(here, capsys, written):
    assert cli.main(written.split()) == 2
    assert f"must end in .{'json' if 'json' in written else 'csv or .csv.gz'}, got" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("scan --axis C=1,2 --store x.png --plot ./x.png", "`--plot` must be another path than that of `--store`, got"),
        (
            "atlas --store s.zarr --plot x.png --plot-scores x.png",
            "`--plot-scores` must be another path than that of `--plot`, got x.png",
        ),
        ("fit x.json --free C=1:2 --json x.json", "`--json` must be another path than that of `recording`, got x.json"),
        ("scan-show x.png --plot x.png", "`--plot` must be another path than that of `store`, got x.png"),
    ],
)
def test_two_arguments_that_are_one_path_are_refused(here, capsys, written, message):
    assert cli.main(written.split()) == 2
    assert capsys.readouterr().err.startswith(f"jrae: error: {message}")
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--axis C=100 --plot x.png", "`--plot` must be of a scan with an `--axis` along which something changes"),
        ("--axis C=1,2 --summaries samples --plot x.png", "`--plot` must be of `--summaries` with one number a point"),
        ("--axis C=1,2 --plot x.pgf", "`--plot` must end in "),
    ],
)
def test_a_picture_that_could_not_be_drawn_is_refused_before_the_work(here, capsys, options, message):
    assert cli.main(["scan", "--store", "x.zarr", *options.split()]) == 2
    assert capsys.readouterr().err.startswith(f"jrae: error: {message}")
    assert not list(here.iterdir())


SIMULATE = "simulate --duration 4 --burn-in 0 --no-progress --devices 2 --out"


@pytest.mark.parametrize("name", ["x.csv", "x.zarr"])
def test_half_a_file_is_never_under_the_final_name(here, capsys, small_files_only, name):
    assert cli.main([*SIMULATE.split(), name]) == 2
    assert capsys.readouterr().err == f"jrae: error: `--out` cannot be written (File too large): {name}\n"
    assert not list(here.iterdir())


def test_whoever_opens_trajectories_is_not_warned(here):
    assert cli.main([*SIMULATE.split(), "x.zarr"]) == 0
    assert xr.open_zarr("x.zarr").sizes["time"] == 4000
    assert [path.name for path in here.iterdir()] == ["x.zarr"]
