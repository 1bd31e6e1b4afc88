"""Record batches and message sets against Apache Kafka's own classes, through the program in tests/java_oracle.

Kafka 4 reads and writes magic 0 and 1 still, but no longer converts down; what it converted was what its reader reads,
handed to its writer for the other magic, and that can still be asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.records.batch import HEADER_SIZE, decode_records, read_header
from dotkafka.records.compression import DEFAULT_MAX_DECOMPRESSED_BYTES, Compression, decompress
from dotkafka.records.control import ControlRecord, ControlRecordType, encode_end_txn_marker, parse_control_record
from dotkafka.records.legacy import decode_message_set, decompress_wrapper, key_and_value, read_message_header
from dotkafka.records.legacy_conversion import down_convert, up_convert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.records.record import Record

LEGACY_CODECS = [codec for codec in Compression if codec is not Compression.ZSTD]
FORMATS = [*((2, codec) for codec in Compression), *((magic, codec) for magic in (0, 1) for codec in LEGACY_CODECS)]
FRAMING_BYTES = {Compression.SNAPPY: 16, Compression.LZ4: 7}
"""How many bytes of what is compressed depend on the settings only, not on the data, nor on the platform as in gzip."""

NO_PRODUCER = {"producerId": -1, "producerEpoch": -1, "baseSequence": -1, "isTransactional": False}

any_format = pytest.mark.parametrize(("magic", "compression"), FORMATS)


class Java:
    """The Java program, asked about records."""

    def __init__(self, ask_java: Callable[..., dict[str, Any]]) -> None:
        self.ask_java = ask_java

    def read(self, data: bytes | bytearray) -> list[dict[str, Any]]:
        """Return the batches that Kafka reads."""
        answer = self.ask_java(read=data.hex())
        assert "error" not in answer, answer
        batches: list[dict[str, Any]] = answer["batches"]
        return batches

    def write(self, batch: dict[str, Any]) -> bytes:
        """Return a batch as Kafka writes it."""
        answer = self.ask_java(write=batch)
        assert "error" not in answer, answer
        return bytes.fromhex(answer["hex"])


@pytest.fixture(scope="module")
def java(ask_java: Callable[..., dict[str, Any]]) -> Java:
    """Kafka's own classes."""
    return Java(ask_java)


def in_json(batch: Any) -> dict[str, Any]:
    """Return a batch as the Java program takes it, and says what it has read."""
    timestamps = [record.timestamp_ms for record in batch.records]
    return {
        "magic": batch.magic,
        "compression": batch.compression.name.lower(),
        "baseOffset": batch.records[0].offset,
        "lastOffset": batch.records[-1].offset,
        "maxTimestamp": max(timestamps) if batch.log_append_time_ms is None else batch.log_append_time_ms,
        "isLogAppendTime": batch.log_append_time_ms is not None,
        "leaderEpoch": batch.partition_leader_epoch,
        "producerId": batch.producer_id,
        "producerEpoch": batch.producer_epoch,
        "baseSequence": batch.base_sequence,
        "isTransactional": batch.is_transactional,
        "isControl": False,
        "deleteHorizon": -1,
        "records": [record_in_json(record) for record in batch.records],
    }


def record_in_json(record: Record) -> dict[str, Any]:
    """Return a record as the Java program takes it, and says what it has read."""
    return {
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "key": in_hex(record.key),
        "value": in_hex(record.value),
        "headers": [[name, in_hex(value)] for name, value in record.headers],
    }


def in_hex(data: bytes | None) -> str | None:
    """Return bytes as the Java program takes them."""
    return None if data is None else data.hex()


def as_kafka_sees_it(batch: Any) -> list[dict[str, Any]]:
    """Return what Kafka reads of it: to Kafka, each message that is not in a wrapper is a batch."""
    batch = batch._replace(records=batch.records_to_read)
    if batch.magic < 2 and not batch.compression:
        return [in_json(batch._replace(records=[record])) for record in batch.records]
    return [in_json(batch)]


def without_compressor(magic: int, data: bytes) -> tuple[Any, bytes, bytes]:
    """Return what does not depend on how well a compressor works: header, framing and content of a batch or wrapper."""
    header: Any
    if magic == 2:
        header, compressed = read_header(data)._replace(batch_length=0, crc=0), data[HEADER_SIZE:]
        content = decompress(header.compression, compressed)
    else:
        header = read_message_header(data)
        _, value = key_and_value(data, 0, header)
        compressed, content = value or b"", decompress_wrapper(header, value, DEFAULT_MAX_DECOMPRESSED_BYTES)
        header = header._replace(message_size=0, crc=0)
    return header, compressed[: FRAMING_BYTES.get(header.compression, 0)], content


@any_format
def test_kafka_reads_what_we_write(
    magic: int, compression: Compression, java: Java, random_batches: Callable[..., Iterator[Any]]
) -> None:
    """Kafka finds our checksums right, and in each field and record what we put there."""
    for batch in random_batches(magic, compression):
        assert java.read(batch.encode()) == as_kafka_sees_it(batch)


@any_format
def test_we_read_what_kafka_writes(
    magic: int, compression: Compression, java: Java, random_batches: Callable[..., Iterator[Any]]
) -> None:
    """Kafka's batches have all their records; but for what compressors do, they are the bytes that we write.

    Inside a wrapper with LogAppendTime Kafka repeats that time; we leave there what the client gave, as brokers do.
    """
    for batch in random_batches(magic, compression):
        theirs, ours = java.write(in_json(batch)), batch.encode()
        assert (decode_records if magic == 2 else decode_message_set)(theirs) == batch.records_to_read
        if not compression:
            assert theirs == ours
        elif magic == 2 or batch.log_append_time_ms is None:
            assert without_compressor(magic, theirs) == without_compressor(magic, ours)


@pytest.mark.parametrize("control_type", ControlRecordType)
@pytest.mark.parametrize("coordinator_epoch", [0, 7, 2**31 - 1])
def test_end_of_a_transaction(control_type: ControlRecordType, coordinator_epoch: int, java: Java) -> None:
    """Kafka writes the same control batches, and reads in ours what they say."""
    marker = ControlRecord(control_type, coordinator_epoch)
    ours = encode_end_txn_marker(
        marker, producer_id=2**40, producer_epoch=3, timestamp_ms=1_700_000_000_000, base_offset=9
    )
    (batch,) = java.read(ours)
    (record,) = batch["records"]
    assert (batch["isControl"], batch["isTransactional"], batch["producerId"]) == (True, True, 2**40)
    assert (record["marker"], record["coordinatorEpoch"]) == (control_type.name, coordinator_epoch)
    assert java.write(batch) == ours
    (read_record,) = decode_records(java.write(batch))
    assert parse_control_record(read_record) == marker


def test_delete_horizon(java: Java, random_batches: Callable[..., Iterator[Any]]) -> None:
    """What compaction has written into a batch, the time from which its tombstones may go, leaves its records whole."""
    for batch in random_batches(2, Compression.NONE):
        theirs = java.write(in_json(batch) | {"deleteHorizon": 1_600_000_000_000})
        assert read_header(theirs).delete_horizon_ms == 1_600_000_000_000
        assert decode_records(theirs) == batch.records_to_read
        assert java.read(theirs) == [
            kafka_batch | {"deleteHorizon": 1_600_000_000_000} for kafka_batch in as_kafka_sees_it(batch)
        ]


def written_as(java: Java, magic: int, data: bytes | bytearray) -> bytes:
    """Return what Kafka reads, written by Kafka in another magic; messages without a wrapper as one batch."""
    batches = java.read(data)
    records = [record for batch in batches for record in batch["records"]]
    if magic < 2:
        records = [record | {"headers": []} for record in records]
    return java.write(batches[0] | NO_PRODUCER | {"magic": magic, "records": records})


@pytest.mark.parametrize("compression", LEGACY_CODECS)
@pytest.mark.parametrize("magic", [0, 1])
def test_conversion_up(
    magic: int, compression: Compression, java: Java, random_batches: Callable[..., Iterator[Any]]
) -> None:
    """Message sets become the batches that Kafka would write of them."""
    for batch in random_batches(magic, compression):
        message_set = batch.encode()
        ours, theirs = up_convert(message_set), written_as(java, 2, message_set)
        assert java.read(ours) == java.read(theirs)
        assert compression or ours == theirs


@pytest.mark.parametrize("compression", LEGACY_CODECS)
@pytest.mark.parametrize(("magic", "down_to"), [(2, 1), (2, 0), (1, 0)])
def test_conversion_down(
    magic: int, down_to: int, compression: Compression, java: Java, random_batches: Callable[..., Iterator[Any]]
) -> None:
    """Batches become the message sets that Kafka would write of them."""
    for batch in random_batches(magic, compression):
        data = batch.encode()
        ours, theirs = down_convert(data, down_to), written_as(java, down_to, data)
        assert java.read(ours) == java.read(theirs)
        assert compression or ours == theirs
