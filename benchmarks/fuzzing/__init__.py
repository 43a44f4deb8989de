"""Random command lines and damaged files: each ends with a result, or is refused in one line."""

import time
from collections import Counter
from typing import Any

import hypothesis

from .kinds import KINDS
from .outcome import Outcome


def fuzzed(kind: str, cases: int, *, seed: int = 0) -> dict[str, Any]:
    """How so many cases of a kind end: counts by outcome, and the faults among them."""
    found: list[tuple[Any, Outcome]] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    @hypothesis.given(KINDS[kind].cases)
    def tried(case: Any) -> None:
        found.append((case, KINDS[kind].outcome(case)))

    start = time.process_time()
    tried()
    return {
        "cases": len(found),
        "outcomes": dict(Counter(outcome.name for _, outcome in found)),
        "faults": [f"{outcome.name}: {outcome.said} <- {case}" for case, outcome in found if not outcome.good],
        "seconds_of_cpu": time.process_time() - start,
    }
