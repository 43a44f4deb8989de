"""Every example, made small."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = {
    "simulate": {"duration": 1.0, "burn_in": 0.1},
    "partial_observability": {"duration": 1.5, "epochs": 1},
    "latent_space": {"duration": 1.5, "epochs": 1},
    "bifurcation_diagram": {"low": 300.0, "high": 330.0},
    "fit_parameters": {"duration": 10.0, "starts": 1, "bounds": {"C": (94.5, 175.5)}},
    "parameter_scan": {"points": 2, "repeats": 1, "duration": 3.0},
    "decode": {"seconds": 12.0},
}

SLOW = ("bifurcation_diagram", "fit_parameters", "decode")


def test_every_example_is_run_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SMALL)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in SMALL]
)
def test_example_draws_its_figure(name, tmp_path):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.main(str(tmp_path / "figure.png"), **SMALL[name])
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
