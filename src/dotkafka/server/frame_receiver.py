"""FrameReceiver: cuts one connection's byte stream into frames, with as little copying and memory as can be.

Most frames are small, and many come in one read: they are received into a scratch buffer that all connections of a
server share, and copied out of it. What is left of a large frame is received into that frame's own buffer.

A frame is a size (INT32) and that many bytes. The size is a claim of the peer: it is checked against the limit before
anything is allocated, and memory grows with the bytes that have really come, at most about twofold.
"""

from typing import cast

SCRATCH_BYTES = 256 * 1024
"""Size of the buffer that all connections of one event loop share."""
_DIRECT_BYTES = 64 * 1024
"""From this many missing bytes on, the rest of a frame is received into its own buffer."""
_FIRST_ALLOCATION_BYTES = 1024 * 1024 + 64 * 1024
"""What a peer gets on the word of its size prefix: room for a request with one record batch of the default limit."""


class FrameReceiver:
    """The receiving side of one connection: `get_buffer`, fill it, `received`, over and over.

    Args:
        scratch: `SCRATCH_BYTES` that may be overwritten between any two calls of `get_buffer` and `received`.
        max_frame_bytes: the largest frame size accepted.
    """

    __slots__ = ("_filled", "_frame", "_is_direct", "_max_frame_bytes", "_prefix", "_scratch", "_size", "bad_size")

    def __init__(self, scratch: memoryview, max_frame_bytes: int) -> None:
        self._scratch = scratch
        self._max_frame_bytes = max_frame_bytes
        self._prefix = b""
        self._frame: bytearray | None = None
        self._filled = 0
        self._size = 0
        self._is_direct = False
        self.bad_size: int | None = None
        """The size that broke the stream, if one did: nothing after it can be understood."""

    def get_buffer(self) -> memoryview:
        """Return where the next bytes of the connection are to be put. Never empty."""
        frame = self._frame
        self._is_direct = frame is not None and self._size - self._filled >= _DIRECT_BYTES
        if frame is None or not self._is_direct:
            return self._scratch
        if self._filled == len(frame):
            frame = self._grow(frame)
        return memoryview(frame)[self._filled :]

    def received(self, count: int) -> list[bytearray]:
        """Say that `count` bytes were put into the buffer; return the frames that they completed, without sizes."""
        if self._is_direct:
            self._filled += count
            return [self._finish()] if self._filled == self._size else []
        frames: list[bytearray] = []
        data = self._scratch[:count]
        position = 0
        while position < count and self.bad_size is None:
            if self._frame is not None:
                position = self._continue(self._frame, data, position)
                if self._filled == self._size:
                    frames.append(self._finish())
                continue
            prefix = self._prefix + data[position : position + 4 - len(self._prefix)]
            position += len(prefix) - len(self._prefix)
            if len(prefix) < 4:
                self._prefix = prefix
                break
            self._prefix = b""
            size = int.from_bytes(prefix, "big", signed=True)
            if not 0 <= size <= self._max_frame_bytes:
                self.bad_size = size
            elif count - position >= size:
                frames.append(bytearray(data[position : position + size]))
                position += size
            else:
                self._size = size
                self._frame = bytearray(min(size, _FIRST_ALLOCATION_BYTES))
                self._filled = 0
        return frames

    def _continue(self, frame: bytearray, data: memoryview, position: int) -> int:
        """Copy what belongs to the open frame; return the position behind it."""
        take = min(len(data) - position, self._size - self._filled)
        while self._filled + take > len(frame):
            frame = self._grow(frame)
        frame[self._filled : self._filled + take] = data[position : position + take]
        self._filled += take
        return position + take

    def _grow(self, frame: bytearray) -> bytearray:
        """Double the room of the open frame. In a new buffer: somebody may still hold a view of the old one."""
        self._frame = grown = bytearray(min(self._size, 2 * len(frame)))
        grown[: self._filled] = memoryview(frame)[: self._filled]
        return grown

    def _finish(self) -> bytearray:
        frame, self._frame = self._frame, None
        return cast("bytearray", frame)
