"""What takes turns in a benchmark of scans: processes with so many cores, and ratios within one turn."""

import multiprocessing
import os
import sys

import jax
import pytest

from benchmarks.scan.__main__ import against
from benchmarks.scan.workers import contenders_apart
from benchmarks.timing import Contender


def surroundings():
    labels = {
        "affinity": len(os.sched_getaffinity(0)),
        "devices": jax.device_count(),
        "flags": os.environ["XLA_FLAGS"],
    }
    return [Contender(labels, lambda: None), Contender(labels, lambda: 1 / 0, compiled=False)]


@pytest.mark.skipif(sys.platform != "linux", reason="needs processor affinity")
def test_a_process_has_the_cores_devices_and_flags_it_should(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--of-the-caller")
    before = os.sched_getaffinity(0)
    try:
        works, fails = contenders_apart(surroundings, cores=1, devices=3, avx512=False)
        assert works.labels["affinity"] == works.labels["cores"] == 1
        assert (works.labels["devices"], works.labels["flags"]) == (3, "--xla_cpu_max_isa=AVX2")
        assert (works.compiled, fails.compiled) == (True, False)
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            fails.run()
        works.run()
    finally:
        for child in multiprocessing.active_children():
            child.terminate()
            child.join()
    assert (os.sched_getaffinity(0), os.environ["XLA_FLAGS"]) == (before, "--of-the-caller")


def row(package, seconds, *, columns=10, scheme="Heun", cores=1, work="summaries"):
    labels = {"package": package, "scheme": scheme, "work": work, "cores": cores, "instructions": "AVX2"}
    rate = columns * 100 / sorted(seconds)[1]
    return {**labels, "columns": columns, "steps": 100, "route": "", "seconds": seconds, "per_second": rate}


def test_ratios_are_of_the_same_turns_the_same_work_and_as_many_cores():
    own = row("ours", [2.0, 4.0, 8.0])
    others = [
        row("C", [1.0, 1.0, 4.0]),
        row("C", [0.1, 0.1, 0.1], cores=2),
        row("C", [0.1, 0.1, 0.1], scheme="Strang splitting"),
        row("C", [0.1, 0.1, 0.1], columns=20),
        row("slow", [9.0, 9.0, 9.0]),
        row("fast", [2.0, 2.0, 2.0], columns=5, scheme="Strang splitting"),
        row("other work", [0.1, 0.1, 0.1], work="trajectories"),
    ]
    found = against(own, [own, *others])
    assert {key: found["of_c"][key] for key in ("median", "min", "max")} == {"median": 0.5, "min": 0.25, "max": 0.5}
    assert found["of_fastest_rival"]["package"] == "fast"
    assert found["of_fastest_rival"]["median"] == 1.0
    assert "of_fastest_rival" not in against(own, [own])
