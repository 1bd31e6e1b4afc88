"""The codecs that are measured, each behind the same few functions: this project's and its peers'.

A codec is imported when it is first asked for, in an interpreter of its own: see worker.py.
"""

from __future__ import annotations

import importlib
import io
import re
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Decode = Callable[[bytes], Any]
    Encode = Callable[[Any], Any]
    RecordFields = tuple[int, bytes | None, bytes, list[tuple[str, bytes]]]


class Codec(Protocol):
    """What is measured of a codec. None stands for what it does not have."""

    def message(self, name: str, version: int) -> tuple[Decode, Encode] | None:
        """Return the functions that decode and encode one version of a message."""

    def encode_batch(self, records: Sequence[RecordFields]) -> Callable[[], bytes | bytearray]:
        """Return a function that makes a batch of records: (timestamp in ms, key, value, headers).

        Where a codec has a class for records, these are made before the clock runs.
        """

    def decode_batch(self, data: bytes) -> tuple[int, int]:
        """Return how many records there are and the size of their values; CRC, keys and headers are looked at too."""

    def validate_batch(self, data: bytes) -> None:
        """Check the CRC and read the header, as a broker does."""


def module_name(message: str) -> str:
    """Return the name of an API in snake_case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", re.sub(r"(Request|Response)$", "", message)).lower()


class Dotkafka:
    """This project's."""

    def __init__(self) -> None:
        self.batch = importlib.import_module("dotkafka.records.batch")
        self.record = importlib.import_module("dotkafka.records.record")

    def _definition(self, name: str) -> Any:
        module = importlib.import_module(f"dotkafka.protocol.messages.{module_name(name)}")
        api = getattr(module, module_name(name).upper())
        return api.request if name.endswith("Request") else api.response

    def message(self, name: str, version: int) -> tuple[Decode, Encode]:
        """See `Codec.message`."""
        definition = self._definition(name)
        return (lambda data: definition.decode(version, data)), (lambda value: definition.encode(version, value))

    def encode_in_parts(self, name: str, version: int) -> Encode:
        """As its broker does: records are not copied."""
        definition = self._definition(name)
        return lambda value: definition.encode_parts(version, value)

    def encode_batch(self, records: Sequence[RecordFields]) -> Callable[[], bytearray]:
        """See `Codec.encode_batch`."""
        made = [self.record.Record(0, *fields) for fields in records]
        encode_batch = self.batch.encode_batch
        return lambda: encode_batch(made)

    def decode_batch(self, data: bytes) -> tuple[int, int]:
        """See `Codec.decode_batch`."""
        count = size_bytes = 0
        for _offset, _timestamp_ms, _key, value, headers in self.batch.decode_records(data):
            for _name, _value in headers:
                pass
            size_bytes += len(value or b"")
            count += 1
        return count, size_bytes

    def validate_batch(self, data: bytes) -> None:
        """See `Codec.validate_batch`."""
        if not self.batch.verify_crc(data, 0, self.batch.read_header(data)):
            raise ValueError("wrong CRC")


class PeerRecords:
    """What the records of kafka-python and aiokafka, which share their origin, have in common."""

    module = ""

    def __init__(self) -> None:
        self.memory_records = importlib.import_module(self.module).MemoryRecords

    def _batch(self, data: bytes) -> Any:
        batch = self.memory_records(data).next_batch()
        if not batch.validate_crc():
            raise ValueError("wrong CRC")
        return batch

    def decode_batch(self, data: bytes) -> tuple[int, int]:
        """See `Codec.decode_batch`."""
        count = size_bytes = 0
        for record in self._batch(data):
            _ = record.key, record.offset, record.timestamp
            for _name, _value in record.headers:
                pass
            size_bytes += len(record.value)
            count += 1
        return count, size_bytes

    def validate_batch(self, data: bytes) -> None:
        """See `Codec.validate_batch`."""
        batch = self._batch(data)
        _ = batch.base_offset, batch.last_offset_delta


class KafkaPython(PeerRecords):
    """The fastest other codec in pure Python."""

    module = "kafka.record.memory_records"

    def message(self, name: str, version: int) -> tuple[Decode, Encode]:
        """See `Codec.message`."""
        warnings.simplefilter("ignore")
        modules = [importlib.import_module(f"kafka.protocol.{part}") for part in ("consumer", "metadata", "producer")]
        cls = next(getattr(module, name) for module in modules if hasattr(module, name))
        return (lambda data: cls.decode(data, version=version)), (lambda value: value.encode())

    def encode_batch(self, records: Sequence[RecordFields]) -> Callable[[], bytes]:
        """See `Codec.encode_batch`."""
        from kafka.record.memory_records import MemoryRecordsBuilder  # noqa: PLC0415

        def encode() -> bytes:
            builder = MemoryRecordsBuilder(2, 0, 1 << 24)
            for timestamp_ms, key, value, headers in records:
                builder.append(timestamp_ms, key, value, headers)
            builder.close()
            buffer: bytes = builder.buffer()
            return buffer

        return encode


class Aiokafka(PeerRecords):
    """Its records are in Cython; its messages know no flexible versions."""

    module = "aiokafka.record.memory_records"

    def message(self, name: str, version: int) -> None:
        """See `Codec.message`."""
        del name, version

    def encode_batch(self, records: Sequence[RecordFields]) -> Callable[[], bytes]:
        """See `Codec.encode_batch`."""
        from aiokafka.record.default_records import DefaultRecordBatchBuilder  # noqa: PLC0415

        def encode() -> bytes:
            builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 24)
            for offset, (timestamp_ms, key, value, headers) in enumerate(records):
                builder.append(offset, timestamp_ms, key, value, headers)
            return bytes(builder.build())

        return encode


class Kio:
    """A typed one, which decodes messages in Rust."""

    def __init__(self) -> None:
        self.readers = importlib.import_module("kio.records.readers")

    def message(self, name: str, version: int) -> tuple[Decode, Encode]:
        """See `Codec.message`."""
        serial = importlib.import_module("kio.serial")
        cls = getattr(importlib.import_module(f"kio.schema.{module_name(name)}.v{version}"), name)
        read, write = serial.entity_reader(cls), serial.entity_writer(cls)

        def encode(value: Any) -> bytes:
            buffer = io.BytesIO()
            write(buffer, value)
            return buffer.getvalue()

        return (lambda data: read(data, 0)[0]), encode

    def encode_batch(self, records: Sequence[RecordFields]) -> Callable[[], bytes]:
        """See `Codec.encode_batch`."""
        schema, static = importlib.import_module("kio.records.schema"), importlib.import_module("kio.static.primitive")
        write_batch = importlib.import_module("kio.records.writers").write_batch
        batch = schema.NewRecordBatch(
            producer_id=static.i64(-1),
            producer_epoch=static.i16(-1),
            base_sequence=static.i32(-1),
            attributes=static.i16(0),
            records=tuple(
                schema.Record(
                    attributes=static.i8(0),
                    timestamp=datetime.fromtimestamp(timestamp_ms // 1000, UTC),
                    offset=static.i64(offset),
                    key=key,
                    value=value,
                    headers=tuple(schema.RecordHeader(key=name.encode(), value=held) for name, held in headers),
                )
                for offset, (timestamp_ms, key, value, headers) in enumerate(records)
            ),
        )

        def encode() -> bytes:
            buffer = io.BytesIO()
            write_batch(buffer, batch)
            return buffer.getvalue()

        return encode

    def decode_batch(self, data: bytes) -> tuple[int, int]:
        """See `Codec.decode_batch`."""
        batch, _ = self.readers.read_batch(data, 0)
        count = size_bytes = 0
        for record in batch.records:
            _ = record.key, record.offset, record.timestamp
            for header in record.headers:
                _ = header.key, header.value
            size_bytes += len(record.value)
            count += 1
        return count, size_bytes

    validate_batch = None


CODECS: dict[str, type[Any]] = {
    "dotkafka": Dotkafka,
    "kafka-python": KafkaPython,
    "kio": Kio,
    "aiokafka": Aiokafka,
}
