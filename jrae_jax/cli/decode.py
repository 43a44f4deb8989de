"""The command `decode`."""

import argparse
import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import runtime
from .options import add_command, add_run_options, add_table_options

if TYPE_CHECKING:
    import pandas as pd

    from ..decoding.decoded import Decoded
    from ..recording.recording import Recording

_FORMATS = (".zarr", ".nc", ".csv", ".fif", ".fif.gz")
_TITLE = "Decoded recordings"
_NOTHING_USED = 3


def add_commands(commands: Any) -> None:
    """Add the command."""
    decode = add_command(
        commands,
        "decode",
        help="hidden states of a real EEG, with intervals, and whether one column explains it",
        example="jrae decode rest.edf --pick O1 --out states.zarr --report rest.html",
    )
    decode.add_argument(
        "recording",
        type=Path,
        nargs="+",
        help="a table as text, .csv, .tsv or .txt; or .edf, .bdf, .vhdr, .fif, ..., as MNE reads; or several",
    )
    add_table_options(decode, several=True)
    decode.add_argument(
        "--band",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="Hz that filters let through, of all recordings, where the files do not say it; 0 or inf: no filter",
    )
    decode.add_argument(
        "--share-gain", action="store_true", help="each channel has one gain, in all windows of all recordings"
    )
    decode.add_argument(
        "--store",
        type=Path,
        metavar="FOLDER",
        help="windows as they are decoded, to a new zarr store, or one to resume",
    )
    decode.add_argument("--out", type=Path, help="states, posterior and check to a new .zarr, .nc, .csv or .fif")
    decode.add_argument("--report", type=Path, metavar="FILE", help="a page that a person reads, to a .html")
    decode.add_argument("--table", type=Path, metavar="FILE", help="a line a window, of all recordings, to a .csv")
    decode.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    add_run_options(decode)
    decode.set_defaults(run=_decode)


def _decode(options: argparse.Namespace) -> int:
    progress = runtime.start(options, cores=1)

    from .._files import check_output
    from ..decoding.decode import decode
    from .arguments import key_from_seed, options_named, recording_from

    if options.out is not None:
        check_output("--out", options.out, suffixes=_FORMATS, new=True)
        if len(options.recording) > 1 and options.out.suffix != ".zarr":
            raise ValueError(f"`--out` must end in .zarr for {len(options.recording)} recordings, got {options.out}")
    for name, path, suffix in (("--report", options.report, ".html"), ("--table", options.table, ".csv")):
        if path is not None:
            check_output(name, path, suffixes=(suffix,), new=True)
    if options.band is not None and not 0 <= options.band[0] < options.band[1]:
        raise ValueError("`--band` must rise from 0 Hz on, got {:g} to {:g} Hz".format(*options.band))
    options.interrupts.kept = options.store
    names = _names(options.recording)
    key, recordings = key_from_seed(options.seed), [recording_from(options, path) for path in options.recording]
    if options.band is not None:
        recordings = [_with_band(recording, tuple(options.band)) for recording in recordings]
    named = {f"recording[{i}]": str(path) for i, path in enumerate(options.recording)}
    with options_named({"share": "--share-gain", "unit": "--unit", "store": "--store", **named}):
        share = "gain" if options.share_gain else None
        found = decode(recordings, key=key, share=share, store=options.store, progress=progress)
    for decoded in found:
        print(decoded)
    if options.out is not None:
        _write(options.out, names, found)
        print(f"all of it in {options.out}")
    if options.table is not None:
        from .._files import atomic_path

        with atomic_path(options.table, "--table") as unfinished:
            _table(names, found).to_csv(unfinished, index=False, float_format="%.5g")
        print(f"a line a window in {options.table}")
    if options.report is not None:
        from ..report.decoded import write_decoded_report

        write_decoded_report(found, options.report, title=_TITLE, names=names)
        print(f"a page in {options.report}")
    return 0 if any(decoded.used.any() for decoded in found) else _NOTHING_USED


def _with_band(recording: "Recording", band: tuple[float, float]) -> "Recording":
    from ..recording.info import RecordingInfo

    info = recording.info or RecordingInfo()
    return dataclasses.replace(recording, info=info._replace(band=band))


def _names(paths: Sequence[Path]) -> list[str]:
    """Of recordings: those of their files, without the ending where they are then still different."""
    stems = [path.stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [path.name for path in paths]
    if len(set(names)) < len(names):
        raise ValueError(f"`recording` must be files of different names, got {', '.join(map(str, paths))}")
    return names


def _write(path: Path, names: Sequence[str], found: Sequence["Decoded"]) -> None:
    """All of one recording; of several, each as a group of its name."""
    import xarray as xr

    from .._files import atomic_path

    with atomic_path(path, "--out") as unfinished, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata")  # is not in zarr 3 yet
        warnings.filterwarnings("ignore", "The data type .* does not have a Zarr V3 specification")
        warnings.filterwarnings("ignore", "This filename .* does not conform to MNE naming conventions")
        if path.suffix == ".zarr":
            tree = found[0].to_datatree()
            if len(found) > 1:
                groups = {name: decoded.to_datatree() for name, decoded in zip(names, found, strict=True)}
                tree = xr.DataTree.from_dict(groups)
            tree.to_zarr(unfinished)
        elif path.suffix == ".nc":
            found[0].to_dataset().to_netcdf(unfinished)
        elif path.suffix == ".csv":
            found[0].states.to_dataframe().reset_index().to_csv(unfinished, index=False, float_format="%.7g")
        else:
            found[0].to_mne().save(unfinished, fmt="single", verbose="ERROR")


def _table(names: Sequence[str], found: Sequence["Decoded"]) -> "pd.DataFrame":
    """A line a window of a channel of a recording: the check, and medians of the posterior."""
    import pandas as pd

    tables = []
    for name, decoded in zip(names, found, strict=True):
        check = decoded.to_datatree().children["check"].to_dataset()[["statistic", "p", "familiar", "explained"]]
        columns = check.rename({name: f"check_{name}" for name in check.data_vars}).merge(
            decoded.posterior.median("draw")
        )
        columns["used"] = (("channel", "window"), decoded.used)
        tables.append(columns.to_dataframe().reset_index().assign(recording=name).set_index("recording"))
    return pd.concat(tables).reset_index()
