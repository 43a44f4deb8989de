import importlib.metadata
import json

import pytest

from benchmarks.agreement import __main__ as command
from benchmarks.agreement.agreement import PACKAGES, Agreement

AGREES = Agreement(
    "one", "1.0", "agrees", 7e-16, 3e-13, 8e-4, "Heun", ("y0", "y1"), "tvb", conventions=("Counts in sheep.",)
)
DIFFERS = AGREES._replace(package="two", verdict="differs", derivatives=2e-3, defaults=("v0 = 6, not 5.52",))
FAILED = Agreement("three", "3.0", "failed", reason="AttributeError: gone", conventions=("Counts in goats.",))
MISSING = Agreement("four", None, "not installed")


@pytest.fixture
def found(monkeypatch):
    """What the comparison finds, and what it was asked."""
    found, asked = [], []

    def agreement(packages, **settings):
        asked.append(settings)
        return tuple(found)

    monkeypatch.setattr(command, "agreement", agreement)
    return found, asked


def test_a_table_and_the_conventions_are_printed(found, capsys):
    found[0].extend([AGREES, MISSING])
    assert command.main([]) == 0
    assert found[1] == [{"samples": 1000, "duration": 1.0}]
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["package", "version", "verdict", "derivatives", "trajectories", "exact", "by"]
    assert out[1].split() == ["one", "1.0", "agrees", "7.0e-16", "3.0e-13", "8.0e-04", "Heun,", "y0", "y1"]
    assert out[2].split() == ["four", "not", "installed"]
    assert "  - Defaults are those of our preset 'tvb'." in out
    assert "  - Counts in sheep." in out
    assert not [line for line in out[3:] if "four" in line]


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (DIFFERS, ["two", "2.0e-03", "Defaults are not those of 'tvb': v0 = 6, not 5.52.", "Counts in sheep."]),
        (FAILED, ["three", "  - Failed: AttributeError: gone", "Counts in goats."]),
    ],
)
def test_one_that_differs_or_fails_is_an_error_of_the_command(found, capsys, one, told):
    found[0].extend([AGREES, one])
    assert command.main(["--samples", "7", "--duration", "0.5"]) == 1
    assert found[1] == [{"samples": 7, "duration": 0.5}]
    out = capsys.readouterr().out
    for text in told:
        assert text in out


def test_all_of_it_goes_to_a_file(found, tmp_path, capsys):
    found[0].extend([DIFFERS, FAILED, MISSING])
    assert command.main(["--out", str(tmp_path / "found.json")]) == 1
    record = json.loads((tmp_path / "found.json").read_text())
    assert (record["work"]["samples"], record["work"]["duration"]) == (1000, 1.0)
    two, three, four = record["agreement"]
    assert (two["derivatives"], two["defaults"]) == (2e-3, ["v0 = 6, not 5.52"])
    assert (three["reason"], three["derivatives"], four["version"]) == ("AttributeError: gone", None, None)


def test_without_any_package_there_is_nothing_to_disagree(monkeypatch, capsys):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert command.main([]) == 0
    assert capsys.readouterr().out.count("not installed") == len(PACKAGES) + 1


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`samples` must be a whole number of at least 1, got 0"):
        command.main(["--samples", "0"])
