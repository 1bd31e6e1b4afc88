"""Measures one codec in its own interpreter: `python worker.py CODEC`; cases come in on stdin, seconds go out, in JSON.

A case is (name of the message, version, its bytes in hex). A codec that does not write the same bytes again is not
measured, and says so.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import sys
import warnings
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Codec = tuple[Callable[[bytes], Any], Callable[[Any], bytes]]

SAMPLES = 5
SAMPLE_S = 0.04


def module_name(message: str) -> str:
    """Return the name of an API in snake_case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", re.sub(r"(Request|Response)$", "", message)).lower()


def dotkafka_codec(message: str, version: int) -> Codec:
    """This project's."""
    api = getattr(
        importlib.import_module(f"dotkafka.protocol.messages.{module_name(message)}"), module_name(message).upper()
    )
    definition = api.request if message.endswith("Request") else api.response
    return (lambda data: definition.decode(version, data)), (lambda value: definition.encode(version, value))


def kafka_python_codec(message: str, version: int) -> Codec:
    """The fastest other codec in pure Python."""
    warnings.simplefilter("ignore")
    modules = [importlib.import_module(f"kafka.protocol.{name}") for name in ("consumer", "metadata", "producer")]
    cls = next(getattr(module, message) for module in modules if hasattr(module, message))
    return (lambda data: cls.decode(data, version=version)), (lambda value: value.encode())


def kio_codec(message: str, version: int) -> Codec:
    """A typed one, which decodes in Rust."""
    serial = importlib.import_module("kio.serial")
    cls = getattr(importlib.import_module(f"kio.schema.{module_name(message)}.v{version}"), message)
    read, write = serial.entity_reader(cls), serial.entity_writer(cls)

    def encode(value: Any) -> bytes:
        buffer = io.BytesIO()
        write(buffer, value)
        return buffer.getvalue()

    return (lambda data: read(data, 0)[0]), encode


CODECS = {"dotkafka": dotkafka_codec, "kafka-python": kafka_python_codec, "kio": kio_codec}


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


def main() -> None:
    """Measure each case in both directions."""
    results: dict[str, list[float]] = {}
    for message, version, text in json.load(sys.stdin):
        decode, encode = CODECS[sys.argv[1]](message, version)
        data = bytes.fromhex(text)
        value = decode(data)
        if bytes(encode(value)) != data:
            raise AssertionError(f"{sys.argv[1]} writes other bytes than it has read: {message} {version}")
        results[f"{message} v{version} decode"] = seconds_per_call(lambda d=decode, b=data: d(b))  # type: ignore[misc]
        results[f"{message} v{version} encode"] = seconds_per_call(lambda e=encode, v=value: e(v))  # type: ignore[misc]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
