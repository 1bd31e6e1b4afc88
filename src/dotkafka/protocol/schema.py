"""What definitions are written in: the notation of structs, and `Message` and `Api`, which give them a codec.

    @struct
    class HeartbeatRequest:
        group_id: String = field()
        generation_id: Int32 = field()
        member_id: String = field()
        group_instance_id: String | None = field("3+", nullable="3+", default=None)

    HEARTBEAT = Api(12, versions="0-4", flexible="4+", request=HeartbeatRequest, response=HeartbeatResponse)

Versions are written as Kafka writes them: `4`, `0-3`, `9+`, `none`. The code for one version of a message is made when
that version is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.compile_decoder import compile_decoder
from dotkafka.protocol.compile_encoder import compile_encoder
from dotkafka.protocol.layout import StructLayout
from dotkafka.protocol.primitives import NULL_UUID, Buffer
from dotkafka.protocol.structs import (
    RawTaggedField,
    Struct,
    Versions,
    field,
    set_unknown_tagged_fields,
    struct,
    unknown_tagged_fields,
)
from dotkafka.protocol.wire_types import (
    Array,
    Boolean,
    Bytes,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Records,
    String,
    UInt16,
    UInt32,
    Uuid,
)

__all__ = [
    "NULL_UUID",
    "Api",
    "Array",
    "Boolean",
    "Buffer",
    "Bytes",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Message",
    "RawTaggedField",
    "Records",
    "String",
    "UInt16",
    "UInt32",
    "Uuid",
    "Versions",
    "field",
    "set_unknown_tagged_fields",
    "struct",
    "unknown_tagged_fields",
]

T = TypeVar("T")
RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

Decoder = Callable[[Buffer, int], Any]
Encoder = Callable[[Any], Any]

REQUEST_MAX_COST: Final = 2 * 1024 * 1024
"""What the decoding of one request may cost, in units of 15 bytes of memory: 30 MiB, however long it is."""

MESSAGE_MAX_COST: Final = 128 * 1024 * 1024
"""The same for responses and records, nearly 2 GiB: they come from a broker or a log that was chosen, not from anybody
who connects."""


class _Codecs(dict[int, Any]):
    """The codec of one direction by version; a version that is not there yet is compiled on its first use."""

    def __init__(self, compile_version: Callable[[int], Any]) -> None:
        super().__init__()
        self._compile_version = compile_version

    def __missing__(self, version: int) -> Any:
        codec = self[version] = self._compile_version(version)
        return codec


class Message(Generic[T]):
    """One kind of message: its struct, its versions, and its codec.

    Args:
        struct: the outermost struct.
        versions: those that can be encoded and decoded.
        flexible: those that use compact lengths and end each struct in a tag section.
        max_cost: what decoding one may cost, in units of 15 bytes of memory. Below that limit its own bytes must pay
            for it: see `dotkafka.protocol.decoding_cost`.
    """

    def __init__(
        self, struct: type[T], *, versions: str, flexible: str = "none", max_cost: int = MESSAGE_MAX_COST
    ) -> None:
        if not issubclass(struct, Struct):
            raise TypeError(f"{struct.__name__} is no @struct")
        self.struct = struct
        self.versions = Versions.parse(versions)
        self.flexible = Versions.parse(flexible)
        self.max_cost = max_cost
        self._cls: type[Struct] = struct
        self.decoders = _Codecs(self._compile_decoder)
        self.encoders = _Codecs(self._compile_encoder)
        self.part_encoders = _Codecs(self._compile_part_encoder)

    def __repr__(self) -> str:
        return f"Message({self.struct.__name__}, versions={str(self.versions)!r}, flexible={str(self.flexible)!r})"

    def is_flexible(self, version: int) -> bool:
        """Tell whether a version uses compact lengths and tag sections."""
        return version in self.flexible

    def layout(self, version: int) -> StructLayout:
        """Return what the message looks like at one version."""
        return StructLayout(self._cls, version, flexible=version in self.flexible)

    def decode(self, version: int, data: Buffer, position: int = 0) -> T:
        """Return the message that starts at `position`; bytes after it are ignored, as Kafka does.

        `Records` fields are views of `data`, all else is copied out of it. A memoryview that is decoded is copied
        first.

        Raises:
            DecodeError: the version is not one of this message, or the bytes are not a message of that version.
        """
        message: T = self.decoders[version](data, position)
        return message

    def encode(self, version: int, message: T) -> bytes:
        """Return the bytes of a message.

        Raises:
            EncodeError: the version is not one of this message, or a value does not fit it.
        """
        encoded: bytes = self.encoders[version](message)
        return encoded

    def encode_parts(self, version: int, message: T) -> list[Buffer]:
        """Return the bytes of a message in parts that follow each other, its `Records` among them and not copied.

        Raises:
            EncodeError: the version is not one of this message, or a value does not fit it.
        """
        parts: list[Buffer] = self.part_encoders[version](message)
        return parts

    def _compile_decoder(self, version: int) -> Decoder:
        if version not in self.versions:
            raise DecodeError(f"{self.struct.__name__} has versions {self.versions}, not {version}")
        return compile_decoder(self.layout(version), self.max_cost)

    def _compile_encoder(self, version: int) -> Encoder:
        if version not in self.versions:
            raise EncodeError(f"{self.struct.__name__} has versions {self.versions}, not {version}")
        return compile_encoder(self.layout(version), in_parts=False)

    def _compile_part_encoder(self, version: int) -> Encoder:
        if version not in self.versions:
            raise EncodeError(f"{self.struct.__name__} has versions {self.versions}, not {version}")
        return compile_encoder(self.layout(version), in_parts=True)


class Api(Generic[RequestT, ResponseT]):
    """One API: its key, and its request and response, which share their versions.

    Args:
        key: the number in the request header.
        versions: those that can be encoded and decoded; what a broker serves may be fewer.
        flexible: those with compact lengths, tag sections and the newer headers.
        request: the outermost struct of the request.
        response: the outermost struct of the response.
    """

    def __init__(
        self, key: int, *, versions: str, flexible: str, request: type[RequestT], response: type[ResponseT]
    ) -> None:
        self.key = key
        self.request = Message(request, versions=versions, flexible=flexible, max_cost=REQUEST_MAX_COST)
        self.response = Message(response, versions=versions, flexible=flexible)
        self.versions = self.request.versions
        self.flexible = self.request.flexible
        self._request_decoders = self.request.decoders

    def __repr__(self) -> str:
        return f"Api({self.key}, versions={str(self.versions)!r}, request={self.request.struct.__name__})"

    def is_flexible(self, version: int) -> bool:
        """Tell whether a version uses compact lengths, tag sections and the newer headers."""
        return version in self.flexible

    def decode_request(self, version: int, data: Buffer, position: int = 0) -> RequestT:
        """Decode a request; see `Message.decode`."""
        request: RequestT = self._request_decoders[version](data, position)
        return request

    def encode_request(self, version: int, request: RequestT) -> bytes:
        """Encode a request; see `Message.encode`."""
        return self.request.encode(version, request)

    def decode_response(self, version: int, data: Buffer, position: int = 0) -> ResponseT:
        """Decode a response; see `Message.decode`."""
        return self.response.decode(version, data, position)

    def encode_response(self, version: int, response: ResponseT) -> bytes:
        """Encode a response; see `Message.encode`."""
        return self.response.encode(version, response)

    def encode_response_parts(self, version: int, response: ResponseT) -> list[Buffer]:
        """Encode a response in parts; see `Message.encode_parts`."""
        return self.response.encode_parts(version, response)
