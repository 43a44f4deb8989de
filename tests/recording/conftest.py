"""Recordings as amplifiers give them, made here."""

import datetime

import numpy as np
import pytest

SFREQ = 250.0
V = np.random.default_rng(0).normal(size=(4, 3000)) * 30  # uV


@pytest.fixture(scope="session")
def mne():
    return pytest.importorskip("mne")


@pytest.fixture
def raw(mne):
    """Three electrodes and an eye, in V, from 2 s after the recording began, 0.5 to 45 Hz."""
    info = mne.create_info(["O1", "Oz", "O2", "EOG-left"], SFREQ, "eeg")
    with info._unlock():
        info["highpass"], info["lowpass"], info["line_freq"] = 0.5, 45.0, 50
    made = mne.io.RawArray(1e-6 * V, info, first_samp=500, verbose="ERROR")
    made.set_meas_date(datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC))
    return made
