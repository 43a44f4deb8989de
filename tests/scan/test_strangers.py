"""Nothing in a store is run when it is read, whoever wrote it."""

import json
import os
import pickle

import numpy as np
import pytest

from jrae_jax.scan import open_scan
from jrae_jax.scan.contents import Coordinate, StoreContents, StoredVariable
from jrae_jax.scan.layout import Layout
from jrae_jax.scan.store import create
from jrae_jax.scan.summaries import Variable

CONTENTS = StoreContents(
    ("C",),
    (Coordinate("C", "C", np.arange(4.0), {}),),
    Layout((4,), (4,)),
    {"eeg_mean": StoredVariable(Variable("mV", "mean"), (), np.dtype("float32"))},
    {},
)


@pytest.mark.parametrize("name", ["eeg_mean", "C", "beside"])
def test_a_codec_that_would_run_what_it_reads_is_refused(tmp_path, name):
    witness, path = tmp_path / "witness", tmp_path / "scan.zarr"

    class Payload:
        def __reduce__(self):
            return os.mkdir, (os.fspath(witness),)

    create(path, CONTENTS)
    described = json.loads((path / "zarr.json").read_text())
    array = {"shape": [4], "chunks": [4], "dtype": "|O", "fill_value": None, "order": "C", "compressor": None}
    array |= {
        "zarr_format": 2,
        "filters": [{"id": "vlen-utf8"}, {"id": "pickle"}],
        "attributes": {"_ARRAY_DIMENSIONS": ["C"]},
    }
    described["consolidated_metadata"]["metadata"][name] = array
    (path / "zarr.json").write_text(json.dumps(described))
    (path / name).mkdir(exist_ok=True)
    (path / name / "0").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(ValueError, match=r"`store` .*: zarr.json is damaged \(arrays are not of zarr 3\)"):
        open_scan(path).load()
    assert not witness.exists()
