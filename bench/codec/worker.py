"""Measures one codec in its own interpreter: `python worker.py CODEC`; cases come in on stdin, seconds go out, in JSON.

A codec that does not write the same bytes again, or finds other records, is not measured, and says so.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from peers import CODECS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAMPLES = 5
SAMPLE_S = 0.04
WITH_RECORDS = {"ProduceRequest", "FetchResponse"}
LARGE_PART_BYTES = 4096


def seconds_per_call(call: Callable[[], object]) -> list[float]:
    """Return one figure a sample."""
    call()
    start = perf_counter()
    call()
    count = max(1, int(SAMPLE_S / (perf_counter() - start)))
    samples = []
    for _ in range(SAMPLES):
        start = perf_counter()
        for _ in range(count):
            call()
        samples.append((perf_counter() - start) / count)
    return samples


def message_calls(codec: Any, name: str, version: int, data: bytes) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is measured of a message, by its name."""
    functions = codec.message(name, version)
    if functions is None:
        return
    decode, encode = functions
    value = decode(data)
    if bytes(encode(value)) != data:
        raise AssertionError(f"{sys.argv[1]} writes other bytes than it has read: {name} {version}")
    yield f"{name} v{version} decode", lambda: decode(data)
    yield f"{name} v{version} encode", lambda: encode(value)
    if hasattr(codec, "encode_in_parts") and name in WITH_RECORDS:
        in_parts = codec.encode_in_parts(name, version)
        records = [part for part in in_parts(value) if len(part) > LARGE_PART_BYTES]
        yield f"{name} v{version} encode, in parts", lambda: in_parts(value)
        yield f"{name} v{version} one copy of its records alone", lambda: b"".join(records)


def batch_calls(codec: Any, name: str, records: list[Any], data: bytes) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is measured of a record batch, by its name."""
    encode = codec.encode_batch(records)
    expected = (len(records), sum(len(record[2]) for record in records))
    if not expected == codec.decode_batch(data) == codec.decode_batch(bytes(encode())):
        raise AssertionError(f"{sys.argv[1]} finds other records in {name}")
    yield f"{name} decode", lambda: codec.decode_batch(data)
    yield f"{name} encode", encode
    if codec.validate_batch is not None:
        yield f"{name} validate", lambda: codec.validate_batch(data)


def main() -> None:
    """Measure each case."""
    codec = CODECS[sys.argv[1]]()
    cases = json.load(sys.stdin)
    results: dict[str, list[float]] = {}
    for name, version, text in cases["messages"]:
        for case, call in message_calls(codec, name, version, bytes.fromhex(text)):
            results[case] = seconds_per_call(call)
    for name, rows, text in cases["batches"]:
        records = [
            (timestamp_ms, key and key.encode(), value.encode(), [(header, held.encode()) for header, held in headers])
            for timestamp_ms, key, value, headers in rows
        ]
        for case, call in batch_calls(codec, name, records, bytes.fromhex(text)):
            results[case] = seconds_per_call(call)
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
