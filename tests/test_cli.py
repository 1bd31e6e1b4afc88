"""The command line serves, stops when asked, and says in one line what is wrong."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

import dotkafka
from dotkafka.cli import _run, main
from dotkafka.protocol.apis import ApiKey
from dotkafka.protocol.framing import encode_frame_size
from dotkafka.protocol.headers import RequestHeader, encode_request_header
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "dotkafka"]
TIMEOUT_S = 60


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that is to end by itself."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `dotkafka serve`, and give the process and the address it says."""
    command = [*COMMAND, "serve", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = re.fullmatch(r"listening on (\S+:\d+)\n", process.stdout.readline())
            assert said is not None
            yield process, said[1]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_on_a_signal(number: signal.Signals) -> None:
    """One line on standard output, a port that takes connections, exit status 0."""
    with serving("--listen", "127.0.0.1:0", "--memory") as (process, address):
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=10).close()
        process.send_signal(number)
        output, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
        assert not output


def test_a_second_signal_ends_it_at_once() -> None:
    """Without a traceback, while a clean stop waits for a client that does not take its answers."""
    frame = encode_request_header(RequestHeader(ApiKey.API_VERSIONS, 4, 1, "deaf")) + API_VERSIONS.encode_request(
        4, ApiVersionsRequest(client_software_name="deaf", client_software_version="1")
    )
    with serving("--listen", "127.0.0.1:0", "--memory") as (process, address), socket.socket() as deaf:
        host, _, port = address.rpartition(":")
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        deaf.settimeout(0)
        unsent = requests = (encode_frame_size([frame]) + frame) * 100
        while select.select([], [deaf], [], 0.5)[1]:  # until the server, which cannot send its answers, reads no more
            unsent = unsent[deaf.send(unsent) :] or requests
        process.send_signal(signal.SIGINT)
        with suppress(ConnectionRefusedError, ConnectionResetError):  # the latter where it is taken while that begins
            while True:  # until the stop has begun
                socket.create_connection((host, int(port)), timeout=10).close()
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == -signal.SIGINT
        assert "Traceback" not in complaint


def test_a_loop_that_knows_no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of Windows: it is stopped all the same."""

    class Loop(asyncio.SelectorEventLoop):
        def add_signal_handler(self, *_arguments: object) -> None:
            raise NotImplementedError

        def remove_signal_handler(self, *_arguments: object) -> bool:
            raise NotImplementedError

    said: list[str] = []

    def hear(text: str, **_options: object) -> None:
        said.append(text)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("builtins.print", hear)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_run(serve("127.0.0.1:0")))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert [text.partition(" on ")[0] for text in said] == ["listening"]


def test_ctrl_c_is_no_traceback(tmp_path: Path) -> None:
    """Of a command that reads what does not come."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([*COMMAND, "decode", "--request", str(pipe)], stderr=subprocess.PIPE) as process:
        with pipe.open("wb"):  # which waits until it is opened for reading
            process.send_signal(signal.SIGINT)
        # The end of the pipe: a signal that comes just before a read begins is heard only after it.
        _, complaint = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 128 + signal.SIGINT
        assert not complaint


def test_ipv6_is_said_in_brackets() -> None:
    """What is printed can be given to a client."""
    with serving("--listen", "[::1]:0", "--memory") as (_, address):
        assert re.fullmatch(r"\[::1\]:\d+", address)


def test_uvloop_when_asked_for() -> None:
    """The other event loop serves as well."""
    with serving("--listen", "127.0.0.1:0", "--memory", "--uvloop") as (process, _):
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    """And exit status 1."""
    with serving("--listen", "127.0.0.1:0", "--memory") as (_, address):
        result = run("serve", "--memory", "--listen", address)
        assert result.returncode == 1
        assert re.fullmatch(r"dotkafka: .*address already in use\n", result.stderr)


def test_a_taken_directory_is_one_line(tmp_path: Path) -> None:
    """It names the directory, and the first broker is not disturbed."""
    directory = str(tmp_path / "data")
    with serving("--listen", "127.0.0.1:0", "--data", directory) as (process, _):
        result = run("serve", "--listen", "127.0.0.1:0", "--data", directory)
        assert result.returncode == 1
        assert re.fullmatch(rf"dotkafka: {re.escape(directory)} is in use by another server: .*\n", result.stderr)
        assert process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "somewhere"], "listen: 'somewhere' is not HOST:PORT, such as 127.0.0.1:9092"),
        (["--advertise", "here:0"], "advertise: 'here:0' is nothing that a client could connect to"),
        (["--config", "num.partitions"], "--config num.partitions: KEY=VALUE is expected"),
        (["--config", "num.partitions=many"], "--config num.partitions: a whole number is expected, not 'many'"),
        (
            ["--config", "auto.create.topics.enable=1"],
            "--config auto.create.topics.enable: true or false is expected, not '1'",
        ),
        (
            ["--config", "group.consumer.migration.policy=up"],
            (
                "--config group.consumer.migration.policy:"
                " one of bidirectional, upgrade, downgrade, disabled is expected, not 'up'"
            ),
        ),
        (["--config", "nonsense=1"], "--config nonsense: there is no such setting; --list-config shows all"),
        (
            ["--config", "num.partition=1"],
            "--config num.partition: there is no such setting; is it num.partitions?",
        ),
        (["--config", "log.dirs=/x"], "--config log.dirs: it is an option of its own, --data DIR"),
        (["--config", "num.partitions=0"], "--config: num.partitions must be 1 or more, not 0"),
        (["--tls-cert", "/nowhere.pem"], "--tls-cert /nowhere.pem: No such file or directory"),
        (["--tls-key", "key.pem"], "--tls-key and --tls-client-ca need --tls-cert"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """After the usage, what is wrong; exit status 2."""
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--memory", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"dotkafka serve: error: {message}"


class TestCertificates:
    """What OpenSSL says of them names neither the file nor what is wrong."""

    @pytest.fixture(name="files")
    def fixture_files(self, tmp_path: Path) -> Path:
        """A certificate, its key, plain and encrypted, and the key of another one."""
        certificate = trustme.CA().issue_cert("localhost")
        key = certificate.private_key_pem.bytes()
        (tmp_path / "cert.pem").write_bytes(certificate.cert_chain_pems[0].bytes())
        (tmp_path / "key.pem").write_bytes(key)
        (tmp_path / "encrypted.pem").write_bytes(
            serialization.load_pem_private_key(key, None).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(str(tmp_path / "other.pem"))
        (tmp_path / "text.pem").write_text("this is neither")
        return tmp_path

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ("--tls-cert text.pem", "--tls-cert text.pem: there is no certificate in it (PEM)"),
            ("--tls-cert key.pem", "--tls-cert key.pem: there is no certificate in it (PEM)"),
            (
                "--tls-cert cert.pem",
                "--tls-cert cert.pem: there is no private key in it (PEM); --tls-key is the file that has it",
            ),
            ("--tls-cert cert.pem --tls-key nokey.pem", "--tls-key nokey.pem: No such file or directory"),
            ("--tls-cert cert.pem --tls-key cert.pem", "--tls-key cert.pem: there is no private key in it (PEM)"),
            ("--tls-cert cert.pem --tls-key other.pem", "--tls-key other.pem: it is not the key of the certificate"),
            (
                "--tls-cert cert.pem --tls-key encrypted.pem",
                "--tls-key encrypted.pem: it is encrypted; `openssl pkey` decrypts it",
            ),
            (
                "--tls-cert cert.pem --tls-key key.pem --tls-client-ca text.pem",
                "--tls-client-ca text.pem: there is no certificate in it (PEM)",
            ),
        ],
    )
    def test_wrong_files_are_one_line(
        self,
        files: Path,
        options: str,
        message: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """With the option whose file it is, and nobody is asked for a password."""
        monkeypatch.chdir(files)
        with pytest.raises(SystemExit) as ended:
            main(["serve", "--memory", *options.split()])
        assert ended.value.code == 2
        assert capsys.readouterr().err.splitlines()[-1] == f"dotkafka serve: error: {message}"


def test_tls_with_a_certificate(tmp_path: Path) -> None:
    """Certificate and key in one file are enough."""
    path = tmp_path / "cert.pem"
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
    with serving("--listen", "127.0.0.1:0", "--memory", "--tls-cert", str(path)) as (process, _):
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def test_help_and_version() -> None:
    """The help has examples; the version is the package's."""
    assert "examples:" in run("serve", "--help").stdout
    assert run("--version").stdout == f"dotkafka {dotkafka.__version__}\n"
