"""What SECURITY.md promises of files from strangers, beside what the tests of each kind of file hold."""

import io
import json
import os
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.autoencoder.container import read_container
from jrae_jax.decoding import load_decoder

ROOT = Path(__file__).parents[1]


def test_a_pickle_in_a_decoder_is_never_run(tmp_path):
    witness, path = tmp_path / "witness", tmp_path / "stranger.jrae"

    class Payload:
        def __reduce__(self):
            return os.mkdir, (os.fspath(witness),)

    header = read_container(Path(jrae.decoding.__file__).parent / "weights" / "decoder.jrae").header
    arrays = io.BytesIO()
    np.save(arrays, np.array([Payload()], dtype=object), allow_pickle=True)
    content = json.dumps(header).encode() + b"\n" + arrays.getvalue()
    path.write_bytes(content + sha256(content).digest())
    with pytest.raises(ValueError, match="`path` holds no decoder that its header describes"):
        load_decoder(path)
    assert not witness.exists()


@pytest.mark.parametrize("cell", ["__import__('os').mkdir('witness')", "=1+1", "os.mkdir('witness')"])
def test_a_table_is_text(tmp_path, monkeypatch, cell):
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text(f'time,eeg (uV)\n0,1\n0.1,"{cell}"\n')
    with pytest.raises(ValueError, match="`source` must have numbers in column eeg"):
        jrae.read_recording("x.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_no_template_lets_anything_through_as_it_is():
    folder = Path(jrae.report.__file__).parent / "templates"
    pages = {path.name: path.read_text() for path in folder.glob("*.html")}
    assert len(pages) > 5
    assert [name for name, page in pages.items() if re.search(r"\|\s*safe\b|\{%-?\s*autoescape", page)] == []


def test_the_tests_that_are_named_are_there():
    named = re.findall(r"`(tests/\S+\.py)`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 3
    assert [name for name in named if not (ROOT / name).is_file()] == []
