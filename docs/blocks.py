"""Runs the code that a page shows, and compares what it prints with what the page says that it prints.

`python -m docs.blocks docs/guides/scan.md` runs a page and rewrites the outputs on it that are no longer so. Blocks of
Python share their names, and all run in one folder, which is empty but for a rest.edf where the page reads one. The
output of a block is in a block of `text` that follows it. A block of `sh` is shown and not run.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

_SETUP = "python3 -m venv"  # the commands that begin so are those of .ci/run, in the folder of the source

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$(?:\n+^```text\n(?P<shown>.*?)^```$)?", re.M | re.S)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?(?![\w])")


class Block(NamedTuple):
    """A block of code on a page."""

    language: str
    code: str
    shown: str | None
    """What the page says that it prints; `None` if it does not."""
    span: tuple[int, int]
    """Where `shown` is on the page."""
    line: int


def blocks(page: str) -> list[Block]:
    """The blocks of code on a page, in order; blocks of `text` are part of those before them."""
    return [
        Block(
            match["language"],
            match["code"],
            match["shown"],
            match.span("shown"),
            page.count("\n", 0, match.start()) + 1,
        )
        for match in _BLOCK.finditer(page)
        if match["language"] != "text"
    ]


def run_page(path: Path, folder: Path) -> list[tuple[Block, str]]:
    """Run the blocks of Python and Bash on a page.

    **Arguments:**

    - `path`: of the page.
    - `folder`: the one to run in, in which there is a rest.edf already.

    **Returns:** each block with what it printed on standard output.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    ran = []
    with contextlib.chdir(folder):
        for block in blocks(path.read_text(encoding="utf-8")):
            if block.language == "python":
                code = compile("\n" * block.line + block.code, str(path), "exec")
                with contextlib.redirect_stdout(io.StringIO()) as printed:
                    exec(code, names)
                ran.append((block, printed.getvalue()))
            elif block.language == "bash" and not block.code.startswith(_SETUP):
                ran.append((block, _run_bash(block, path)))
    return ran


def same_output(printed: str, shown: str) -> bool:
    """Whether a block printed what its page shows: words alike, `...` for anything, and numbers nearly.

    Numbers with a point may differ by 2 % or by 2 in the last digit that is shown, as processors round differently.
    """
    pattern = ""
    numbers = []
    for part in re.split(r"(\.\.\.)", shown.strip()):
        if part == "...":
            pattern += ".*?"
            continue
        position = 0
        for match in _NUMBER.finditer(part):
            pattern += _words(part[position : match.start()]) + f"({_NUMBER.pattern})"
            numbers.append(match[0])
            position = match.end()
        pattern += _words(part[position:])
    found = re.fullmatch(pattern, printed.strip(), re.DOTALL)
    return found is not None and all(map(_nearly, found.groups(), numbers))


def _words(text: str) -> str:
    return r"\s*".join(re.escape(word) for word in re.split(r"\s+", text))


def _nearly(printed: str, shown: str) -> bool:
    digits = re.fullmatch(r"[-+]?\d+\.(\d*)", shown)
    exact = "." not in shown and "e" not in shown
    close = 0.0 if exact else max(0.02 * abs(float(shown)), 2 * 10.0 ** -len(digits[1]) if digits else 0.0)
    return abs(float(printed) - float(shown)) <= 1.0001 * close


def _run_bash(block: Block, path: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", "-e", "-u", "-o", "pipefail", "-c", block.code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{path}:{block.line}: exit status {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout


def write_recording(path: Path) -> None:
    """Write the recording that pages read: a minute of two electrodes at 160 Hz over a simulated column each."""
    import diffrax  # here, as pages of commands need none of these
    import jax
    import mne
    import numpy as np

    import jrae_jax as jrae

    keys = jax.random.split(jax.random.key(7), 2)
    column = jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(220.0, 2000 / 325))
    saveat = diffrax.SaveAt(ts=(2.0 + np.arange(60 * 160) / 160).tolist())
    trajectories = jrae.simulate(column, t1=62.0, dt=1e-3, batch=2, saveat=saveat, key=keys[0])
    recording = jrae.observe(trajectories, observed="eeg", noise=0.1, key=keys[1])
    eeg = np.asarray(recording.values[..., -1], float)
    volts = 15e-6 * (eeg - eeg.mean(axis=-1, keepdims=True))
    raw = mne.io.RawArray(volts, mne.create_info(["O1", "O2"], 160.0, "eeg"), verbose="error")
    mne.export.export_raw(path, raw, physical_range="channelwise", verbose="error")


def _rewrite(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = path.read_text(encoding="utf-8")
        if "rest.edf" in page:
            write_recording(Path(folder) / "rest.edf")
        ran = run_page(path, Path(folder))
    for block, printed in reversed(ran):
        if block.shown is not None and not same_output(printed, block.shown):
            page = page[: block.span[0]] + printed.rstrip() + "\n" + page[block.span[1] :]
    path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        _rewrite(Path(argument).resolve())
