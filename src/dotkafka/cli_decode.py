"""`dotkafka decode`: captured bytes in, one line of JSON for each request or response out."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotkafka.errors import DecodeError
from dotkafka.protocol.apis import ApiKey, api_for
from dotkafka.protocol.conversation import (
    MAX_FRAME_BYTES,
    Conversation,
    RequestFrame,
    ResponseFrame,
    decode_response_frame,
)
from dotkafka.protocol.framing import FrameReader
from dotkafka.protocol.headers import RequestHeader
from dotkafka.protocol.json_codec import JsonObject, base64_text, to_json
from dotkafka.records.json_records import records_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.protocol.primitives import Buffer

_DESCRIPTION = """\
Decode requests and responses of Kafka's protocol, and print each as one line of JSON, under the names that Kafka's
request log has for them.

The input is what one side of a connection has sent: frames, each with its size in front, one or many. A request says
what it is. A response does not: decode both directions together, or say what the responses are.
"""

_EPILOG = """\
examples:
  dotkafka decode --request client.bin                         all that a client has sent
  dotkafka decode --request client.bin --response broker.bin   each request, and under it its response
  dotkafka decode --response broker.bin --api Metadata --version 12
  echo 00000013 0003 000c 00000002 0004 74657374 00 00 01 00 00 | dotkafka decode --hex --request
  echo 00 01 00 00 | dotkafka decode --hex --request --body --api 3 --version 12
  dotkafka decode --request client.bin --records | jq .request

The two directions of a connection as files: "Follow TCP stream" in Wireshark, one direction at a time, saved as raw; or
tcpflow. What was captured is printed as it is, passwords of SASL included.

A line has "requestHeader" and "request" or "response"; what cannot be decoded has "error" and the bytes in base64 as
"frame". Of record batches only the size is shown unless --records is given.

exit status: 0 all was decoded; 1 something could not be; 2 the arguments are wrong.
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `decode` to the commands."""
    command = commands.add_parser(
        "decode",
        help="print captured requests and responses as JSON",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--request",
        metavar="FILE",
        nargs="?",
        const="-",
        help="decode what the client sent; no FILE or -: from standard input",
    )
    command.add_argument(
        "--response",
        metavar="FILE",
        nargs="?",
        const="-",
        help="decode what the broker sent; no FILE or -: from standard input",
    )
    command.add_argument(
        "--hex", action="store_true", help="the input is hexadecimal text; spaces and colons are left out"
    )
    command.add_argument(
        "--api",
        metavar="API",
        help="which API the responses are of, or the body: its key or name, such as 3 or Metadata",
    )
    command.add_argument("--version", metavar="N", type=int, help="and which version of it")
    command.add_argument(
        "--body", action="store_true", help="the input is one request or response alone, without size and header"
    )
    command.add_argument(
        "--records",
        choices=("decoded", "base64", "size"),
        nargs="?",
        const="decoded",
        default="size",
        help="show the records of batches; or the bytes of batches; or how many bytes they are (default: size)",
    )
    command.set_defaults(run=_run, command=command)


def _run(options: argparse.Namespace) -> int:
    try:
        lines = _lines(options)
    except ValueError as error:
        options.command.error(str(error))
    try:
        is_all_decoded = _print(lines)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the lines has seen enough. Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except DecodeError as error:
        print(f"dotkafka: {error}", file=sys.stderr)
        return 1
    return 0 if is_all_decoded else 1


def _print(lines: Iterator[JsonObject]) -> bool:
    is_all_decoded = True
    for line in lines:
        print(json.dumps(line, allow_nan=False))
        is_all_decoded = is_all_decoded and "error" not in line
    return is_all_decoded


def _lines(options: argparse.Namespace) -> Iterator[JsonObject]:
    """Return what is to be printed; all arguments have been checked and all input been read when it returns.

    Raises:
        ValueError: the arguments do not go together, or the input cannot be read.
    """
    if options.request is None and options.response is None:
        raise ValueError("say what the input is: --request, --response or both")
    if options.request == options.response == "-":
        raise ValueError("--request and --response cannot both come from standard input")
    is_both = options.request is not None and options.response is not None
    if options.body and is_both:
        raise ValueError("--body is for one request or one response")
    is_told = options.body or options.request is None
    if is_told and (options.api is None or options.version is None):
        what = "a body" if options.body else "a response"
        raise ValueError(f"{what} does not say what it is: --api and --version are needed")
    if not is_told and (options.api is not None or options.version is not None):
        raise ValueError("a request says what it is, and so for its response: --api and --version are not needed")
    records = {"decoded": records_to_json, "base64": base64_text, "size": None}[options.records]
    header = RequestHeader(_api_key(options.api), options.version, 0) if is_told else None
    requests = None if options.request is None else _read(options.request, is_hex=options.hex)
    responses = None if options.response is None else _read(options.response, is_hex=options.hex)
    if header is None:
        frames = _conversation(requests or b"", responses or b"")
    elif options.body:
        return _body(header, requests, responses, records)
    else:
        frames = _responses(header, responses or b"")
    return (frame.to_json(records=records) for frame in frames)


def _api_key(text: str) -> int:
    """Return the key that stands in a text, or that of the API with that name.

    Raises:
        ValueError: there is no such API, or dotkafka has no definition of it.
    """
    keys = {key.name.replace("_", "").lower(): int(key) for key in ApiKey}
    key = int(text) if text.isdecimal() else keys.get(text.replace("_", "").lower())
    if key is None:
        raise ValueError(f"--api {text}: there is no API of that name")
    try:
        return api_for(key).key
    except DecodeError as error:
        raise ValueError(f"--api {text}: {error}") from error


def _read(name: str, *, is_hex: bool) -> bytes:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ValueError(f"{name}: {error.strerror}") from error
    if not is_hex:
        return data
    try:
        return bytes.fromhex(data.decode("ascii").replace(":", " "))
    except ValueError as error:
        raise ValueError(f"{'standard input' if name == '-' else name} is not hexadecimal: {error}") from error


def _body(
    header: RequestHeader,
    request: bytes | None,
    response: bytes | None,
    records: Callable[[Buffer], object] | None,
) -> Iterator[JsonObject]:
    api = api_for(header.api_key)
    message, name, data = (api.response, "response", response) if request is None else (api.request, "request", request)
    body: Any = message.decode(header.api_version, data or b"")
    yield {name: to_json(message, header.api_version, body, records=records)}


def _conversation(requests: bytes, responses: bytes) -> Iterator[RequestFrame | ResponseFrame]:
    """Yield each request and under it its response, then the responses that belong to none."""
    conversation = Conversation(max_unanswered=sys.maxsize)
    sent = conversation.feed_requests(requests)
    received = conversation.feed_responses(responses)
    answers = {id(response.header): response for response in received if response.header is not None}
    for request in sent:
        yield request
        if id(request.header) in answers:
            yield answers[id(request.header)]
    yield from (response for response in received if response.header is None)
    _check_end(conversation.request_error or conversation.response_error, is_clean=conversation.is_between_frames)


def _responses(header: RequestHeader, data: bytes) -> Iterator[ResponseFrame]:
    reader = FrameReader(MAX_FRAME_BYTES, memoryview(b""))
    for frame in reader.feed(data):
        correlation_id = int.from_bytes(frame[:4], "big", signed=True)
        yield decode_response_frame(frame, header._replace(correlation_id=correlation_id))
    _check_end(reader.error, is_clean=reader.is_between_frames)


def _check_end(error: DecodeError | None, *, is_clean: bool) -> None:
    if error is not None:
        raise DecodeError(f"the input is not, or not to its end, frames with their size in front: {error}")
    if not is_clean:
        raise DecodeError("the input ends inside a frame; each frame has its size in front")
