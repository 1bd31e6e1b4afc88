"""Each example runs as it stands, and shows what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

SHOWN = {
    "demo.py": "all as it should be: nothing acknowledged was lost, nothing came twice",
    "dump_log_segment.py": '"control": {"type": "COMMIT", "version": 0, "data": {"coordinatorEpoch": 0}}',
    "embed_asyncio.py": "read: offset 4, hello 4",
    "embed_sync.py": "committed by the kitchen: 3 records",
    "fuzz_broker.py": "2000 requests, 0 findings",
    "pytest_example.py": "2 passed",
    "tls.py": "sent over TLS: offset 0",
    "wire_inspector.py": '"response": {"responses": [{"name": "greetings", "partitionResponses": [{"index": 0',
}


def test_every_example_is_tested() -> None:
    """A new example needs a line here."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SHOWN)


@pytest.mark.clients
@pytest.mark.parametrize("name", SHOWN)
def test_the_example_runs(name: str) -> None:
    """Exit status 0, and the last thing it has to show is there."""
    command = ["-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider"] if name == "pytest_example.py" else []
    result = subprocess.run(
        [sys.executable, *command, str(EXAMPLES / name)], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert SHOWN[name] in result.stdout
