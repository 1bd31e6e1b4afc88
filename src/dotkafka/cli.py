"""The command line, and `dotkafka serve`; `decode` and `check` are in modules of their own, settings in `cli_settings`.

`serve` owns its process: signals, logging, the exit status, the interpreter's settings. An embedded server touches none
of them.
Standard output says one thing, `listening on HOST:PORT`, when clients are served; all else goes to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import dotkafka
from dotkafka import cli_check, cli_decode, cli_settings
from dotkafka.errors import StorageError
from dotkafka.server import format_address, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dotkafka.server import Server

_EPILOG = """\
examples:
  dotkafka serve                                     on 127.0.0.1:9092, data in ./dotkafka-data
  dotkafka serve --memory --listen 127.0.0.1:0       for a test: a free port, nothing on disk
  dotkafka serve --data /var/lib/dotkafka --listen 0.0.0.0:9092 --advertise kafka.example.org:9092
  dotkafka serve --tls-cert server.pem --tls-key server.key
  dotkafka serve --config num.partitions=4 --config auto.create.topics.enable=false

When clients are served, "listening on HOST:PORT" is printed on standard output. SIGTERM and SIGINT stop cleanly,
a second one at once; after kill -9 or a power cut the next start finds everything that was acknowledged.

exit status: 0 stopped as asked; 1 it could not start or go on; 2 the arguments are wrong.
"""

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SWITCH_INTERVAL_S = 0.0005
"""How long the event loop may keep the interpreter while the thread of the write-ahead log waits for it. Python's 5 ms
are longer than a flush takes."""
_INTERRUPTED = 128 + signal.SIGINT
"""What a shell says of a command that SIGINT has ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def _serve(options: argparse.Namespace) -> int:
    try:
        if options.list_config:
            print("\n".join(cli_settings.lines(cli_settings.parse(options.config))))
            return 0
        server = _server(options)
    except (ValueError, OSError) as error:
        options.command.error(_describe(error))
    logging.basicConfig(stream=sys.stderr, level=options.log_level.upper(), format=_LOG_FORMAT)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        with asyncio.Runner(loop_factory=_loop_factory(options)) as runner:
            runner.run(_run(server))
    except (OSError, StorageError) as error:
        return _fail(_describe(error))
    return 0


def _fail(message: str) -> int:
    print(f"dotkafka: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dotkafka", description="A Kafka-compatible broker in pure Python, and its codec."
    )
    parser.add_argument("--version", action="version", version=f"dotkafka {dotkafka.__version__}")
    commands = parser.add_subparsers(required=True, title="commands")
    _add_serve_command(commands)
    cli_decode.add_command(commands)
    cli_check.add_command(commands)
    return parser


def _add_serve_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "serve",
        help="run a broker",
        description="Run a Kafka broker that any Kafka client can use.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default="127.0.0.1:9092",
        help="where to listen; port 0 picks a free one, 0.0.0.0 is every address (default: %(default)s)",
    )
    storage = command.add_mutually_exclusive_group()
    storage.add_argument(
        "--data",
        metavar="DIR",
        default="dotkafka-data",
        help="keep data in this directory, created if missing (default: ./%(default)s)",
    )
    storage.add_argument("--memory", action="store_true", help="keep data in memory; it ends with the process")
    command.add_argument(
        "--advertise",
        metavar="HOST:PORT",
        help="tell clients to connect here, if they reach this broker by another address than it has, as behind a"
        " container's port mapping (default: the address that each client has reached)",
    )
    tls = command.add_argument_group("TLS")
    tls.add_argument("--tls-cert", metavar="FILE", help="serve TLS with this certificate chain (PEM)")
    tls.add_argument("--tls-key", metavar="FILE", help="its private key (PEM); may be in the same file")
    tls.add_argument(
        "--tls-client-ca", metavar="FILE", help="ask clients for a certificate signed by one of these (PEM)"
    )
    command.add_argument(
        "--config",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="set a broker setting by Kafka's name, or a default for topics; may be repeated",
    )
    command.add_argument("--list-config", action="store_true", help="print all settings with their values, and end")
    command.add_argument("--uvloop", action="store_true", help="use uvloop: pip install 'dotkafka[uvloop]'")
    command.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="how much to say on standard error (default: %(default)s)",
    )
    command.set_defaults(run=_serve, command=command)


def _server(options: argparse.Namespace) -> Server:
    return serve(
        options.listen,
        data=None if options.memory else options.data,
        config=cli_settings.parse(options.config),
        tls=_tls_context(options),
        advertise=options.advertise,
    )


def _tls_context(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.tls_cert is None:
        if options.tls_key is not None or options.tls_client_ca is not None:
            raise ValueError("--tls-key and --tls-client-ca need --tls-cert")
        return None
    certificate, key = f"--tls-cert {options.tls_cert}", f"--tls-key {options.tls_key}"
    _look_for(b"CERTIFICATE-----", options.tls_cert, certificate, "there is no certificate in it (PEM)")
    if options.tls_key is None:
        key = certificate
        advice = "there is no private key in it (PEM); --tls-key is the file that has it"
        _look_for(b"PRIVATE KEY-----", options.tls_cert, key, advice)
    else:
        _look_for(b"PRIVATE KEY-----", options.tls_key, key, "there is no private key in it (PEM)")

    def ask_for_password() -> NoReturn:
        raise ValueError(f"{key}: it is encrypted; `openssl pkey` decrypts it")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key, ask_for_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{key}: it is not the key of the certificate") from error
        raise ValueError(f"{certificate}: {_describe(error)}") from error
    if options.tls_client_ca is not None:
        authority = f"--tls-client-ca {options.tls_client_ca}"
        _look_for(b"CERTIFICATE-----", options.tls_client_ca, authority, "there is no certificate in it (PEM)")
        try:
            context.load_verify_locations(options.tls_client_ca)
        except ssl.SSLError as error:
            raise ValueError(f"{authority}: {_describe(error)}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _look_for(mark: bytes, file: str, option: str, complaint: str) -> None:
    """Refuse a file that cannot be read, or has no such mark: OpenSSL's errors name neither file nor reason."""
    try:
        if mark not in Path(file).read_bytes():
            raise ValueError(f"{option}: {complaint}")
    except OSError as error:
        raise ValueError(f"{option}: {error.strerror}") from error


def _loop_factory(options: argparse.Namespace) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not options.uvloop:
        return None
    try:
        import uvloop  # noqa: PLC0415 (an extra)
    except ImportError:
        raise OSError("--uvloop needs uvloop: pip install 'dotkafka[uvloop]'") from None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _run(server: Server) -> None:
    """Serve until a signal asks to stop. A second one ends the process at once."""
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()

    def stop() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        asked_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # on Windows
            signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(stop))
    async with server:
        print(f"listening on {format_address(server.host or '0.0.0.0', server.port)}", flush=True)  # noqa: S104 (said, not done)
        asked = asyncio.ensure_future(asked_to_stop.wait())
        either: list[asyncio.Future[Any]] = [asked, server.driver.failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if server.driver.failed.done():
            raise server.driver.failed.result()


def _describe(error: Exception) -> str:
    """Return one line for a person."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
