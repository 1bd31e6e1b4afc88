"""Frames out of a byte stream: an int32 size, then that many bytes.

`FrameReader` does no I/O. It is made for a receiver that is told where to put bytes (`asyncio.BufferedProtocol`,
`socket.recv_into`). Most frames are small, and many come in one read: they are received into a scratch buffer that all
readers share, and copied out of it. What is missing of a large frame is received into that frame's own memory, so that
large frames are never copied, and an idle connection costs next to nothing.

A peer's word is not taken for its size: a size beyond the limit ends the stream before anything is allocated, and
within it a frame gets memory only as its bytes arrive, at most `first_bytes` or twice what it already has.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from dotkafka.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dotkafka.protocol.primitives import Buffer

SCRATCH_BYTES: Final = 256 * 1024
"""A good size for the buffer that all readers of one thread share."""
_DIRECT_BYTES: Final = 64 * 1024
"""From this many missing bytes on, the rest of a frame is received into its own memory."""
FIRST_BYTES: Final = 1024 * 1024 + 64 * 1024
"""What a frame gets on the word of its size: room for a request with one record batch of the default limit."""
_SIZE: Final = struct.Struct(">i")


class FrameReader:
    """Cuts what one connection sends into frames: ask for `buffer`, fill it, say `received`, over and over.

    Args:
        max_frame_bytes: the largest size of a frame that is accepted.
        scratch: where small frames are received. Readers may share it if the caller calls `received` before it asks any
            of them for a buffer again.
    """

    __slots__ = (
        "_filled",
        "_frame",
        "_frame_bytes",
        "_is_direct",
        "_prefix",
        "_scratch",
        "error",
        "first_bytes",
        "max_frame_bytes",
    )

    def __init__(self, max_frame_bytes: int, scratch: memoryview) -> None:
        self.max_frame_bytes = max_frame_bytes
        self.first_bytes = FIRST_BYTES
        """What the next frame gets on the word of its size; less where memory is scarce."""
        self.error: DecodeError | None = None
        """A size that is negative or over the limit: nothing after it can be understood, and no more frames come."""
        self._scratch = scratch
        self._prefix = b""
        self._frame: bytearray | None = None
        self._frame_bytes = 0
        self._filled = 0
        self._is_direct = False

    @property
    def is_between_frames(self) -> bool:
        """Whether nothing of a next frame has come yet: a connection that ends here ends cleanly."""
        return self._frame is None and not self._prefix

    @property
    def held_bytes(self) -> int:
        """The memory that the frame under way takes."""
        return len(self._frame) if self._frame is not None else 0

    def buffer(self) -> memoryview:
        """Return where the next bytes are to be put, from its start on; never empty, good until `received`."""
        frame = self._frame
        self._is_direct = frame is not None and self._frame_bytes - self._filled >= _DIRECT_BYTES
        if frame is None or not self._is_direct:
            return self._scratch
        return memoryview(self._with_room(frame))[self._filled :]

    def received(self, count: int) -> list[bytearray]:
        """Take `count` bytes that were put into `buffer()`, and return the frames that they complete, without sizes."""
        if not self._is_direct:
            return self.feed(self._scratch[:count])
        self._is_direct = False
        self._filled += count
        return self._finished_frame()

    def feed(self, data: Buffer) -> list[bytearray]:
        """Take bytes from anywhere, and return copies of the frames that they complete, without sizes."""
        frames: list[bytearray] = []
        position = 0
        if self._frame is not None:
            position = self._fill(self._frame, data, 0)
            frames += self._finished_frame()
        if self._prefix:
            data, position = self._prefix + data[position:], 0
            self._prefix = b""
        while self.error is None and len(data) - position >= _SIZE.size:
            (size,) = _SIZE.unpack_from(data, position)
            position += _SIZE.size
            if not 0 <= size <= self.max_frame_bytes:
                begun = bytes(data[position - _SIZE.size : position])
                self.error = DecodeError(
                    f"a frame of {size} bytes{_guess(begun)}; 0 to {self.max_frame_bytes} are allowed"
                )
            elif size <= len(data) - position:
                frames.append(bytearray(data[position : position + size]))
                position += size
            else:
                self._frame = bytearray(min(size, max(self.first_bytes, 2 * (len(data) - position))))
                self._frame_bytes, self._filled = size, 0
                position = self._fill(self._frame, data, position)
        if self.error is None:
            self._prefix = bytes(data[position:])
        return frames

    def _fill(self, frame: bytearray, data: Buffer, position: int) -> int:
        """Copy what belongs to the frame under way; return the position behind it."""
        while position < len(data) and self._filled < self._frame_bytes:
            frame = self._with_room(frame)
            piece = data[position : position + len(frame) - self._filled]
            frame[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)
            position += len(piece)
        return position

    def _with_room(self, frame: bytearray) -> bytearray:
        """Return the frame under way with room behind what has arrived, in new memory if all there was is filled."""
        if self._filled < len(frame):
            return frame
        self._frame = grown = bytearray(min(self._frame_bytes, 2 * len(frame)))
        grown[: self._filled] = frame
        return grown

    def _finished_frame(self) -> list[bytearray]:
        """Return the frame under way and forget it, if it is complete."""
        if self._frame is None or self._filled < self._frame_bytes:
            return []
        frame, self._frame = self._frame, None
        return [frame]


def _guess(begun: bytes) -> str:
    """Return what else begins with these bytes, if it is what people point at a broker by mistake."""
    if begun[:2] in {b"\x16\x03", b"\x15\x03"}:
        return ", which is how TLS begins"
    return ", which is how HTTP begins" if begun in {b"GET ", b"HEAD", b"POST", b"PUT ", b"HTTP"} else ""


def encode_frame_size(parts: Iterable[Buffer]) -> bytes:
    """Return the size that goes in front of a frame made of `parts`."""
    return _SIZE.pack(sum(map(len, parts)))
