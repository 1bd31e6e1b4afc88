"""Promises of the frame reader: frames whatever the pieces, no memory on a peer's word, no copy of large frames."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.protocol.framing import SCRATCH_BYTES, FrameReader, encode_frame_size

MIB = 1024 * 1024


def framed(*frames: bytes) -> bytes:
    """Return frames as they travel, each after its size."""
    return b"".join(encode_frame_size([frame]) + frame for frame in frames)


def receive(reader: FrameReader, data: bytes, piece_bytes: list[int]) -> list[bytearray]:
    """Deliver data as a socket would: into the reader's buffer, in pieces of the given sizes, and a view still held."""
    frames = []
    position = 0
    while position < len(data):
        view = reader.buffer()
        wanted = piece_bytes[position % len(piece_bytes)]
        count = min(len(view), wanted, len(data) - position)
        view[:count] = data[position : position + count]
        frames += reader.received(count)
        position += count
    return frames


@given(
    st.lists(st.binary(max_size=50) | st.integers(100, 300).map(bytes), max_size=8),
    st.lists(st.integers(1, 120), min_size=1, max_size=5),
    st.integers(1, 64),
)
def test_frames_come_out_whatever_the_pieces(frames: list[bytes], piece_bytes: list[int], scratch_bytes: int) -> None:
    """However the stream is cut, through the buffer or fed, the frames are those that were sent."""
    data = framed(*frames)
    reader = FrameReader(300, memoryview(bytearray(scratch_bytes)))
    assert receive(reader, data, piece_bytes) == frames
    assert reader.is_between_frames
    fed: list[bytearray] = []
    position = 0
    for size in piece_bytes * len(data):
        fed += reader.feed(memoryview(data)[position : position + size])
        position += size
        if position >= len(data):
            break
    assert fed == frames
    assert reader.is_between_frames


def test_a_stream_that_ends_inside_a_frame_does_not_end_cleanly() -> None:
    """Inside a size or inside a frame, something is missing."""
    for size in range(1, 9):
        reader = FrameReader(100, memoryview(bytearray(64)))
        assert reader.feed(framed(b"frame")[:size]) == []
        assert not reader.is_between_frames


@pytest.mark.parametrize("size", [-1, -(2**31), 101, 2**31 - 1])
def test_a_size_out_of_bounds_is_refused(size: int) -> None:
    """A negative size and one over the limit end the stream, after the frames before it; no memory is taken for it."""
    reader = FrameReader(100, memoryview(bytearray(64)))
    assert reader.feed(framed(b"good") + (size & 0xFFFFFFFF).to_bytes(4, "big") + framed(b"lost")) == [b"good"]
    assert f"a frame of {size} bytes" in str(reader.error)
    assert reader.feed(framed(b"lost")) == []


@pytest.mark.parametrize(
    ("begun", "guess"),
    [
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
    ],
)
def test_another_protocol_is_guessed(begun: bytes, guess: str) -> None:
    """A size that nobody can have meant says less than what it most likely is."""
    reader = FrameReader(100, memoryview(bytearray(64)))
    assert reader.feed(begun) == []
    assert f"which is how {guess} begins; 0 to 100 are allowed" in str(reader.error)


def test_a_peers_word_costs_no_memory() -> None:
    """A huge size within the limit gets memory as bytes come, not before."""
    reader = FrameReader(100 * MIB, memoryview(bytearray(64)))
    tracemalloc.start()
    try:
        reader.feed((100 * MIB).to_bytes(4, "big") + b"only this")
        assert len(reader.buffer()) <= 2 * MIB
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


def test_a_large_frame_is_received_into_its_own_memory() -> None:
    """The buffer of a frame under way is the bytearray that comes out."""
    frame = bytes(range(256)) * 400
    reader = FrameReader(MIB, memoryview(bytearray(4096)))
    assert reader.feed(framed(frame)[:4096]) == []
    view = reader.buffer()
    view[:] = framed(frame)[4096:]
    (received,) = reader.received(len(view))
    assert received == frame
    assert view.obj is received


def test_a_frame_larger_than_its_first_memory_grows() -> None:
    """A frame of several MiB comes out whole, and its memory grows only between receptions."""
    frame = bytes(range(256)) * 4096 * 5
    reader = FrameReader(10 * MIB, memoryview(bytearray(65536)))
    assert receive(reader, framed(frame, b"next"), [700_000]) == [frame, b"next"]


def test_medium_frames_come_many_in_one_read() -> None:
    """What is missing of a small frame is read together with the frames behind it."""
    frames = [bytes([number]) * 16_000 for number in range(40)]
    reader = FrameReader(MIB, memoryview(bytearray(SCRATCH_BYTES)))
    data = framed(*frames)
    got = []
    for position in range(0, len(data), 100_000):
        piece = data[position : position + 100_000]
        view = reader.buffer()
        assert len(view) == SCRATCH_BYTES
        view[: len(piece)] = piece
        got += reader.received(len(piece))
    assert got == frames


def test_frames_do_not_share_memory_with_the_scratch_buffer() -> None:
    """Another connection may overwrite the scratch buffer at once."""
    scratch = memoryview(bytearray(64))
    reader = FrameReader(100, scratch)
    reader.buffer()[:8] = framed(b"keep")
    (frame,) = reader.received(8)
    scratch[:] = bytes(64)
    assert frame == b"keep"


def test_size_of_a_frame_in_parts() -> None:
    """The size counts the bytes of all parts, not itself."""
    assert encode_frame_size([b"abc", memoryview(b"de"), b""]) == b"\x00\x00\x00\x05"
