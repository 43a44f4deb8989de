"""Files of arrays: one line of JSON, the arrays, a digest of both. Nothing in a file is ever executed."""

import hashlib
import io
import json
import os
from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import PyTree

from .._files import as_path, atomic_path

_LONGEST_HEADER = 1 << 20
_DIGEST_BYTES = hashlib.sha256().digest_size


class Container(NamedTuple):
    """What is in a file."""

    header: dict[str, Any] | None
    """Its first line; `None` if that is no JSON."""
    whole: bool
    """Whether the digest is that of what is in it."""
    arrays: io.BytesIO
    """For `eqx.tree_deserialise_leaves`."""


def write_container(path: str | os.PathLike, header: dict[str, Any], arrays: PyTree, name: str = "path") -> None:
    """Write a file, which appears whole or not at all; `name` is that of the argument, for errors.

    **Raises:** `OSError` if `path` cannot be written.
    """
    path, content = as_path(name, path), io.BytesIO()
    content.write((json.dumps(header) + "\n").encode())
    eqx.tree_serialise_leaves(content, arrays)
    with atomic_path(path, name) as unfinished:
        unfinished.write_bytes(content.getvalue() + hashlib.sha256(content.getvalue()).digest())


def read_container(path: str | os.PathLike) -> Container:
    """Read a file, whatever it is.

    **Raises:** `OSError` if it cannot be read.
    """
    content = as_path("path", path).read_bytes()
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    try:
        header = json.loads(content.partition(b"\n")[0][:_LONGEST_HEADER])
    except (ValueError, RecursionError):
        header = None
    header = header if isinstance(header, dict) else None
    return Container(header, hashlib.sha256(body).digest() == digest, io.BytesIO(body.partition(b"\n")[2]))
