"""Promises of `dotkafka.testing.random_messages`: what they draw can be written, at every version."""

from __future__ import annotations

import pytest

from dotkafka.protocol.messages.fetch import FETCH
from dotkafka.protocol.messages.metadata import METADATA
from dotkafka.protocol.schema import unknown_tagged_fields
from dotkafka.testing.random_messages import RandomValues


@pytest.mark.parametrize("version", range(19))
@pytest.mark.parametrize("message", [FETCH.request, FETCH.response], ids=["request", "response"])
def test_a_random_message_can_be_written_and_read(message, version) -> None:
    """At any version, and it is the same again."""
    for number in range(20):
        value = RandomValues(f"{version} {number}").message(message, version)
        assert message.decode(version, message.encode(version, value)) == value


def test_the_same_seed_draws_the_same() -> None:
    """And another seed something else."""
    drawn = [[RandomValues(seed).message(FETCH.response, 18) for _ in range(2)] for seed in ("a", "a", "b")]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_unknown_tagged_fields_are_drawn_unless_not_wanted() -> None:
    """Some structs have them, at flexible versions only."""

    def count(version: int, *, unknown_tags: bool) -> int:
        values = [RandomValues(str(seed), unknown_tags=unknown_tags) for seed in range(100)]
        return sum(len(unknown_tagged_fields(drawn.message(METADATA.request, version))) > 0 for drawn in values)

    assert count(12, unknown_tags=True) > 0
    assert count(12, unknown_tags=False) == 0
    assert count(8, unknown_tags=True) == 0


def test_a_subclass_can_draw_some_fields_otherwise() -> None:
    """Such as names that the broker knows."""

    class Known(RandomValues):
        def text(self) -> str:
            return "orders"

    requests = [Known(str(seed)).message(METADATA.request, 9) for seed in range(20)]
    assert {topic.name for request in requests for topic in request.topics or ()} == {"orders"}
