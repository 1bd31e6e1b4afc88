"""`make crash` checks as many states as asked for, and one again by its number."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "fuzz" / "crash_states.py"


def run(*arguments: str) -> str:
    """Run the script to its end, and return what it prints."""
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_it_runs_many() -> None:
    """It stops when it has enough, and says how quick it was."""
    assert "states, " in (output := run("--states", "100", "--processes", "1"))
    assert output.endswith("nothing found\n")


def test_it_runs_one_again() -> None:
    """By seed and number."""
    assert run("--state", "3:7") == "nothing found\n"


def test_it_runs_with_sqlite() -> None:
    """One state again, with the checkpoint on the same files."""
    assert run("--sqlite", "--state", "3:7") == "nothing found\n"
