"""LocalClient: Kafka's protocol spoken to a broker in the same process, without a socket.

The requests take the same way as those of any client, from bytes on, so there is no second set of rules for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from dotkafka.protocol.headers import RequestHeader, decode_response_header, encode_request_header

if TYPE_CHECKING:
    from dotkafka.clock import Instant
    from dotkafka.protocol.schema import Api
    from dotkafka.server.driver import Driver

Request = TypeVar("Request")
Response = TypeVar("Response")

_CLIENT_ID = "dotkafka-local"


class LocalClient:
    """One connection of a client that lives in the broker's process. Belongs to the broker's event loop."""

    def __init__(self, driver: Driver, reached: tuple[str, int]) -> None:
        self._driver = driver
        self._connection = driver.broker.connect("127.0.0.1", reached, driver.clock.now())
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._correlation_id = 0
        driver.attach(self._connection, self)

    async def request(self, api: Api[Request, Response], version: int, request: Request) -> Response:
        """Send a request, wait for its response, and return it.

        Raises:
            EncodeError: the request cannot be written at this version.
            ConnectionError: the broker closed the connection instead of answering.
        """
        if self._connection.is_closing:
            raise ConnectionError("the broker has closed the connection")
        self._correlation_id += 1
        header = RequestHeader(api.key, version, self._correlation_id, _CLIENT_ID)
        frame = bytearray(encode_request_header(header) + api.encode_request(version, request))
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._driver.broker.receive(self._connection, frame, self._driver.clock.now())
        self._driver.schedule()
        response = await answer
        _, body = decode_response_header(api.key, version, response)
        return api.decode_response(version, response, body)

    def close(self) -> None:
        """Disconnect. Requests still waiting get ConnectionError."""
        self._driver.detach(self._connection)
        self._refuse_waiting()

    def send_responses(self, now: Instant) -> None:  # noqa: ARG002 (nothing here waits for a socket)
        """Hand responses to those who wait for them."""
        received = b"".join(self._connection.take_responses())
        position = 0
        while position < len(received):
            end = position + 4 + int.from_bytes(received[position : position + 4], "big")
            answer = self._waiting.popleft()
            if not answer.done():
                answer.set_result(received[position + 4 : end])
            position = end
        if self._connection.is_closing:
            self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        while self._waiting:
            answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(ConnectionError("the broker closed the connection instead of answering"))
