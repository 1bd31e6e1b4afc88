"""Frames come out of a byte stream whole and in order, however it was cut, for little memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.server.frame_receiver import SCRATCH_BYTES, FrameReceiver

LIMIT = 100_000_000


def receive(receiver: FrameReceiver, data: bytes, cuts: list[int]) -> list[bytes]:
    """Feed `data` to the receiver in pieces of at most `cuts[i]` bytes, round and round."""
    frames: list[bytearray] = []
    position = turn = 0
    while position < len(data):
        buffer = receiver.get_buffer()
        count = min(len(buffer), cuts[turn % len(cuts)], len(data) - position)
        buffer[:count] = data[position : position + count]
        frames += receiver.received(count)
        position += count
        turn += 1
    return [bytes(frame) for frame in frames]


def framed(*bodies: bytes) -> bytes:
    """Put sizes in front."""
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def new_receiver(limit: int = LIMIT) -> FrameReceiver:
    """Return a receiver with a scratch buffer of its own."""
    return FrameReceiver(memoryview(bytearray(SCRATCH_BYTES)), limit)


@given(
    bodies=st.lists(
        st.one_of(st.binary(max_size=40), st.integers(0, 300_000).map(lambda size: b"\xab\xcd" * (size // 2)))
    ),
    cuts=st.lists(st.integers(1, 200_000), min_size=1, max_size=5),
)
def test_any_cutting_gives_the_same_frames(bodies: list[bytes], cuts: list[int]) -> None:
    """What the network does to the stream does not show."""
    cuts = [*cuts, SCRATCH_BYTES]
    assert receive(new_receiver(), framed(*bodies), cuts) == bodies


def test_byte_by_byte() -> None:
    """Size prefixes may be torn too."""
    bodies = [b"", b"one", b"", b"two" * 50]
    assert receive(new_receiver(), framed(*bodies), [1]) == bodies


def test_a_large_frame_is_received_into_its_own_buffer() -> None:
    """Bytes beyond the first read do not pass through the scratch buffer."""
    receiver = new_receiver()
    body = bytes(range(256)) * 20_000
    assert receive(receiver, framed(body, b"next"), [SCRATCH_BYTES]) == [body, b"next"]
    receive(receiver, framed(body)[:1000], [1000])
    buffer = receiver.get_buffer()
    assert isinstance(buffer.obj, bytearray)
    assert len(buffer.obj) != SCRATCH_BYTES


def test_a_size_takes_no_memory_on_its_own() -> None:
    """A peer that announces 90 MB gets memory only as it sends."""
    receiver = new_receiver()
    receive(receiver, (90_000_000).to_bytes(4, "big") + b"x", [5])
    assert len(receiver.get_buffer()) < 2_000_000


@pytest.mark.parametrize("size", [-1, -(2**31), 1001])
def test_a_bad_size_ends_the_stream_after_the_frames_before_it(size: int) -> None:
    """Nothing behind it is taken for a frame."""
    receiver = new_receiver(limit=1000)
    data = framed(b"good") + size.to_bytes(4, "big", signed=True) + framed(b"not a frame")
    assert receive(receiver, data, [SCRATCH_BYTES]) == [b"good"]
    assert receiver.bad_size == size


def test_frames_do_not_share_memory_with_the_scratch_buffer() -> None:
    """Another connection may overwrite the scratch buffer at once."""
    scratch = memoryview(bytearray(SCRATCH_BYTES))
    receiver = FrameReceiver(scratch, LIMIT)
    buffer = receiver.get_buffer()
    buffer[:8] = framed(b"keep")
    (frame,) = receiver.received(8)
    scratch[:8] = bytes(8)
    assert frame == b"keep"
