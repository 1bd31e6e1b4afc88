"""`dotkafka check` says what a directory holds, and with which exit status; `--salvage` makes another."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dotkafka.cli import main
from dotkafka.testing import running_broker

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-m", "dotkafka", "check"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return the directory of a server that was stopped."""
    path = tmp_path / "data"
    with running_broker(data=path) as kafka:
        kafka.create_topic("orders")
        for number in range(3):
            kafka.produce("orders", b"value %d" % number)
    return path


def damage(directory: Path) -> None:
    """Change a byte of the second record, in L1 and in L2."""
    for path in (directory / "checkpoint.sqlite", *directory.glob("wal/0/*.wal")):
        data = bytearray(path.read_bytes())
        data[data.index(b"value 1")] ^= 1
        path.write_bytes(data)


def test_a_clean_directory(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0, and what it holds."""
    assert main(["check", str(directory)]) == 0
    output = capsys.readouterr()
    assert "topic 'orders'" in output.out
    assert "offsets 0 to 3; L2 3 batches, 3 records" in output.out
    assert output.out.endswith("no problems found\n")
    assert not output.err


def test_problems(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, and each with what, where, what it means, and what to do."""
    damage(directory)
    assert main(["check", str(directory)]) == 1
    text = capsys.readouterr().out
    assert "offset 1: does not match its CRC" in text
    assert "[checkpoint-batch] these records are lost" in text
    assert "--salvage" in text
    assert main(["check", "--json", str(directory)]) == 1
    node = json.loads(capsys.readouterr().out)
    assert not node["clean"]
    assert {problem["kind"] for problem in node["problems"]} == {
        "checkpoint-batch",
        "checkpoint-offsets",
        "wal-covered",
        "refused",
    }
    assert {"kind", "where", "what", "meaning", "advice"} == set(node["problems"][0])
    (topic,) = [topic for topic in node["topics"] if topic["name"] == "orders"]
    assert topic["partitions"]["0"]["checkpoint"]["records"] == 2
    assert main(["check", str(directory), "--salvage", str(tmp_path / "out")]) == 1
    assert "lost: offsets 1 to 1" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "out")]) == 0
    with running_broker(data=tmp_path / "out") as kafka:
        assert {record.offset: record.value for record in kafka.records("orders")} == {0: b"value 0", 2: b"value 2"}


def test_a_salvage_that_loses_nothing(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0; as JSON too."""
    assert main(["check", "--json", str(directory), "--salvage", str(tmp_path / "out")]) == 0
    node = json.loads(capsys.readouterr().out)
    assert node["complete"]
    assert [(each["topic"], each["end_offset"], each["lost"]) for each in node["partitions"]] == [("orders", 3, [])]


def test_what_cannot_be_checked(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and one line that says why."""
    for path in (tmp_path / "none", tmp_path):
        assert main(["check", str(path)]) == 2
        assert capsys.readouterr().err.startswith(f"dotkafka: {path}")
    assert main(["check", str(directory), "--salvage", str(directory)]) == 2
    assert "not an empty directory" in capsys.readouterr().err
    with running_broker(data=directory):
        assert main(["check", str(directory)]) == 2
    assert "is in use by broker 1" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["check"])


def test_help_and_a_reader_who_leaves(directory: Path) -> None:
    """As any command of its kind."""
    shown = subprocess.run([*COMMAND, "--help"], check=True, capture_output=True, text=True).stdout
    assert "exit status: 0 no problems" in shown
    left = subprocess.run(
        f"{' '.join(COMMAND)} {directory} | head -1", shell=True, check=True, capture_output=True, text=True
    )
    assert left.stdout == f"data directory {directory}\n"
    assert not left.stderr


def test_the_server_names_the_command(directory: Path) -> None:
    """A server that does not start because of damage says where to go on."""
    (directory / "checkpoint.sqlite").write_bytes(b"no database" * 1000)
    command = [sys.executable, "-m", "dotkafka", "serve", "--data", str(directory), "--listen", "127.0.0.1:0"]
    served = subprocess.run(command, check=False, capture_output=True, text=True)
    assert served.returncode == 1
    assert f"`dotkafka check {directory}`" in served.stderr
