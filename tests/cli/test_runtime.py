"""What a command does before its work: start quickly, keep compiled programs, refuse a device that is not there."""

import os
import subprocess
import sys

import jax
import pytest

from jrae_jax.cli import runtime

SIMULATE = "simulate --columns 2 --duration 0.1 --burn-in 0 --no-progress"


def jrae(folder, arguments, **environment):
    """A command in a process of its own, whose cache is in `folder`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    return subprocess.run(
        [sys.executable, "-m", "jrae_jax", *arguments.split()],
        capture_output=True,
        text=True,
        cwd=folder,
        env=own | {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")} | environment,
    )


def kept(folder):
    return sorted((folder / "cache" / "jrae_jax").glob("xla-*/*-cache"))


HEAVY = ("jax", "numpy", "scipy", "matplotlib", "pandas", "xarray", "zarr", "diffrax", "equinox", "optax")


@pytest.mark.parametrize("code", ["import jrae_jax", "from jrae_jax.cli.main import main; main(['--help'])"])
def test_neither_the_package_nor_the_help_loads_anything_heavy(code):
    program = f"""
import sys
try:
    {code}
finally:
    print([name for name in {HEAVY} if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == "[]", found.stderr


def test_compiled_programs_are_kept_and_what_is_damaged_is_compiled_anew_without_a_word(tmp_path):
    folder, done = tmp_path, jrae(tmp_path, f"{SIMULATE} --out first.csv")
    assert (done.returncode, done.stderr) == (0, "")
    (program,) = (path for path in kept(folder) if path.name.startswith("jit__by_kernel"))
    written, last_use = program.stat().st_mtime_ns, program.with_name(program.name.replace("-cache", "-atime"))
    before = last_use.read_bytes()
    unfinished = program.with_name("jit_unfinished-0-cache")
    unfinished.write_bytes(b"half")
    again = jrae(folder, f"{SIMULATE} --out again.csv")
    assert (again.returncode, again.stderr) == (0, "")
    assert program.stat().st_mtime_ns == written
    assert last_use.read_bytes() != before
    assert not unfinished.exists()
    program.write_bytes(program.read_bytes()[:100])
    anew = jrae(folder, f"{SIMULATE} --out anew.csv")
    assert (anew.returncode, anew.stderr) == (0, "")


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """What JAX is asked to do, in place of doing it, by users whose cache folder is in `tmp_path`."""
    settings = {}
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    return settings


def test_the_cache_is_bounded_and_in_the_users_folder(settings, tmp_path):
    runtime.configure_jax(None, 2)
    (folder,) = (tmp_path / "cache" / "jrae_jax").iterdir()
    assert settings["jax_compilation_cache_dir"] == str(folder)
    assert settings["jax_compilation_cache_max_size"] == 2**29


@pytest.mark.parametrize("chosen", ["", "chosen"])
def test_the_environment_decides_where_programs_are_kept_or_that_none_are(settings, monkeypatch, tmp_path, chosen):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", chosen)
    runtime.configure_jax(None, 2)
    assert settings == {"jax_num_cpu_devices": 2}
    assert [path.name for path in tmp_path.iterdir()] == ([chosen] if chosen else [])


def test_a_cache_that_is_no_folder_of_this_machine_is_left_to_jax(settings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "gs://bucket/folder")
    runtime.configure_jax(None, 2)
    assert settings == {"jax_num_cpu_devices": 2}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("named", ["", ", which JAX_COMPILATION_CACHE_DIR names,"])
def test_a_cache_that_cannot_be_written_is_one_line(settings, monkeypatch, tmp_path, capsys, named):
    (tmp_path / "cache").write_text("a file")
    folder = tmp_path / "cache" / ("x" if named else "jrae_jax")
    if named:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder))
    runtime.configure_jax(None, 2)
    assert settings["jax_enable_compilation_cache"] is False
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"jrae: compiled programs are not kept: {folder}")
    assert complaint.endswith(f"{named} cannot be written (Not a directory)\n")
    assert complaint.count("\n") == 1


@pytest.mark.posix
def test_nothing_is_said_where_standard_error_is_closed(tmp_path):
    command = f"{sys.executable} -m jrae_jax scan-show nowhere 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
