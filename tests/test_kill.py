"""SIGKILL at random instants: the folder holds what the process had, and can be mended."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytest.importorskip("onnxruntime")
N_KILLS = 15


def test_killed_recordings_lose_a_chunk_at_most_and_no_message() -> None:
    """Real engine, real recogniser, seeded instants; `make kills` does 200 of them."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "kills.py"), str(N_KILLS), "--seed=7", "--json"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert [] == found["wrong"], done.stderr
    assert 0 == found["events_lost"], done.stderr
    assert 800 >= found["most_frames_lost"]
    assert N_KILLS == found["kills"]
    # They were killed at work: otherwise nothing was shown.
    assert found["states"]["interrupted"] > N_KILLS / 3
    assert found["events_received"] > N_KILLS
    assert found["connections"] > N_KILLS / 2
