"""`dotkafka decode` prints captured bytes as lines of JSON, and says in one line what is wrong."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.cli import main
from dotkafka.protocol.headers import RequestHeader, encode_request_header, encode_response_header
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataResponse
from dotkafka.protocol.messages.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record

if TYPE_CHECKING:
    from pathlib import Path

    from dotkafka.protocol.schema import Api

COMMAND = [sys.executable, "-m", "dotkafka", "decode"]
BATCH = bytes(encode_batch([Record(0, 5, b"k", b"v")]))


def request(api: Api[Any, Any], version: int, correlation_id: int, body: Any) -> bytes:
    """Return a request as a client sends it."""
    header = encode_request_header(RequestHeader(api.key, version, correlation_id, "test"))
    return framed(header + api.encode_request(version, body))


def response(api: Api[Any, Any], version: int, correlation_id: int, body: Any) -> bytes:
    """Return a response as a broker sends it."""
    return framed(encode_response_header(api.key, version, correlation_id) + api.encode_response(version, body))


def framed(frame: bytes) -> bytes:
    """Return a frame with its size in front."""
    return len(frame).to_bytes(4, "big") + frame


PRODUCED = ProduceRequest(acks=1, topic_data=[TopicProduceData("t", partition_data=[PartitionProduceData(0, BATCH)])])
REQUESTS = request(METADATA, 12, 1, MetadataRequest(topics=None)) + request(PRODUCE, 9, 2, PRODUCED)
RESPONSES = response(METADATA, 12, 1, MetadataResponse(cluster_id="c")) + response(PRODUCE, 9, 2, ProduceResponse())


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """Return a file of what a client has sent."""
    path = tmp_path / "client.bin"
    path.write_bytes(REQUESTS)
    return path


@pytest.fixture
def broker(tmp_path: Path) -> Path:
    """Return a file of what the broker has answered."""
    path = tmp_path / "broker.bin"
    path.write_bytes(RESPONSES)
    return path


def pipe(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run `dotkafka decode` with data on its standard input."""
    return subprocess.run([*COMMAND, *arguments], input=data, capture_output=True, timeout=60, check=False)


def decode(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> list[Any]:
    """Run `dotkafka decode` in this process, and return what its lines say."""
    assert main(["decode", *map(str, arguments)]) == status
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_stream_of_requests(client: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is one line, with its header and its body; of records only the size is said."""
    first, second = decode(capsys, "--request", client)
    assert first["requestHeader"]["requestApiKeyName"] == "METADATA"
    assert first["request"]["topics"] is None
    partition = second["request"]["topicData"][0]["partitionData"][0]
    assert partition == {"index": 0, "recordsSizeInBytes": len(BATCH)}


def test_both_directions(client: Path, broker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under each request stands its response, which needs no version to be told."""
    lines = decode(capsys, "--request", client, "--response", broker)
    assert [next(iter(line.keys() - {"requestHeader"})) for line in lines] == ["request", "response"] * 2
    assert [line["requestHeader"]["correlationId"] for line in lines] == [1, 1, 2, 2]
    assert lines[1]["response"]["clusterId"] == "c"


def test_responses_whose_requests_are_not_there(
    tmp_path: Path, broker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They come last, with their bytes and the reason, and the exit status is 1."""
    path = tmp_path / "part.bin"
    path.write_bytes(request(PRODUCE, 9, 2, PRODUCED))
    lines = decode(capsys, "--request", path, "--response", broker, status=1)
    assert lines[2]["error"] == "no request with the correlation id 1 waits for a response"
    assert base64.b64decode(lines[2]["frame"])[:4] == b"\0\0\0\1"


@pytest.mark.parametrize("api", ["3", "Metadata", "METADATA"])
def test_responses_of_one_api_and_version(api: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told which they are, they need no requests; an API has a key and a name."""
    path = tmp_path / "broker.bin"
    path.write_bytes(b"".join(response(METADATA, 12, number, MetadataResponse(cluster_id="c")) for number in (1, 2)))
    first, second = decode(capsys, "--response", path, "--api", api, "--version", 12)
    assert first["response"] == second["response"]
    assert second["requestHeader"]["correlationId"] == 2


@pytest.mark.parametrize(
    ("option", "data", "expected"),
    [
        ("--request", METADATA.encode_request(12, MetadataRequest(topics=None)), {"topics": None}),
        ("--response", METADATA.encode_response(12, MetadataResponse(cluster_id="c")), {"clusterId": "c"}),
    ],
)
def test_a_body_alone(option: str, data: bytes, expected: dict[str, Any]) -> None:
    """Without size and header, as tests and logs have it."""
    result = pipe(data, option, "--body", "--api", "Metadata", "--version", "12")
    assert result.returncode == 0
    line = json.loads(result.stdout)
    assert list(line) == [option.removeprefix("--")]
    assert line[option.removeprefix("--")].items() >= expected.items()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--records", "base64"], {"records": base64.b64encode(BATCH).decode()}),
        (["--records", "size"], {"recordsSizeInBytes": len(BATCH)}),
    ],
)
def test_records_as_asked(
    arguments: list[str], shown: dict[str, Any], client: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As bytes or as their number."""
    lines = decode(capsys, "--request", client, *arguments)
    assert lines[1]["request"]["topicData"][0]["partitionData"] == [{"index": 0, **shown}]


def test_records_decoded(client: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--records` alone shows what is in the batches."""
    line = decode(capsys, "--request", client, "--records")[1]
    ((batch,),) = [item["records"] for item in line["request"]["topicData"][0]["partitionData"]]
    assert batch["recordCount"] == 1
    assert batch["records"] == [{"offset": 0, "timestamp": 5, "key": "k", "value": "v", "headers": []}]


def test_hexadecimal_text() -> None:
    """With spaces, line ends and colons, as other tools print it."""
    digits = REQUESTS.hex(":", 2).encode()
    assert pipe(digits[:100] + b"\n" + digits[100:], "--hex", "--request").stdout == pipe(REQUESTS, "--request").stdout


def test_the_examples_of_the_help() -> None:
    """Those that need no files do what they say."""
    text = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    examples = re.findall(r"echo ([0-9a-f ]+) \| dotkafka decode (.*)", text)
    results = [json.loads(pipe(digits.encode(), *options.split()).stdout) for digits, options in examples]
    assert [result["request"]["topics"] for result in results] == [None, None]


@pytest.mark.parametrize(
    ("data", "arguments", "lines", "message"),
    [
        (REQUESTS[:-1], [], 1, "the input ends inside a frame; each frame has its size in front"),
        (REQUESTS[4:], [], 0, "the input ends inside a frame; each frame has its size in front"),
        (b"GET / HTTP/1.1\r\n", [], 0, "the input is not, or not to its end, frames with their size in front: "),
        (REQUESTS + b"\xff" * 4, [], 2, "a frame of -1 bytes; 0 to 104857600 are allowed"),
        (b"\x01", ["--body", "--api", "3", "--version", "12"], 0, "MetadataRequest version 12.allow_auto_topic"),
        (b"\x01", ["--body", "--api", "3", "--version", "99"], 0, "MetadataRequest has versions 0-13, not 99"),
    ],
    ids=["cut", "without its size", "another protocol", "nonsense behind it", "cut body", "unknown version"],
)
def test_input_that_is_something_else(data: bytes, arguments: list[str], lines: int, message: str) -> None:
    """What comes before is printed; then one line on standard error, and exit status 1."""
    result = pipe(data, "--request", *arguments)
    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == lines
    (said,) = result.stderr.decode().splitlines()
    assert said.startswith("dotkafka: ")
    assert message in said


def test_a_frame_that_cannot_be_decoded_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason and its bytes; those behind it are decoded, and the exit status is 1."""
    path = tmp_path / "client.bin"
    path.write_bytes(framed(b"\x03\xe7\0\0\0\0\0\7\xff\xff") + REQUESTS)
    bad, good, _ = decode(capsys, "--request", path, status=1)
    assert (bad["error"], bad["requestHeader"]["requestApiKey"]) == ("no API has the key 999", 999)
    assert "request" in good


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what the input is: --request, --response or both"),
        (["--request", "--response"], "--request and --response cannot both come from standard input"),
        (["--response"], "a response does not say what it is: --api and --version are needed"),
        (["--request", "--body", "--api", "3"], "a body does not say what it is: --api and --version are needed"),
        (["--request", "a", "--response", "b", "--body"], "--body is for one request or one response"),
        (
            ["--request", "--api", "3"],
            "a request says what it is, and so for its response: --api and --version are not needed",
        ),
        (["--response", "--api", "Mata", "--version", "1"], "--api Mata: there is no API of that name"),
        (["--response", "--api", "999", "--version", "1"], "--api 999: no API has the key 999"),
        (["--request", "/nowhere.bin"], "/nowhere.bin: No such file or directory"),
        (["--request", __file__, "--hex"], f"{__file__} is not hexadecimal: "),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """After the usage, what is wrong; exit status 2."""
    with pytest.raises(SystemExit) as ended:
        main(["decode", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"dotkafka decode: error: {message}")


def test_a_reader_who_has_seen_enough(tmp_path: Path) -> None:
    """As `head` does: the program ends in silence."""
    path = tmp_path / "client.bin"
    path.write_bytes(REQUESTS * 2000)
    with subprocess.Popen(
        [*COMMAND, "--request", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
