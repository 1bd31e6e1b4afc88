"""Record batches and message sets against aiokafka (in Cython) and kafka-python (in Python).

LogAppendTime and control batches are theirs to read but not to write, for only brokers write them.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from dotkafka.records.batch import decode_records, patch_offset_and_epoch, read_header
from dotkafka.records.compression import Compression
from dotkafka.records.control import ControlRecord, ControlRecordType, encode_end_txn_marker
from dotkafka.records.legacy import decode_message_set, entries, read_message_header
from dotkafka.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH_SIZE = 2**24
PEERS = ("aiokafka", "kafka")
CANNOT = {
    ("kafka", 0, Compression.SNAPPY): "needs python-snappy",
    ("kafka", 1, Compression.SNAPPY): "needs python-snappy",
    ("kafka", 2, Compression.SNAPPY): "needs python-snappy",
    ("kafka", 0, Compression.LZ4): "needs xxhash",
    ("aiokafka", 0, Compression.LZ4): "refuses LZ4 for the brokers that have no newer magic",
}
FORMATS = [
    (peer, magic, codec)
    for peer in PEERS
    for magic in (0, 1, 2)
    for codec in Compression
    if (peer, magic, codec) not in CANNOT and (magic == 2 or codec is not Compression.ZSTD)
]

any_format = pytest.mark.parametrize(("peer", "magic", "compression"), FORMATS)


class Peer(NamedTuple):
    """One of the clients."""

    batches: Any
    message_sets: Any

    def read(self, magic: int, data: bytes) -> list[Record]:
        """Return the records that it reads, its checks of checksums passed."""
        records = []
        for start, end, _ in entries(data):
            entry = data[start:end]
            batch = (
                self.batches.DefaultRecordBatch(entry)
                if magic == 2
                else self.message_sets.LegacyRecordBatch(entry, magic)
            )
            assert batch.validate_crc()
            for record in batch:
                timestamp_ms = -1 if record.timestamp is None else record.timestamp
                records.append(Record(record.offset, timestamp_ms, record.key, record.value, tuple(record.headers)))
        return records

    def write(self, batch: Any) -> bytes:
        """Return a batch as it writes it."""
        if batch.magic == 2:
            builder = self.batches.DefaultRecordBatchBuilder(
                2,
                batch.compression,
                is_transactional=batch.is_transactional,
                producer_id=batch.producer_id,
                producer_epoch=batch.producer_epoch,
                base_sequence=batch.base_sequence,
                batch_size=BATCH_SIZE,
            )
            for offset, timestamp_ms, key, value, headers in batch.records:
                assert builder.append(offset, timestamp_ms, key, value, list(headers)) is not None
        else:
            builder = self.message_sets.LegacyRecordBatchBuilder(batch.magic, int(batch.compression), BATCH_SIZE)
            for offset, timestamp_ms, key, value, _ in batch.records:
                assert builder.append(offset, timestamp=timestamp_ms, key=key, value=value) is not None
        return bytes(builder.build())


def aiokafka_mistakes_the_first_timestamp(batch: Any) -> bool:
    """Tell whether it would give records without a timestamp that of a later one: -1 is "none seen yet" to it."""
    timestamps = [record.timestamp_ms for record in batch.records]
    return bool(timestamps[0] == -1 != max(timestamps))


@pytest.fixture(scope="session")
def peers() -> dict[str, Peer]:
    """The clients by the name of their package; kafka-python reads its own resources in a deprecated way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return {
            name: Peer(import_module(f"{name}.record.default_records"), import_module(f"{name}.record.legacy_records"))
            for name in PEERS
        }


@any_format
def test_they_read_what_we_write(
    peer: str,
    magic: int,
    compression: Compression,
    peers: dict[str, Peer],
    random_batches: Callable[..., Iterator[Any]],
) -> None:
    """They find our checksums right, and all records, with the broker's timestamps if there are any."""
    for batch in random_batches(magic, compression):
        assert peers[peer].read(magic, batch.encode()) == batch.records_to_read


@any_format
def test_we_read_what_they_write(
    peer: str,
    magic: int,
    compression: Compression,
    peers: dict[str, Peer],
    random_batches: Callable[..., Iterator[Any]],
) -> None:
    """Their batches have all their records; uncompressed ones are the bytes that we write."""
    for batch in random_batches(magic, compression, from_client=True):
        if peer == "aiokafka" and magic == 2 and aiokafka_mistakes_the_first_timestamp(batch):
            continue
        theirs = peers[peer].write(batch)
        assert (decode_records if magic == 2 else decode_message_set)(theirs) == batch.records
        header: Any = read_header(theirs) if magic == 2 else read_message_header(theirs)
        # They leave uncompressed what compression would make longer.
        if not header.compression:
            ours = bytearray(batch._replace(compression=Compression.NONE).encode())
            if magic == 2:
                patch_offset_and_epoch(ours, 0, 0, header.partition_leader_epoch)
            assert theirs == ours


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("control_type", ControlRecordType)
def test_they_read_the_end_of_a_transaction(peer: str, control_type: ControlRecordType, peers: dict[str, Peer]) -> None:
    """They know it for a control batch, whose record says how the transaction ended."""
    marker = ControlRecord(control_type, coordinator_epoch=7)
    data = encode_end_txn_marker(marker, producer_id=42, producer_epoch=3, timestamp_ms=1_700_000_000_000)
    batch = peers[peer].batches.DefaultRecordBatch(bytes(data))
    assert (batch.is_control_batch, batch.is_transactional, batch.producer_id) == (True, True, 42)
    (record,) = batch
    assert record.key == b"\x00\x00" + control_type.to_bytes(2, "big")
