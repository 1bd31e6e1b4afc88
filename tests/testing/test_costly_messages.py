"""Costly messages are what they say: of the size asked for, and valid."""

from __future__ import annotations

from dotkafka.protocol.messages.metadata import METADATA
from dotkafka.testing.costly_messages import array_paths, costly_messages


def test_every_array_is_long_once() -> None:
    """Arrays within arrays are reached too, and numbers come in one shape only."""
    layout = METADATA.response.layout(12)
    names = {costly.name for costly in costly_messages(METADATA.response, 12, 1000)}
    assert names == {
        "tags",
        *(
            f"{path} {shape}"
            for path in ("brokers", "topics", "topics.partitions")
            for shape in ("empty", "filled", "tagged")
        ),
        *(f"topics.partitions.{name} filled" for name in ("replica_nodes", "isr_nodes", "offline_replicas")),
    }
    assert len({name.rpartition(" ")[0] for name in names} - {""}) == len(list(array_paths(layout)))


def test_messages_have_the_size_and_can_be_decoded() -> None:
    """As long as they may be, and accepted where they are short enough to cost nothing."""
    for costly in costly_messages(METADATA.response, 12, 1000):
        assert 800 < len(costly.data) < 1300, costly.name
        decoded = METADATA.decode_response(12, costly.data)
        assert METADATA.encode_response(12, decoded) == costly.data
