"""The fuzz targets run: every seed through each, and atheris for a short time. `make fuzz` takes longer."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "fuzz" / "corpus"
SECONDS = 5


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run fuzz/run.py to its end."""
    command = [sys.executable, str(ROOT / "fuzz" / "run.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)


@pytest.mark.parametrize("seed", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_seeds_are_accepted(seed: Path) -> None:
    """An input can be run again alone, which needs nothing but the library; the seeds pass."""
    result = run(seed.parent.name, "--input", str(seed))
    assert result.returncode == 0, result.stderr


def test_nothing_is_found_in_a_short_time() -> None:
    """Whatever comes in, only the library's own errors come out. An input that fails is kept in .fuzz/."""
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("atheris is not installed")
        pytest.skip("atheris is not installed: it has no wheel for this platform")
    result = run("--seconds", str(SECONDS))
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("nothing found") == 5
