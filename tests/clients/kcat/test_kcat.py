"""kcat, the command-line client: -P, -C, -L and -G, as people type them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.conftest import Address, Client, Event

LINES = [f"key-{n}:value-{n}" for n in range(50)]


@pytest.fixture
def kcat(client: Callable[[str], Client], address: Address) -> Callable[..., list[Event]]:
    """Run kcat to its end, which must be a success; what it printed."""
    kcat = client("kcat")
    target = ["-b", address.bootstrap]
    if address.ca is not None:
        target += ["-X", "security.protocol=ssl", "-X", f"ssl.ca.location={address.ca}"]
    return lambda *arguments: kcat.execute(*target, *arguments).finish()


@pytest.fixture
def filled_topic(
    kcat: Callable[..., list[Event]], address: Address, create_topic: Callable[..., str], tmp_path: Path
) -> str:
    """A topic with two partitions; kcat has put `LINES` into the second one."""
    topic, file = create_topic(address, 2), tmp_path / "lines"
    file.write_text("\n".join(LINES) + "\n")
    kcat("-P", "-t", topic, "-p", "1", "-K", ":", "-H", "source=kcat", "-z", "snappy", "-l", file)
    return topic


def test_consume(kcat: Callable[..., list[Event]], filled_topic: str) -> None:
    """-C reads what -P wrote: every line, once, in order, with key, offset and header."""
    [*events] = kcat("-C", "-t", filled_topic, "-p", "1", "-o", "beginning", "-e", "-f", "%o|%h|%k:%s\n")
    assert [event["line"] for event in events] == [f"{n}|source=kcat|{line}" for n, line in enumerate(LINES)]


def test_consume_from_an_offset(kcat: Callable[..., list[Event]], filled_topic: str) -> None:
    """-o N starts at an offset, -o -N that far before the end."""
    for position in ("40", "-10"):
        events = kcat("-C", "-t", filled_topic, "-p", "1", "-o", position, "-e", "-f", "%k:%s\n")
        assert [event["line"] for event in events] == LINES[40:]


def test_list(kcat: Callable[..., list[Event]], filled_topic: str, address: Address) -> None:
    """-L -J names the broker and the partitions with their leader."""
    [metadata] = kcat("-L", "-J", "-t", filled_topic)
    [broker] = metadata["brokers"]
    assert broker["name"] == address.bootstrap
    [topic] = metadata["topics"]
    assert topic["topic"] == filled_topic
    assert sorted((entry["partition"], entry["leader"]) for entry in topic["partitions"]) == [
        (0, broker["id"]),
        (1, broker["id"]),
    ]


def test_offsets_for_a_time(kcat: Callable[..., list[Event]], filled_topic: str) -> None:
    """-Q finds the first offset at or after a time, and the end for a time to come."""
    assert [event["line"] for event in kcat("-Q", "-t", f"{filled_topic}:1:1")] == [f"{filled_topic} [1] offset 0"]
    assert [event["line"] for event in kcat("-Q", "-t", f"{filled_topic}:1:9999999999999")] == [
        f"{filled_topic} [1] offset -1"
    ]


def test_group(kcat: Callable[..., list[Event]], filled_topic: str, unique: Callable[[str], str]) -> None:
    """-G reads in a group to the end of every partition, and the next run of the group finds nothing more."""
    arguments = ("-G", unique("group"), "-X", "auto.offset.reset=earliest", "-e", "-f", "%k:%s\n", filled_topic)
    assert [event["line"] for event in kcat(*arguments)] == LINES
    assert kcat(*arguments) == []
