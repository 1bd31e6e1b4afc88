"""The payload of an L1 entry: what is written is read, and what is not ours is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.broker import wal_entry
from dotkafka.errors import StorageFailed
from dotkafka.storage.spi import TopicIdPartition

partitions = st.builds(TopicIdPartition, st.binary(min_size=16, max_size=16), st.integers(0, 2**31 - 1))
written_items = st.one_of(
    st.tuples(st.just(wal_entry.BATCHES), partitions, st.integers(0, 2**63 - 1), st.binary(max_size=50)),
    st.tuples(st.just(wal_entry.LOG_START_OFFSET), partitions, st.integers(0, 2**63 - 1), st.just(b"")),
)


def entry(items):
    """The payload that items make."""
    return b"".join(
        wal_entry.item_header(kind, partition, offset, len(data)) + data for kind, partition, offset, data in items
    )


@given(st.lists(written_items, max_size=5))
def test_round_trip(written):
    """Items come back in order, their data as views of the payload."""
    payload = memoryview(entry(written))
    read = list(wal_entry.items(payload))
    assert read == written
    assert all(item.data.obj is payload.obj for item in read)


@given(st.lists(written_items, min_size=1, max_size=3), st.data())
def test_a_cut_entry_is_refused(written, data):
    """An entry that ends anywhere but between items is not ours."""
    payload = entry(written)
    boundaries = {len(entry(written[:count])) for count in range(len(written) + 1)}
    cut = data.draw(st.integers(0, len(payload)).filter(lambda length: length not in boundaries))
    with pytest.raises(StorageFailed, match="entry"):
        list(wal_entry.items(memoryview(payload)[:cut]))


@pytest.mark.parametrize("kind", [0, 3, -1])
def test_an_unknown_kind_is_refused(kind):
    """What a later version wrote is not passed over, for data would be lost."""
    payload = wal_entry.item_header(kind, TopicIdPartition(bytes(16), 0), 0, 0)
    with pytest.raises(StorageFailed, match=f"kind {kind}"):
        list(wal_entry.items(memoryview(payload)))


@given(st.binary(max_size=200))
def test_any_bytes(payload):
    """Whatever a log holds, it is read or refused by name."""
    try:
        items = list(wal_entry.items(memoryview(payload)))
    except StorageFailed:
        return
    assert entry(items) == payload


def test_negative_length_is_refused():
    """A length that would go back is no length."""
    payload = wal_entry.item_header(wal_entry.BATCHES, TopicIdPartition(bytes(16), 0), 0, -5)
    with pytest.raises(StorageFailed):
        list(wal_entry.items(memoryview(payload)))
