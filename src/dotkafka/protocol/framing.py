"""Frames out of a byte stream: an int32 size, then that many bytes.

`FrameReader` does no I/O. It is made for a receiver that is told where to put bytes (`asyncio.BufferedProtocol`,
`socket.recv_into`): while a frame is under way, that is the frame's own bytearray, so that large frames are never
copied; between frames it is a scratch buffer that many connections share, so that an idle connection costs next to
nothing.

A peer's word is not taken for its size: a size beyond the limit is an error before anything is allocated, and within
it a frame gets memory only as its bytes arrive, at most `_FIRST_BYTES` or twice what it already has.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from dotkafka.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dotkafka.protocol.primitives import Buffer

_SIZE = struct.Struct(">i")
_FIRST_BYTES = 1024 * 1024


class FrameReader:
    """Cuts what one connection sends into frames.

    Args:
        max_frame_bytes: the largest size of a frame that is accepted.
        scratch: where bytes between frames are received. Readers may share it if the caller calls `received` before it
            asks any of them for a buffer again.
    """

    __slots__ = ("_filled", "_frame", "_frame_bytes", "_prefix", "_scratch", "max_frame_bytes")

    def __init__(self, max_frame_bytes: int, scratch: memoryview) -> None:
        self.max_frame_bytes = max_frame_bytes
        self._scratch = scratch
        self._prefix = b""
        self._frame: bytearray | None = None
        self._frame_bytes = 0
        self._filled = 0

    @property
    def is_between_frames(self) -> bool:
        """Whether nothing of a next frame has come yet: a connection that ends here ends cleanly."""
        return self._frame is None and not self._prefix

    def buffer(self) -> memoryview:
        """Return where the next bytes are to be put, from its start on; never empty, good until `received`."""
        if self._frame is None:
            return self._scratch
        self._grow()
        return memoryview(self._frame)[self._filled :]

    def received(self, count: int) -> list[bytearray]:
        """Take `count` bytes that were put into `buffer()`, and return the frames that they complete, without sizes.

        Raises:
            DecodeError: a size is negative or over the limit; the stream cannot be read any further.
        """
        if self._frame is None:
            return self.feed(self._scratch[:count])
        self._filled += count
        frame = self._finished_frame()
        return [] if frame is None else [frame]

    def feed(self, data: Buffer) -> list[bytearray]:
        """Take bytes from anywhere, and return copies of the frames that they complete, without sizes.

        Raises:
            DecodeError: a size is negative or over the limit; the stream cannot be read any further.
        """
        frames = []
        position = self._feed_frame(data)
        frame = self._finished_frame()
        if frame is not None:
            frames.append(frame)
        if self._prefix:
            data = self._prefix + data[position:]
            self._prefix, position = b"", 0
        while len(data) - position >= _SIZE.size:
            (size,) = _SIZE.unpack_from(data, position)
            self._check_size(size)
            position += _SIZE.size
            if size <= len(data) - position:
                frames.append(bytearray(data[position : position + size]))
                position += size
            else:
                self._frame = bytearray(min(size, _FIRST_BYTES))
                self._frame_bytes, self._filled = size, 0
                self._feed_frame(data[position:])
                return frames
        self._prefix = bytes(data[position:])
        return frames

    def _check_size(self, size: int) -> None:
        if not 0 <= size <= self.max_frame_bytes:
            raise DecodeError(f"a frame of {size} bytes; 0 to {self.max_frame_bytes} are allowed")

    def _feed_frame(self, data: Buffer) -> int:
        """Copy as much of `data` into the frame under way as it lacks; return how much that was."""
        position = 0
        while self._frame is not None and position < len(data) and self._filled < self._frame_bytes:
            self._grow()
            piece = data[position : position + len(self._frame) - self._filled]
            self._frame[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)
            position += len(piece)
        return position

    def _grow(self) -> None:
        """Make room behind what has arrived, if all there was is filled and the frame is not complete."""
        if self._frame is not None and self._filled == len(self._frame) < self._frame_bytes:
            room = bytes(min(self._filled, self._frame_bytes - self._filled))
            try:
                self._frame += room
            except BufferError:  # the receiver still holds a view: a bytearray cannot grow under it, so it is copied
                self._frame = self._frame + room

    def _finished_frame(self) -> bytearray | None:
        """Return the frame under way and forget it, if it is complete."""
        if self._frame is None or self._filled < self._frame_bytes:
            return None
        frame, self._frame = self._frame, None
        return frame


def encode_frame_size(parts: Iterable[Buffer]) -> bytes:
    """Return the size that goes in front of a frame made of `parts`."""
    return _SIZE.pack(sum(map(len, parts)))
