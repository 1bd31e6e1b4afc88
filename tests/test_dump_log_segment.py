"""Promises of `examples/dump_log_segment.py`: it prints what Kafka's own tool prints, and gets past any damage."""

from __future__ import annotations

import importlib.util
import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.records.batch import encode_batch
from dotkafka.records.compression import Compression
from dotkafka.records.legacy import encode_message_set
from dotkafka.records.record import Record

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLE = Path(__file__).parents[1] / "examples" / "dump_log_segment.py"
SEGMENTS = sorted((Path(__file__).parent / "data").glob("kafka_*/*/*.log"))
RENAMED = {"isvalid": "isValid", "compresscodec": "codec"}
"""Kafka's names and, where they differ, ours."""
RECORDS = [Record(0, 1_700_000_000_000 + number, b"key", b"value %d" % number) for number in range(3)]
MIB = 1024 * 1024


def run(*arguments: str | Path, memory_bytes: int | None = None) -> tuple[list[str], int]:
    """Return the lines that the program prints, and its exit status; nothing may go to standard error."""

    def limit() -> None:
        if memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))

    command = [sys.executable, str(EXAMPLE), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit)
    assert result.stderr == ""
    return result.stdout.splitlines(), result.returncode


def fields(line: str) -> dict[str, str]:
    """Return what a line says of a batch."""
    return dict(part.split("=", 1) for part in line.split())


def kafkas_batches(text: str) -> list[dict[str, str]]:
    """Return what Kafka's tool said of each batch, under our names."""
    batches = []
    for line in re.findall(r"^baseOffset: .*", text, re.MULTILINE):
        found = {RENAMED.get(name, name): value for name, value in re.findall(r"(\w+): (\S+)", line)}
        found["deleteHorizonMs"] = {"OptionalLong.empty": "none"}[found["deleteHorizonMs"]]
        batches.append(found)
    return batches


def kafkas_records(text: str) -> list[tuple[int, str]]:
    """Return the offset of each record and what Kafka's tool said it holds."""
    return [
        (int(offset), held.strip())
        for offset, held in re.findall(r"^\| offset: (\d+) .*?headerKeys: \[.*?\](.*)", text, re.MULTILINE)
    ]


def assert_holds(node: dict[str, Any], held: str) -> None:
    """Compare our JSON of a record with what Kafka's tool printed of it."""
    if "control" in node:
        control = node["control"]
        if "endTxnMarker" in held:
            assert held == f"endTxnMarker: {control['type']} coordinatorEpoch: {control['data']['coordinatorEpoch']}"
        else:
            assert (control["type"], control["data"]) == ("LEADER_CHANGE", json.loads(held.partition(": ")[2]))
        return
    key, _, value = held.removeprefix("key: ").rpartition("payload: ")
    if isinstance(node.get("value"), dict) or isinstance(node.get("key"), dict):
        assert node.get("key") == (json.loads(key) if key else None)
        assert node["value"] == (None if value == "<DELETE>" else json.loads(value))
    elif "key" in node:
        assert (node["key"], node["value"]) == (key.strip(), value)


@pytest.mark.parametrize("segment", SEGMENTS, ids=lambda path: path.parent.name)
def test_a_segment_of_apache_kafka_is_printed_as_by_its_own_tool(segment: Path) -> None:
    """Every number of every batch, and every record of the internal topics down to the last field."""
    text = segment.with_name("dump.txt").read_text(errors="replace")
    lines, status = run("--records", segment)
    assert status == 0
    assert [fields(line) for line in lines if not line.startswith("{")] == kafkas_batches(text)
    nodes = [json.loads(line) for line in lines if line.startswith("{")]
    expected = kafkas_records(text)
    assert [node["offset"] for node in nodes] == [offset for offset, _ in expected]
    for node, (_, held) in zip(nodes, expected, strict=True):
        assert "error" not in node
        assert_holds(node, held)


def test_there_are_segments_of_all_kinds() -> None:
    """So that the test above compares something."""
    assert {path.parent.name.rpartition("-")[0] for path in SEGMENTS} == {
        "orders",
        "__consumer_offsets",
        "__transaction_state",
        "__cluster_metadata",
    }


def test_the_topic_can_be_told(tmp_path: Path) -> None:
    """A copy elsewhere has lost the name of its folder."""
    copy = tmp_path / "copy.log"
    copy.write_bytes(next(path for path in SEGMENTS if "__consumer_offsets" in str(path)).read_bytes())
    as_bytes, _ = run("--records", copy)
    decoded, _ = run("--records", "--topic", "__consumer_offsets", copy)
    assert not any('"group": "kitchen"' in line for line in as_bytes)
    assert any('"group": "kitchen"' in line for line in decoded)


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZIP])
@pytest.mark.parametrize("magic", [0, 1])
def test_old_message_sets(tmp_path: Path, magic: int, compression: Compression) -> None:
    """A line for each message; a wrapper shows the records inside it, and batches may follow."""
    records = [record._replace(offset=number, timestamp_ms=5 if magic else -1) for number, record in enumerate(RECORDS)]
    old = encode_message_set(records, magic=magic, compression=compression)
    segment = tmp_path / "old.log"
    segment.write_bytes(old + encode_batch(RECORDS, base_offset=3))
    lines, status = run("--records", segment)
    assert status == 0
    heads = [fields(line) for line in lines if not line.startswith("{")]
    assert [head["magic"] for head in heads] == [str(magic)] * (1 if compression else 3) + ["2"]
    assert all(head["isValid"] == "true" for head in heads)
    assert heads[0]["codec"] == compression.name.lower()
    assert [json.loads(line)["offset"] for line in lines if line.startswith("{")] == [0, 1, 2, 3, 4, 5]


BATCHES = [bytes(encode_batch(RECORDS, base_offset=offset)) for offset in (0, 3, 6)]
SIZE = len(BATCHES[0])


def dump(tmp_path: Path, *parts: bytes) -> list[str]:
    """Return the lines of a segment in which something is wrong, and check that the exit status says so."""
    segment = tmp_path / "damaged.log"
    segment.write_bytes(b"".join(parts))
    lines, status = run(segment)
    assert status == 1
    return lines


def valid_offsets(lines: list[str]) -> list[str]:
    """Return the base offsets of the batches that can be read."""
    return [fields(line)["baseOffset"] for line in lines if line.endswith("isValid=true")]


@pytest.mark.parametrize("left", [1, 12, 16, 17, 60, 61, SIZE - 1])
def test_a_torn_tail(tmp_path: Path, left: int) -> None:
    """Where it starts and how long it is; what is before it is shown."""
    lines = dump(tmp_path, *BATCHES[:2], BATCHES[2][:left])
    assert valid_offsets(lines) == ["0", "3"]
    assert lines[2].startswith(f"position={2 * SIZE} unreadable={left} bytes: ")
    assert len(lines) == 3


def test_a_wrong_crc(tmp_path: Path) -> None:
    """The batch is marked, its records are not trusted, and it goes on behind it."""
    damaged = BATCHES[1][:-1] + b"\xff"
    lines = dump(tmp_path, BATCHES[0], damaged, BATCHES[2])
    assert valid_offsets(lines) == ["0", "6"]
    assert fields(lines[1])["isValid"] == "false"


@pytest.mark.parametrize("length", [-1, 0, 48, SIZE - 13, 2 * SIZE, 2**31 - 1], ids="length={}".format)
def test_a_wrong_length(tmp_path: Path, length: int) -> None:
    """Where the next batch starts cannot be known then, so it is looked for."""
    damaged = BATCHES[1][:8] + length.to_bytes(4, "big", signed=True) + BATCHES[1][12:]
    lines = dump(tmp_path, BATCHES[0], damaged, BATCHES[2])
    assert valid_offsets(lines) == ["0", "6"]
    assert f"position={SIZE}" in lines[1]


def test_rubbish_in_between_that_looks_like_batches(tmp_path: Path) -> None:
    """A batch is looked for by its CRC, across the bounds of what is read at once."""
    rubbish = (b"\x02" * 50 + BATCHES[1][:40]) * 20_000
    lines = dump(tmp_path, BATCHES[0], rubbish, BATCHES[2])
    assert valid_offsets(lines)[0] == "0"
    assert valid_offsets(lines)[-1] == "6"


def test_zeros_at_the_end_are_passed_quickly(tmp_path: Path) -> None:
    """Kafka can preallocate segments; what it has not filled when the power goes is zero."""
    lines = dump(tmp_path, BATCHES[0], bytes(64 * MIB))
    assert valid_offsets(lines) == ["0"]
    assert len(lines) == 2


def test_memory_is_bounded_by_a_batch(tmp_path: Path) -> None:
    """A segment of 300 MiB is read by a process that may have 200, and a length that claims 2 GiB is not believed."""
    record = Record(0, 1, None, bytes(1_000_000))
    batch = bytes(encode_batch([record]))
    segment = tmp_path / "large.log"
    with segment.open("wb") as file:
        for _ in range(300):
            file.write(batch)
        file.write(batch[:8] + (2**31 - 1).to_bytes(4, "big") + batch[12:] + batch)
    lines, status = run(segment, memory_bytes=200 * MIB)
    assert status == 1
    assert sum(line.endswith("isValid=true") for line in lines) == 301


def test_the_example_can_be_imported() -> None:
    """Who writes a tool can take its parts: it does nothing until it is run."""
    spec = importlib.util.spec_from_file_location("dump_log_segment", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with SEGMENTS[0].open("rb") as file:
        assert all(entry.is_valid for entry in module.read_segment(file))
