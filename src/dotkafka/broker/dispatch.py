"""From a request frame to the handler of its API.

Handlers are registered with `@handles(API, versions=...)`. What is registered is what the broker serves: the
ApiVersions answer is made from it. A handler returns the response, or returns None and answers its `Exchange` later.

What Kafka does with a request that it cannot serve is done here: an unknown API or version, or a body that is not one
of that API, closes the connection without an answer; only ApiVersions answers a version that is too new.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from dotkafka.broker.connection import Exchange
from dotkafka.errors import ApiError, DecodeError
from dotkafka.protocol.apis import ApiKey
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.headers import decode_request_header
from dotkafka.protocol.schema import Versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Connection
    from dotkafka.protocol.schema import Api

logger = logging.getLogger(__name__)

Request = TypeVar("Request")
Response = TypeVar("Response")


class Handler(NamedTuple):
    """A registered handler: which versions it serves, and which it says it serves."""

    name: str
    api: Api[Any, Any]
    versions: Versions
    advertised: Versions
    function: Callable[[Broker, Any, Exchange[Any]], Any]
    is_paced: bool
    answers_little: bool


HANDLERS: dict[int, Handler] = {}
"""By API key."""

_LITTLE_REQUEST_BYTES: Final = 4096
"""An answer in proportion to so large a request is still little."""


def handles(
    api: Api[Request, Response],
    *,
    versions: str,
    advertised: str | None = None,
    is_paced: bool = False,
    answers_little: bool = False,
) -> Callable[
    [Callable[[Broker, Request, Exchange[Response]], Response | None]],
    Callable[[Broker, Request, Exchange[Response]], Response | None],
]:
    """Register the decorated function as the handler of an API.

    Args:
        api: what it serves.
        versions: of the API that it serves, in Kafka's notation: `"4-18"`.
        advertised: what ApiVersions says, if that is not the same: some old clients look for versions they never use.
        is_paced: whether its requests wait while L2 lags too far behind: those that write what clients send.
        answers_little: whether an answer is never much larger than its request, so that it need not wait while other
            answers take too much memory.
    """

    def register(
        function: Callable[[Broker, Request, Exchange[Response]], Response | None],
    ) -> Callable[[Broker, Request, Exchange[Response]], Response | None]:
        served = Versions.parse(versions)
        HANDLERS[api.key] = Handler(
            ApiKey(api.key).name,
            api,
            served,
            Versions.parse(advertised) if advertised else served,
            function,
            is_paced,
            answers_little,
        )
        return function

    return register


def dispatch(broker: Broker, connection: Connection, frame: bytearray) -> None:
    """Serve one request frame (without its size prefix); the broker keeps the frame, its records may live in it."""
    try:
        header, body_position = decode_request_header(frame)
    except DecodeError as error:
        _refuse(connection, f"the request header is malformed: {error}")
        return
    handler = HANDLERS.get(header.api_key)
    if handler is None:
        _refuse(connection, f"API key {header.api_key} is unknown or not served")
        return
    exchange = Exchange(
        connection, handler.api, header.api_version, header.correlation_id, header.client_id, len(frame)
    )
    if header.api_version not in handler.versions:
        if header.api_key == ApiKey.API_VERSIONS:
            connection.begin(exchange)
            handler.function(broker, None, exchange)
        else:
            _refuse(connection, f"{handler.name} version {header.api_version} is not served")
        return
    try:
        request = handler.api.decode_request(header.api_version, frame, body_position)
    except DecodeError as error:
        _refuse(connection, f"the {handler.name} request is malformed: {error}")
        return
    connection.begin(exchange)
    if handler.is_paced and broker.shard.is_overloaded:
        broker.hold(connection, partial(_serve, broker, handler, request, exchange))
    else:
        _serve(broker, handler, request, exchange)


def answers_little(frame: bytearray) -> bool:
    """Whether the answer to a request frame is little, whatever it asks for."""
    if len(frame) > _LITTLE_REQUEST_BYTES:
        return False
    handler = HANDLERS.get(int.from_bytes(frame[:2], "big", signed=True))
    return handler is None or handler.answers_little


def _serve(broker: Broker, handler: Handler, request: Any, exchange: Exchange[Any]) -> None:
    """Call the handler, and answer with what it returns."""
    peer_host = exchange.connection.peer_host
    try:
        response = handler.function(broker, request, exchange)
    except ApiError as error:
        logger.warning("%s from %s is refused: %s", handler.name, peer_host, error)
        exchange.close_connection()
    except Exception:
        logger.exception("%s from %s failed; its connection is closed", handler.name, peer_host)
        exchange.close_connection()
    else:
        if response is not None:
            exchange.respond(response)


def _refuse(connection: Connection, reason: str) -> None:
    logger.warning("the connection from %s is closed: %s", connection.peer_host, reason)
    connection.close_when_answered()


def error_for(api_error: ApiError) -> tuple[ErrorCode, str]:
    """Return the code and the message that a response carries for a refusal."""
    return ErrorCode(api_error.error_code), api_error.message
