"""`make mutants` plants bugs and sees them found: all can be planted, and these are found in each run of the tests."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
FOUND_IN_EVERY_RUN = (
    "append-without-sync",
    "no-folder-sync",
    "rename-without-file-sync",
    "failed-sync-tried-again",
    "unsynced-end-trusted",
    "trim-before-the-checkpoint",
    "duplicates-forgotten-at-restart",
    "commit-answered-before-the-sync",
    "member-epoch-in-memory-only",
)


def run(*arguments: str) -> str:
    """Run the script to its end, and return what it prints."""
    command = [sys.executable, "-m", "fuzz.mutants", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT).stdout


def test_every_bug_can_be_planted() -> None:
    """The source has not moved on without its bugs, and with each it is still Python."""
    assert run("--plant-only").endswith("can be planted\n")


@pytest.mark.parametrize("bug", FOUND_IN_EVERY_RUN)
def test_planted_bugs_are_found(bug: str) -> None:
    """By the instrument that is to be asked first."""
    assert f"{bug}: " in (output := run("--bug", bug, "--first-instrument", "--unchecked"))
    assert output.endswith("1 of 1 planted bugs found\n")
