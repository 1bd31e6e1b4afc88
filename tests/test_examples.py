"""Each example runs as it stands, and shows what it says."""

from __future__ import annotations

import asyncio
import gc
import runpy
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
    "judge_clients.py": " operations, 0 findings",
    "pytest_example.py": "2 passed",
    "sqlite_storage.py": "from the file: b'letter 2'",
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


@pytest.mark.asyncio
async def test_the_inspector_waits_for_answers() -> None:
    """A client that has closed its half of the connection still gets its answer, whatever is collected meanwhile."""
    answer = b"\0\0\0\4\0\0\0\7"

    async def answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gc.collect()
        writer.write(answer)
        writer.close()

    broker = await asyncio.start_server(answer_at_the_end, "127.0.0.1", 0)
    inspector = runpy.run_path(str(EXAMPLES / "wire_inspector.py"))["WireInspector"]()
    inspector.broker = f"127.0.0.1:{broker.sockets[0].getsockname()[1]}"
    server = await inspector.listen("127.0.0.1:0")
    async with broker, server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"\0\0\0\4\0\0\0\0")
        writer.write_eof()
        assert await reader.read() == answer
        writer.close()
