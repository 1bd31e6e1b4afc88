"""Prints what is in log segments of Apache Kafka, as its own `kafka-dump-log` does: `.log` files and snapshots.

Run it: `python examples/dump_log_segment.py /var/lib/kafka/orders-0/00000000000000000000.log`. It prints a line for
each batch or old message; with `--records` each record follows as a line of JSON, `grep '^{'` finds those. Where the
folder is that of an internal topic, or with `--topic __consumer_offsets`, keys and values are decoded.

A file may be of any size: one batch at a time is in memory. Damaged batches are named with their place, and it goes on
at the next batch whose CRC is right; the exit status is then 1. Without a file it shows a segment that it has written.

It needs `pip install 'dotkafka[compression]'`.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from dotkafka.errors import ApiError, DecodeError
from dotkafka.records.batch import (
    HEADER_SIZE,
    BatchHeader,
    encode_batch,
    iterate_records,
    read_header,
    verify_crc,
)
from dotkafka.records.compression import Compression
from dotkafka.records.control import ControlRecord, ControlRecordType, encode_end_txn_marker
from dotkafka.records.internal_records import internal_record_to_json
from dotkafka.records.legacy import (
    MAGIC_0,
    MAGIC_1,
    MessageHeader,
    iterate_message_set,
    read_message_header,
    verify_message_crc,
)
from dotkafka.records.record import Record

MAX_BATCH_BYTES = 100 * 1024 * 1024
"""No request to a broker is larger, so no batch is: a length above that is damage, and not worth the memory."""

WINDOW_BYTES = 1024 * 1024
FRONT = Struct(">qi4xb")
"""Offset, length and magic, which batches and old messages have in the same places."""
LENGTH_END = 12
UNUSED_ATTRIBUTES = 128


class Entry(NamedTuple):
    """A batch, or a message from before there were batches."""

    position: int
    header: BatchHeader | MessageHeader
    data: bytes
    is_valid: bool

    @property
    def end(self) -> int:
        """Where the next one starts."""
        return self.position + len(self.data)


class Damage(NamedTuple):
    """A place where nothing can be read, up to `end`."""

    position: int
    end: int
    reason: str


def read_segment(file: BufferedReader) -> Iterator[Entry | Damage]:
    """Yield all that is in a segment, in order, without ever holding more than one batch."""
    end = file.seek(0, os.SEEK_END)
    position = 0
    while position < end:
        try:
            entry = read_entry(file, position, end)
        except DecodeError as error:
            found = find_batch(file, position + 1, end)
            yield Damage(position, found, str(error))
            position = found
            continue
        yield entry
        position = entry.end
        if not entry.is_valid and position < end and try_entry(file, position, end) is None:
            # Nothing starts where this one ends, so its length is wrong as well: the next one starts before that.
            position = min(position, find_batch(file, entry.position + 1, end))


def read_entry(file: BufferedReader, position: int, end: int) -> Entry:
    """Return what starts at that position of a file that goes to `end`; raises DecodeError if nothing does."""
    file.seek(position)
    front = file.read(FRONT.size)
    if len(front) < FRONT.size:
        raise DecodeError(f"{len(front)} bytes are too few for a batch: the end is torn off")
    _, length, magic = FRONT.unpack(front)
    size_bytes = LENGTH_END + length
    if not FRONT.size < size_bytes <= MAX_BATCH_BYTES:
        raise DecodeError(f"no batch has {size_bytes} bytes")
    if position + size_bytes > end:
        raise DecodeError(f"a batch of {size_bytes} bytes where {end - position} are left: it or its end is torn off")
    data = front + file.read(size_bytes - FRONT.size)
    if magic in {MAGIC_0, MAGIC_1}:
        message = read_message_header(data)
        return Entry(position, message, data, verify_message_crc(data, 0, message))
    header = read_header(data)
    return Entry(position, header, data, verify_crc(data, 0, header))


def try_entry(file: BufferedReader, position: int, end: int) -> Entry | None:
    """Return what `read_entry` returns, or None where it raises."""
    try:
        return read_entry(file, position, end)
    except DecodeError:
        return None


def find_batch(file: BufferedReader, position: int, end: int) -> int:
    """Return where the next record batch with the right CRC starts, or `end`."""
    while end - position >= HEADER_SIZE:
        file.seek(position)
        window = file.read(WINDOW_BYTES)
        last = len(window) - HEADER_SIZE
        start = window.find(b"\x02", FRONT.size - 1) - FRONT.size + 1  # the magic
        while 0 <= start <= last:
            if could_be_batch(window, start):
                entry = try_entry(file, position + start, end)
                if entry is not None and entry.is_valid:
                    return entry.position
            start = window.find(b"\x02", start + FRONT.size) - FRONT.size + 1
        position += last + 1
    return end


def could_be_batch(window: bytes, start: int) -> bool:
    """Tell whether what is there could be a header: hardly anything else could, so few CRCs are computed in vain."""
    try:
        header = read_header(window, start)
    except DecodeError:
        return False
    fits = header.base_offset >= 0 and header.record_count <= header.last_offset_delta + 1
    return fits and 0 <= header.attributes < UNUSED_ATTRIBUTES


def describe(entry: Entry) -> str:
    """Return the line for a batch or message, under Kafka's names."""
    header = entry.header
    codecs = {member.value: member.name.lower() for member in Compression}
    time = "LogAppendTime" if header.timestamp_type_is_log_append else "CreateTime"
    fields: dict[str, object]
    if isinstance(header, MessageHeader):
        fields = {"offset": header.offset, time: header.timestamp_ms}
    else:
        fields = {
            "baseOffset": header.base_offset,
            "lastOffset": header.last_offset,
            "count": header.record_count,
            "baseSequence": header.base_sequence,
            "lastSequence": header.last_sequence,
            "producerId": header.producer_id,
            "producerEpoch": header.producer_epoch,
            "partitionLeaderEpoch": header.partition_leader_epoch,
            "isTransactional": header.is_transactional,
            "isControl": header.is_control,
            "deleteHorizonMs": header.delete_horizon_ms,
            time: header.max_timestamp_ms,
        }
    fields |= {
        "position": entry.position,
        "size": len(entry.data),
        "magic": header.magic,
        "codec": codecs.get(header.compression, header.compression),
        "crc": header.crc,
        "isValid": entry.is_valid,
    }
    return " ".join(f"{name}={str(value).lower()}" for name, value in fields.items())


def records(entry: Entry) -> Iterator[Record]:
    """Decode the records of a batch, or those in an old message."""
    return iterate_records(entry.data) if isinstance(entry.header, BatchHeader) else iterate_message_set(entry.data)


def dump(path: Path, *, topic: str, with_records: bool) -> bool:
    """Print a segment, and tell whether all of it could be read."""
    is_whole = True
    with path.open("rb") as file:
        for entry in read_segment(file):
            if isinstance(entry, Damage):
                print(f"position={entry.position} unreadable={entry.end - entry.position} bytes: {entry.reason}")
                is_whole = False
                continue
            print(describe(entry))
            is_whole = is_whole and entry.is_valid
            if not with_records or not entry.is_valid:
                continue
            is_control = isinstance(entry.header, BatchHeader) and entry.header.is_control
            try:
                for record in records(entry):
                    print(json.dumps(internal_record_to_json(record, topic, is_control=is_control)))
            except (DecodeError, ApiError) as error:
                print(f"position={entry.position} records: {error}")
                is_whole = False
    return is_whole


def write_segment(path: Path) -> None:
    """Write a small segment as a broker would: a transaction and its end, and then the power goes."""
    records = [Record(0, 1_700_000_000_000 + number, b"alice", b"%d apples" % number) for number in range(3)]
    segment = encode_batch(
        records, compression=Compression.GZIP, producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True
    )
    commit = ControlRecord(ControlRecordType.COMMIT, coordinator_epoch=0)
    segment += encode_end_txn_marker(
        commit, producer_id=7, producer_epoch=0, timestamp_ms=1_700_000_000_009, base_offset=3
    )
    segment += encode_batch(records, base_offset=4)[:50]
    path.write_bytes(segment)


def show() -> None:
    """Write a segment and dump it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "00000000000000000000.log")
        write_segment(path)
        dump(path, topic="orders", with_records=True)


def main() -> int:
    """Dump the files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", metavar="FILE", type=Path, nargs="*")
    parser.add_argument("--records", action="store_true", help="print the records too, as JSON")
    parser.add_argument("--topic", help="which topic it is, if the name of the folder does not say it")
    options = parser.parse_args()
    if not options.files:
        show()
    whole = [
        dump(path, topic=options.topic or path.resolve().parent.name.rpartition("-")[0], with_records=options.records)
        for path in options.files
    ]
    return 0 if all(whole) else 1


if __name__ == "__main__":
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the lines has seen enough. Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
