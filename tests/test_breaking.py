"""A server process is killed, loses power and runs out of space under real clients: nothing acknowledged is lost.

Each instrument has a script that `make` runs for longer. Mistakes planted in the server show that it finds something.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[1]
CANNOT = 77
"""The exit status of a script for which the system lacks something."""
KILLS = 10
CUTS = 6

Run: TypeAlias = Callable[..., tuple[int, str]]

pytestmark = pytest.mark.clients


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path) -> Run:
    """Run one of the scripts to its end; return its exit status and what it prints."""

    def run(module: str, *arguments: str) -> tuple[int, str]:
        result = subprocess.run(
            [sys.executable, "-m", f"fuzz.breaking.{module}", *arguments],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        print(result.stdout)  # noqa: T201 (pytest shows it with a failure)
        if result.returncode == CANNOT:
            pytest.skip(result.stdout.splitlines()[-1])
        return result.returncode, result.stdout

    return run


def test_kill_9(run: Run) -> None:
    """At named points and at any moment; every named point is passed in the run."""
    status, output = run("kills", "--kills", str(KILLS))
    assert status == 0
    assert f"{KILLS} kills" in output
    assert "points passed" in output
    assert output.endswith("nothing found\n")


def test_kill_9_finds_an_early_acknowledgement(run: Run) -> None:
    """Entries that are written a moment after they were acknowledged are missed."""
    status, output = run("kills", "--kills", str(KILLS), "--mistake", "early-ack")
    assert status == 1
    assert "inconsistent offset: " in output or "lost write: " in output or "unseen: " in output


def test_power_cuts(run: Run) -> None:
    """On a mounted file system that loses what was not synced, or some of it."""
    status, output = run("power_cuts", "--cuts", str(CUTS))
    assert status == 0
    assert "unsynced when the power went: " in output
    assert output.endswith("nothing found\n")


def test_power_cuts_find_a_missing_sync(run: Run) -> None:
    """A write-ahead log that is never synced does not outlive them."""
    status, output = run("power_cuts", "--cuts", str(CUTS), "--mistake", "no-sync")
    assert status == 1
    assert "found, with seed " in output


def test_full_disk(run: Run) -> None:
    """ENOSPC, too many open files, and a file system that is or becomes read-only."""
    status, output = run("full_disk")
    assert status == 0
    assert "the disk is full: writes are refused with KAFKA_STORAGE_ERROR" in output
    assert "the file system has become read-only: writes are refused" in output or "not tried here" in output
    assert output.endswith("nothing found\n")
