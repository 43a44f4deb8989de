from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jrae_jax.column import CHANNELS, STATES
from jrae_jax.recording import EEG, FULL, POTENTIALS, PYRAMIDAL, ObservationMask
from jrae_jax.recording.mask import as_mask, as_masks


@pytest.mark.parametrize(
    ("mask", "names", "observed_states", "hidden_states"),
    [
        (FULL, STATES, STATES, ()),
        (POTENTIALS, ("y0", "y1", "y2"), ("y0", "y1", "y2"), ("y3", "y4", "y5")),
        (PYRAMIDAL, ("y0",), ("y0",), ("y1", "y2", "y3", "y4", "y5")),
        (EEG, ("eeg",), (), STATES),
        (ObservationMask.from_names("eeg", "y4"), ("y4", "eeg"), ("y4",), ("y0", "y1", "y2", "y3", "y5")),
    ],
    ids=["full", "potentials", "pyramidal", "eeg", "y4 and eeg"],
)
def test_names_of_what_is_observed_and_hidden(mask, names, observed_states, hidden_states):
    assert mask.names == names
    assert mask.observed_states == observed_states
    assert mask.hidden_states == hidden_states
    assert mask.channels.tolist() == [name in names for name in CHANNELS]
    assert repr(mask) == f"ObservationMask.from_names({', '.join(map(repr, names))})"


@settings(deadline=None)
@given(st.sets(st.sampled_from(CHANNELS), min_size=1))
def test_all_ways_to_write_a_mask_agree(observed):
    expected = tuple(name for name in CHANNELS if name in observed)
    values = [name in observed for name in CHANNELS]
    written = [ObservationMask.from_names(*observed), list(observed), tuple(observed), values, np.array(values)]
    written.append(jnp.array(values))
    if "eeg" not in observed:
        written += [values[:6], np.array(values[:6])]
    assert {as_mask(each).names for each in written} == {expected}
    np.testing.assert_array_equal(as_masks(written), [values] * len(written))


def test_a_single_name_may_stand_alone():
    assert as_mask("eeg").names == ("eeg",)


def test_masks_are_array_leaves_which_are_not_checked_under_tracing():
    masks = jax.tree.map(lambda *leaves: jnp.stack(leaves), PYRAMIDAL, EEG)
    channels = jax.vmap(lambda mask: as_mask(mask).channels)(masks)
    np.testing.assert_array_equal(channels, [PYRAMIDAL.channels, EEG.channels])
    none = jax.jit(lambda mask: as_mask(mask).channels)(ObservationMask(np.zeros(7, dtype=bool)))
    assert not np.any(none)


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        ("y6", "`observed` must be one of 'y0', 'y1', 'y2', 'y3', 'y4', 'y5', 'eeg', got 'y6'"),
        (("y0", "EEG"), "`observed` must be one of .*, got 'EEG'"),
        ((), "`observed` must name at least one of y0, .*eeg, got none"),
        ([False] * 6, "`observed` must observe at least one of y0, .*, got an empty mask"),
        (ObservationMask(np.zeros(7, dtype=bool)), "`observed` must observe at least one"),
        ([True] * 3, r"6 truth values \(7 with the EEG\), got shape \(3,\) of bool"),
        ([True] * 8, r"got shape \(8,\) of bool"),
        (np.ones((2, 6), dtype=bool), r"got shape \(2, 6\) of bool"),
        (None, r"`observed` must be names, .* got shape \(\) of object"),
        ([1, 0, 0, 0, 0, 0], r"`observed` must be names, .* got shape \(6,\) of int64"),
    ],
)
def test_what_is_no_mask_is_refused(observed, message):
    with pytest.raises(ValueError, match=message):
        as_mask(observed)
    with pytest.raises(ValueError, match=message.replace("`observed`", "`kinds`")):
        as_masks([EEG, observed])


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ObservationMask.from_names(), "`names` must name at least one of y0, .*, got none"),
        (lambda: ObservationMask.from_names("y0", "pyramidal"), "`names` must be one of .*, got 'pyramidal'"),
        (lambda: ObservationMask(np.ones(6, bool)), r"`channels` must have 7 truth values, got shape \(6,\)"),
        (lambda: as_masks("eeg"), r"`kinds` must be a list of kinds of recordings, got one: \['eeg'\]"),
        (lambda: as_masks(cast(Any, EEG)), r"`kinds` must be a list of .*, got one: \[ObservationMask.*\('eeg'\)\]"),
        (lambda: as_masks([]), r"`len\(kinds\)` must be a whole number of at least 1, got 0"),
    ],
)
def test_invalid_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
