"""Promises of layouts: what of a definition is there at one version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dotkafka.protocol.layout import ArrayLayout, element_min_size_bytes
from dotkafka.protocol.messages.fetch import FETCH, FetchRequest, ReplicaState

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Message


def names(items: Any) -> list[str]:
    """Return the names of some fields."""
    return [item.name for item in items]


def test_fields_are_sorted_by_presence() -> None:
    """A field is plain, tagged or absent, by version."""
    before, after = FETCH.request.layout(14), FETCH.request.layout(15)
    assert "replica_id" in names(before.fields)
    assert names(before.tagged) == ["cluster_id"]
    assert names(before.absent) == ["replica_state"]
    assert "replica_id" in names(after.absent)
    assert names(after.tagged) == ["cluster_id", "replica_state"]


def test_a_default_is_recognised() -> None:
    """Whether a field differs from its default decides whether a tag is written, or a value refused."""
    state = FETCH.request.layout(15).tagged[1]
    assert state.holds_default(FetchRequest())
    assert state.holds_default(FetchRequest(replica_state=ReplicaState()))
    assert not state.holds_default(FetchRequest(replica_state=ReplicaState(1)))


def test_an_element_is_never_smaller_than_its_least_size(any_message: Message[Any]) -> None:
    """The size that arrays are checked with is that of the default struct, or less."""
    for version in range(any_message.versions.lowest, any_message.versions.highest + 1):
        layout = any_message.layout(version)
        assert layout.min_size_bytes <= len(any_message.encode(version, any_message.struct()))
        for item in layout.fields:
            if isinstance(item.type, ArrayLayout):
                assert element_min_size_bytes(item.type, flexible=layout.flexible) >= 1
