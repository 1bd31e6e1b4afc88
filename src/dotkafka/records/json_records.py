"""Record batches and message sets as JSON, for people who look at what passes or what is stored.

Keys, values and header names are bytes. They are shown as text where they are UTF-8, and else in base64 under the name
with `Base64` behind it: `"key": "alice"`, `"key": null`, `"keyBase64": "/wA="`.

Whatever is damaged is shown as it is, with the reason: it is why people look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.errors import ApiError, DecodeError
from dotkafka.protocol.json_codec import JsonObject, base64_text
from dotkafka.records.batch import BatchHeader, iterate_records, read_header
from dotkafka.records.compression import Compression
from dotkafka.records.legacy import MAGIC_0, MAGIC_1, MessageHeader, iterate_message_set, read_message_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.protocol.primitives import Buffer
    from dotkafka.records.record import Record

MAX_RECORDS: Final = 100_000
"""How many records are shown of one field: a few compressed bytes can be millions."""

MAGIC_POSITION: Final = 16
"""Of the byte that tells the formats apart, the same in all of them."""

_COMPRESSIONS: Final = {member.value: member.name.lower() for member in Compression}


def records_to_json(data: Buffer, *, max_records: int = MAX_RECORDS) -> list[JsonObject]:
    """Return the batches in `data`, one object each, with their records; it raises nothing for what `data` holds.

    Messages of magic 0 and 1 are objects of their own, a wrapper with the records inside it. What is damaged, or has
    more records than are to be shown, has an `error`. From the first batch on whose size cannot be known, all is one
    object with an `error` and the bytes in base64 as `data`: a fetched batch that is cut short, or an unknown format.
    """
    view = memoryview(data).cast("B")
    nodes: list[JsonObject] = []
    position = 0
    while position < len(view):
        is_message = len(view) - position > MAGIC_POSITION and view[position + MAGIC_POSITION] in (MAGIC_0, MAGIC_1)
        try:
            header = read_message_header(view, position) if is_message else read_header(view, position)
        except DecodeError as error:
            nodes.append(_undecoded(str(error), view[position:]))
            break
        end = position + header.size_bytes
        if end > len(view):
            kind = "message" if is_message else "record batch"
            reason = f"{kind} at byte {position} is cut short: {len(view) - position} of {end - position} bytes"
            nodes.append(_undecoded(reason, view[position:]))
            break
        if isinstance(header, MessageHeader):
            node = _message_to_json(view[position:end], header, max_records)
        else:
            node = _batch_to_json(view[position:end], header, max_records)
        max_records -= len(node["records"])
        nodes.append(node)
        position = end
    return nodes


def _undecoded(reason: str, data: memoryview) -> JsonObject:
    return {"error": reason, "data": base64_text(data)}


def _message_to_json(message: memoryview, header: MessageHeader, max_records: int) -> JsonObject:
    node: JsonObject = {
        "offset": header.offset,
        "magic": header.magic,
        "crc": header.crc,
        "compression": _COMPRESSIONS.get(header.compression, header.compression),
        "timestampType": "LogAppendTime" if header.timestamp_type_is_log_append else "CreateTime",
        "timestamp": header.timestamp_ms,
        "sizeInBytes": header.size_bytes,
    }
    return node | _records_to_json(lambda: iterate_message_set(message), max_records)


def _batch_to_json(batch: memoryview, header: BatchHeader, max_records: int) -> JsonObject:
    node: JsonObject = {
        "baseOffset": header.base_offset,
        "lastOffset": header.last_offset,
        "partitionLeaderEpoch": header.partition_leader_epoch,
        "magic": header.magic,
        "crc": header.crc,
        "compression": _COMPRESSIONS.get(header.compression, header.compression),
        "timestampType": "LogAppendTime" if header.timestamp_type_is_log_append else "CreateTime",
        "baseTimestamp": header.base_timestamp_ms,
        "maxTimestamp": header.max_timestamp_ms,
        "deleteHorizonMs": header.delete_horizon_ms,
        "isTransactional": header.is_transactional,
        "isControl": header.is_control,
        "producerId": header.producer_id,
        "producerEpoch": header.producer_epoch,
        "baseSequence": header.base_sequence,
        "lastSequence": header.last_sequence,
        "recordCount": header.record_count,
        "sizeInBytes": header.size_bytes,
    }
    return node | _records_to_json(lambda: iterate_records(batch), max_records)


def _records_to_json(read: Callable[[], Iterator[Record]], max_records: int) -> JsonObject:
    records: list[JsonObject] = []
    node: JsonObject = {"records": records}
    try:
        for record in read():
            if len(records) >= max_records:
                node["error"] = "there are more records than are shown"
                break
            records.append(record_to_json(record))
    except (DecodeError, ApiError) as error:
        node["error"] = str(error)
    return node


def record_to_json(record: Record) -> JsonObject:
    """Return one record; key, value and headers as the module says."""
    return {
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        **_data_to_json("key", record.key),
        **_data_to_json("value", record.value),
        "headers": [
            _data_to_json("key", name.encode(errors="surrogateescape")) | _data_to_json("value", value)
            for name, value in record.headers
        ],
    }


def _data_to_json(name: str, data: bytes | None) -> JsonObject:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {name + "Base64": base64_text(data)}
