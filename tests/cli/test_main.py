"""The command `jrae` as a whole: help, errors, exit codes, devices."""

import os
import re
import subprocess
import sys

import pytest

import jrae_jax as jrae
from jrae_jax.cli import main as cli, runtime

RUN = [sys.executable, "-m", "jrae_jax"]


@pytest.fixture
def unchanged_jax(monkeypatch):
    """JAX as the tests have it."""
    monkeypatch.setattr(runtime, "configure_jax", lambda device, cores: None)


@pytest.mark.parametrize(
    "arguments", [["reproduce", "--seeds", "many"], ["reproduce", "--a\nb"], [], ["fly"], ["scan", "--store=--"]]
)
def test_arguments_that_do_not_parse(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("reproduce --seeds 0", "`--seeds` must be a whole number of at least 1, got 0"),
        ("reproduce --epochs -3", "`--epochs` must be a whole number of at least 1, got -3"),
        ("reproduce --latent-size 0", "`--latent-size` must be a whole number of at least 1, got 0"),
        ("reproduce --seed -1", "`--seed` must be from 0 to 2^63 - 1, got -1"),
        ("reproduce --out taken", "`--out` must be a new or empty folder, got taken"),
        ("reproduce --out taken/file", "`--out` must be a folder that can be written, got taken/file"),
        ("atlas --store x --seeds 0", "`--seeds` must be a whole number of at least 1, got 0"),
        (
            "atlas --store x --masks y0+y9",
            "`--masks` must be one of 'y0', 'y1', 'y2', 'y3', 'y4', 'y5', 'eeg', got",
        ),
        ("atlas --store x --masks=", "`--masks` must be one of"),
        ("atlas --store x --masks y0,eeg", "`--masks` must be of a kind that the autoencoder was trained for"),
        ("atlas --store x --noise a", "`--noise` must be numbers with commas between them, got 'a'"),
        ("atlas --store x --noise=-1", "`--noise` must be finite and not negative, got -1.0"),
        ("atlas --store x --seed -1", "`--seed` must be from 0 to 2^63 - 1, got -1"),
        ("atlas --store taken", "`--store` must be a store that jrae_jax wrote, got taken"),
        ("atlas --store x --table no/x.csv", "`--table` must lie in a folder that exists, got no/x.csv"),
        ("atlas --store x --plot no/x.png", "`--plot` must lie in a folder that exists, got no/x.png"),
        ("pretrain --out x.jrae --steps 0", "`--steps` must be a whole number of at least 1, got 0"),
        ("pretrain --out x.jrae --seed -1", "`--seed` must be from 0 to 2^63 - 1, got -1"),
        ("pretrain --out no/x.jrae", "`--out` must lie in a folder that exists, got no/x.jrae"),
    ],
)
def test_bad_input_is_one_line_that_names_the_option(unchanged_jax, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("data")
    assert cli.main(arguments.split()) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert complaint.startswith(f"jrae: error: {message}")
    assert [path.name for path in tmp_path.rglob("*")] == ["taken", "file"]


MANY = 10**12


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (f"simulate --columns {MANY} --duration 2 --out x.csv", "--columns"),
        (f"scan --axis C=1,2 --repeats {MANY} --store x", "--repeats"),
        (f"scan --axis C=1:2:{MANY} --store x", "--axis C"),
        (f"scan --axis C=1:2 --sample {MANY} --store x", "--sample"),
        ("dynamics --axis C=100:101:1000000 --axis p=1:2:1000000", "--axis"),
        (f"atlas --store x --seeds {MANY}", "--seeds"),
        (f"reproduce --out x --seeds {MANY}", "--seeds"),
        (f"reproduce --out x --latent-size {MANY}", "--latent-size"),
        ("reproduce --out x --latent-sizes 1:999999999", "--latent-sizes"),
    ],
)
def test_what_fits_into_no_memory_is_refused_before_the_work(
    unchanged_jax, tmp_path, monkeypatch, capsys, arguments, option
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments.split()) == 2
    pattern = (
        rf"jrae: error: `{option}` must be such that .* fit into memory, got .*: they take .* GB, and there are .* GB\n"
    )
    assert re.fullmatch(pattern, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_said(unchanged_jax, monkeypatch, tmp_path, capsys):
    def exhausted(options):
        raise MemoryError

    monkeypatch.setattr("jrae_jax.cli.scan._show", exhausted)
    assert cli.main(["scan-show", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "jrae: error: there is not enough memory\n"


def test_interrupted(unchanged_jax, monkeypatch, tmp_path, capsys):
    def interrupted(**arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("jrae_jax.studies.pretraining.pretrain", interrupted)
    assert cli.main(["pretrain", "--out", str(tmp_path / "x.jrae")]) == 130
    assert capsys.readouterr().err == "jrae: interrupted\n"


def test_installed_command_in_a_process_of_its_own(tmp_path):
    version = subprocess.run([*RUN, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"jrae {jrae.__version__}\n"
    failed = subprocess.run([*RUN, "reproduce", "--seeds", "0"], capture_output=True, text=True, cwd=tmp_path)
    assert failed.returncode == 2
    assert failed.stderr == "jrae: error: `--seeds` must be a whole number of at least 1, got 0\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="there, a reader that has gone is another error")
def test_where_the_reader_has_gone_nothing_is_said():
    reads, writes = os.pipe()
    os.close(reads)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    gone = subprocess.run([*RUN, "--help"], stdout=writes, stderr=subprocess.PIPE, env=buffered)
    os.close(writes)
    assert (gone.returncode, gone.stderr) == (141, b"")


def test_a_jaxlib_that_does_not_load_is_one_line(tmp_path):
    why = "This version of jaxlib was built using AVX instructions"
    (tmp_path / "jaxlib.py").write_text(f"raise RuntimeError({why!r})")
    path = os.pathsep.join([str(tmp_path), os.getcwd(), *sys.path])
    failed = subprocess.run(
        [*RUN, "simulate", "--out", "x.csv"], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert (failed.returncode, failed.stdout, failed.stderr) == (2, "", f"jrae: error: {why}\n")


CUDA = {"JAX_PLATFORMS": "cuda"}


@pytest.mark.parametrize(
    ("command", "name", "variables"),
    [
        ("simulate --plot x.png", "JAX_PLATFORMS", CUDA),
        *(
            pytest.param(f"{command} --device gpu", "--device", {}, marks=pytest.mark.slow)
            for command in (
                "simulate --plot x.png",
                "reproduce --quick",
                "scan --axis C=100,135 --store x.zarr",
                "atlas --store x.zarr --quick",
                "pretrain --out x.jrae",
                "dynamics",
                "fit rest.csv --free C=100:200",
            )
        ),
    ],
)
def test_a_device_that_is_absent_is_one_line(tmp_path, command, name, variables):
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    absent = subprocess.run(
        [*RUN, *command.split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment | {"CUDA_VISIBLE_DEVICES": ""} | variables,
    )
    assert absent.returncode == 2
    last = absent.stderr.splitlines()[-1]
    assert re.match(rf"jrae: error: `{name}` must be one that JAX finds here, got (gpu|cuda): leave it out", last)
    assert "Traceback" not in absent.stderr
    assert not list(tmp_path.iterdir())
