"""Promises of `Message` and `Api`: versions are checked, and codecs are made once."""

from __future__ import annotations

import pytest

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest, HeartbeatResponse
from dotkafka.protocol.messages.produce import PRODUCE, ProduceRequest
from dotkafka.protocol.schema import Api, Int32, Message, field, struct


@struct
class Tiny:
    """The least that can be sent."""

    value: Int32 = field()


@struct
class Holder:
    """It has a struct that may be null, and is not unless it is said."""

    tiny: Tiny | None = field("1+", nullable="1+")


@struct
class TaggedTooEarly:
    """Its field is tagged at a version that is not flexible."""

    value: Int32 = field(tag=0)


def test_a_definition_of_ones_own() -> None:
    """The notation is for users too: a message of their own has a codec."""
    tiny = Message(Tiny, versions="0-1", flexible="1+")
    assert tiny.encode(0, Tiny(5)) == b"\x00\x00\x00\x05"
    assert tiny.encode(1, Tiny(5)) == b"\x00\x00\x00\x05\x00"
    assert tiny.encode_parts(1, Tiny(5)) == [b"\x00\x00\x00\x05\x00"]
    assert tiny.decode(1, b"_\x00\x00\x00\x05\x00", 1) == Tiny(5)
    assert repr(tiny) == "Message(Tiny, versions='0-1', flexible='1+')"


def test_a_struct_that_may_be_null_but_is_not_by_default() -> None:
    """Null and the default struct are told apart, and null is refused where the field cannot be written."""
    holder = Message(Holder, versions="0-1")
    assert holder.encode(0, Holder()) == b""
    assert holder.decode(0, b"").tiny == Tiny()
    assert holder.encode(1, Holder()) == b"\x01\x00\x00\x00\x00"
    assert holder.encode(1, Holder(None)) == b"\xff"
    assert holder.decode(1, b"\xff").tiny is None
    with pytest.raises(EncodeError, match="tiny is set, but version 0 does not have it"):
        holder.encode(0, Holder(None))


@pytest.mark.parametrize("version", [-1, 5, 32767])
def test_a_version_that_there_is_not(version: int) -> None:
    """Reading one is the peer's fault, writing one our own."""
    with pytest.raises(DecodeError, match=f"HeartbeatRequest has versions 0-4, not {version}"):
        HEARTBEAT.decode_request(version, bytes(100))
    with pytest.raises(DecodeError):
        HEARTBEAT.decode_response(version, bytes(100))
    with pytest.raises(EncodeError):
        HEARTBEAT.encode_request(version, HeartbeatRequest())
    with pytest.raises(EncodeError):
        HEARTBEAT.encode_response(version, HeartbeatResponse())
    with pytest.raises(EncodeError):
        HEARTBEAT.encode_response_parts(version, HeartbeatResponse())


def test_flexible_versions() -> None:
    """An API knows which of its versions are flexible."""
    assert [PRODUCE.is_flexible(version) for version in (8, 9, 13)] == [False, True, True]
    assert PRODUCE.request.is_flexible(9)
    assert repr(PRODUCE) == "Api(0, versions='0-13', request=ProduceRequest)"


def test_only_structs_are_messages() -> None:
    """A class without `@struct` has no definition."""
    with pytest.raises(TypeError, match="int is no @struct"):
        Message(int, versions="0")


def test_tags_need_a_flexible_version() -> None:
    """A tagged field where there is no tag section is a mistake in the definition."""
    message = Message(TaggedTooEarly, versions="0")
    with pytest.raises(TypeError, match="not flexible"):
        message.encode(0, TaggedTooEarly())


def test_a_codec_is_made_once() -> None:
    """The second use of a version finds the code that the first one made."""
    api = Api(0, versions="0-13", flexible="9+", request=ProduceRequest, response=HeartbeatResponse)
    assert api.request.decoders[3] is api.request.decoders[3]
    assert list(api.request.decoders) == [3]
