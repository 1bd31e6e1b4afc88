"""Coverage-guided fuzzing of all that reads bytes from a peer: `make fuzz`.

Each target takes any bytes. It returns where the library accepts or refuses them with its own error, and raises at
whatever else comes out, or at a broken promise: that both decoders agree, that what was decoded can be encoded, that
frames do not depend on how a stream was cut.

    python fuzz/run.py --seconds 60               each target for its share of the time
    python fuzz/run.py messages --seconds 600     one of them
    python fuzz/run.py messages --input FILE      one input, without atheris

What is found goes into .fuzz/: inputs that reach new code, which the next run starts from, and those that fail.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import pkgutil
import subprocess
import sys
import zlib
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.protocol.schema import Message

ROOT: Final = Path(__file__).parents[1]
CORPUS: Final = Path(__file__).parent / "corpus"
FINDINGS: Final = ROOT / ".fuzz"

MAX_FRAME_BYTES: Final = 64 * 1024
MAX_DECOMPRESSED_BYTES: Final = 1024 * 1024
SELECTOR_BYTES: Final = 5
"""An input of `messages` starts with the CRC-32 of the message's name and its version."""
MAX_INPUT_BYTES: Final = 4096
TIMEOUT_S: Final = 10
MEMORY_MIB: Final = 1024


@functools.cache
def all_messages() -> dict[int, Message[Any]]:
    """Return every message by the CRC-32 of its name: inputs keep their meaning when messages are added."""
    from dotkafka.protocol.schema import Api, Message  # noqa: PLC0415 (imported while atheris watches)

    package = importlib.import_module("dotkafka.protocol.messages")
    found: dict[int, Message[Any]] = {}
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        for value in vars(importlib.import_module(module.name)).values():
            pair = (value.request, value.response) if isinstance(value, Api) else (value,)
            found |= {zlib.crc32(item.struct.__name__.encode()): item for item in pair if isinstance(item, Message)}
    return found


def fuzz_messages(data: bytes) -> None:
    """Both decoders agree on any message at any version, and what they read can be written and read again."""
    from dotkafka.errors import DecodeError  # noqa: PLC0415
    from dotkafka.protocol.interpreter import decode_struct, encode_struct  # noqa: PLC0415

    message = all_messages().get(int.from_bytes(data[:4], "big"))
    if message is None or len(data) < SELECTOR_BYTES or data[4] not in message.versions:
        return
    version, body = data[4], data[SELECTOR_BYTES:]
    layout = message.layout(version)
    decoded = expected = None
    with suppress(DecodeError):
        decoded = message.decode(version, body)
    with suppress(DecodeError):
        expected = decode_struct(layout, body, 0, message.max_cost)
    assert (decoded is None) == (expected is None), "one decoder accepts what the other refuses"
    if decoded is None:
        return
    encoded = message.encode(version, decoded)
    assert encode_struct(layout, expected) == encoded
    assert message.encode(version, message.decode(version, encoded)) == encoded


def fuzz_frames(data: bytes) -> None:
    """Frames are the same however the stream arrives, and each is a request or refused."""
    from dotkafka.errors import DecodeError  # noqa: PLC0415
    from dotkafka.protocol.apis import api_for  # noqa: PLC0415
    from dotkafka.protocol.framing import FrameReader  # noqa: PLC0415
    from dotkafka.protocol.headers import decode_request_header  # noqa: PLC0415

    scratch = memoryview(bytearray(64))
    whole = FrameReader(MAX_FRAME_BYTES, scratch)
    frames = whole.feed(data)
    in_pieces = FrameReader(MAX_FRAME_BYTES, scratch)
    position, received = 0, []
    while position < len(data) and in_pieces.error is None:
        buffer = in_pieces.buffer()
        piece = data[position : position + min(len(buffer), 1 + position % 61)]
        buffer[: len(piece)] = piece
        received += in_pieces.received(len(piece))
        position += len(piece)
    assert received == frames
    assert (whole.error is None) == (in_pieces.error is None)
    for frame in frames:
        with suppress(DecodeError):
            header, body = decode_request_header(frame)
            api_for(header.api_key).decode_request(header.api_version, frame, body)


def fuzz_records(data: bytes) -> None:
    """A batch is read or refused; the records that were read are the same once they are written again."""
    from crc32c import crc32c  # noqa: PLC0415

    from dotkafka.errors import DecodeError  # noqa: PLC0415
    from dotkafka.records.batch import HEADER_SIZE, batch_headers, decode_records, encode_batch  # noqa: PLC0415
    from dotkafka.records.control import parse_control_record  # noqa: PLC0415

    with suppress(DecodeError):
        list(batch_headers(data))
    if len(data) < HEADER_SIZE:
        return
    batch = bytearray(data)  # a batch with its length and CRC right: else hardly any input would come further
    batch[8:12] = (len(batch) - 12).to_bytes(4, "big")
    batch[17:21] = crc32c(batch[21:]).to_bytes(4, "big")
    try:
        records = decode_records(batch, max_decompressed_bytes=MAX_DECOMPRESSED_BYTES)
    except DecodeError:
        return
    for record in records:
        with suppress(DecodeError):
            parse_control_record(record)
    if records and all(record.timestamp_ms >= 0 for record in records):
        again = decode_records(encode_batch(records), max_decompressed_bytes=2 * MAX_DECOMPRESSED_BYTES)
        assert [record[1:] for record in again] == [record[1:] for record in records]


def fuzz_message_sets(data: bytes) -> None:
    """A message set is read or refused, and so is what it is converted to."""
    from dotkafka.errors import ApiError, DecodeError  # noqa: PLC0415
    from dotkafka.records.legacy import decode_message_set, message_headers  # noqa: PLC0415
    from dotkafka.records.legacy_conversion import down_convert, up_convert  # noqa: PLC0415

    message_set = bytearray(data)
    if len(message_set) > 26:  # one message with its size and CRC right: else hardly any input would come further
        message_set[8:12] = (len(message_set) - 12).to_bytes(4, "big")
        message_set[12:16] = zlib.crc32(message_set[16:]).to_bytes(4, "big")
    with suppress(DecodeError):
        list(message_headers(message_set, allow_partial=True))
    try:
        records = decode_message_set(message_set, max_decompressed_bytes=MAX_DECOMPRESSED_BYTES)
    except DecodeError:
        return
    with suppress(DecodeError, ApiError):
        batches = up_convert(message_set, base_offset=0, max_decompressed_bytes=MAX_DECOMPRESSED_BYTES)
        again = decode_message_set(down_convert(batches, 1, max_decompressed_bytes=2 * MAX_DECOMPRESSED_BYTES))
        assert [record[2:] for record in again] == [record[2:] for record in records]


def fuzz_compression(data: bytes) -> None:
    """Compressed bytes are decompressed within the limit or refused; the first byte chooses the codec."""
    from dotkafka.errors import DecodeError  # noqa: PLC0415
    from dotkafka.records.compression import decompress  # noqa: PLC0415

    if data:
        with suppress(DecodeError):
            assert len(decompress(data[0] % 6, data[1:], MAX_DECOMPRESSED_BYTES)) <= MAX_DECOMPRESSED_BYTES


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "messages": fuzz_messages,
    "frames": fuzz_frames,
    "records": fuzz_records,
    "message_sets": fuzz_message_sets,
    "compression": fuzz_compression,
}


def seeds(target: str) -> Iterator[bytes]:
    """Yield what a target starts from: its folder of the corpus; for messages also each at two versions."""
    for path in sorted((CORPUS / target).glob("*")):
        yield path.read_bytes()
    if target == "messages":
        for selector, message in all_messages().items():
            for version in {message.versions.lowest, message.versions.highest}:
                yield selector.to_bytes(4, "big") + bytes([version]) + message.encode(version, message.struct())


def import_library(watched: AbstractContextManager[object]) -> None:
    """Import everything that the targets use, so that none of it escapes `watched`."""
    with watched:
        all_messages()
        for name in ("apis", "framing", "headers", "interpreter"):
            importlib.import_module(f"dotkafka.protocol.{name}")
        for name in ("batch", "compression", "control", "legacy", "legacy_conversion", "record"):
            importlib.import_module(f"dotkafka.records.{name}")


def watch_generated_decoders(watch: Callable[[Any], Any]) -> None:
    """Have `watch` see each decoder that is compiled from now on: it is in no file that could be imported."""
    from dotkafka.protocol import schema  # noqa: PLC0415

    names = vars(schema)
    compile_decoder = names["compile_decoder"]
    names["compile_decoder"] = lambda *arguments: watch(compile_decoder(*arguments))


def fuzz(target: str, seconds: int) -> None:
    """Fuzz one target until the time is over, or an input fails; ends the process."""
    import atheris  # noqa: PLC0415 (not there on each platform)

    import_library(atheris.instrument_imports(include=["dotkafka"]))
    watch_generated_decoders(atheris.instrument_func)
    corpus = FINDINGS / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number:04}").write_bytes(seed)
    limits = {
        "max_total_time": seconds,
        "max_len": MAX_INPUT_BYTES,
        "timeout": TIMEOUT_S,
        "rss_limit_mb": MEMORY_MIB,
        "artifact_prefix": f"{FINDINGS}/{target}-",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    arguments = [f"-{name}={value}" for name, value in limits.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], TARGETS[target])
    atheris.Fuzz()


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="?", choices=TARGETS, help="one target (default: each)")
    parser.add_argument("--seconds", type=int, default=60, help="in all (default: 60)")
    parser.add_argument("--input", type=Path, help="run the target on this file only")
    arguments = parser.parse_args()
    if arguments.input is not None:
        if arguments.target is None:
            parser.error("--input needs a target")
        import_library(nullcontext())
        TARGETS[arguments.target](arguments.input.read_bytes())
    elif arguments.target is not None:
        fuzz(arguments.target, arguments.seconds)
    else:
        share = str(max(1, arguments.seconds // len(TARGETS)))
        for target in TARGETS:
            command = [sys.executable, __file__, target, "--seconds", share]
            result = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, errors="replace")
            if result.returncode:
                print(f"{target}: failed\n{result.stderr}")
                return 1
            inputs = result.stderr.rpartition("number_of_executed_units:")[2].split()[0]
            print(f"{target}: {inputs} inputs, nothing found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
