"""`make sim` simulates as much as asked for, and one seed again."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "fuzz" / "simulation.py"


def run(*arguments: str) -> str:
    """Run the script to its end, and return what it prints."""
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_it_runs_many() -> None:
    """It stops when it has enough, says what happened, and how quick it was."""
    output = run("--steps", "1000", "--processes", "1")
    assert "records acknowledged\n" in output
    assert "1 seeds, " in output
    assert " steps a second\nnothing found\n" in output


def test_it_runs_one_again() -> None:
    """With all that happens."""
    output = run("--seed", "0")
    assert "phase AUDIT" in output
    assert output.endswith("nothing found\n")
