"""What the checks are written with."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar
from unittest import SkipTest

from dotkafka.errors import StorageError
from dotkafka.storage.spi import StoredBatch, TopicIdPartition, WriteAheadLog

Subject = TypeVar("Subject")
Hook = TypeVar("Hook")
Check = Callable[[Subject], None]

PARTITION = TopicIdPartition(bytes(range(16)), 3)
INT64_MAX = 2**63 - 1

Fault = AbstractContextManager[object]
"""As long as it is entered, storage is as its maker says; when it is left, all is well again."""


def promised_by(seam: Any) -> Callable[[Check[Subject]], Check[Subject]]:
    """Mark a check with what promises it in `dotkafka.storage.spi`; when the check fails, its error says so."""

    def decorate(check: Check[Subject]) -> Check[Subject]:
        name = getattr(seam, "fget", seam).__qualname__  # the name of a property is that of its getter
        promise = f"{name} promises: {(check.__doc__ or '').splitlines()[0]}"

        @wraps(check)
        def checked(subject: Subject) -> None:
            try:
                check(subject)
            except AssertionError as error:
                raise AssertionError(f"{promise} But of {error}") from error
            except (SkipTest, NotImplementedError):
                raise
            except Exception as error:
                raise AssertionError(f"{promise} But it raises {error!r}; expected none") from error

        checked.promised_by = seam  # type: ignore[attr-defined]
        return checked

    return decorate


def given(hook: Hook | None, name: str) -> Hook:
    """Return what a hook gave, or skip the check if the author has not written it."""
    if hook is None:
        raise SkipTest(f"needs `{name}`")
    return hook


def expect(actual: object, expected: object, promise: str) -> None:
    """Raise AssertionError with both values unless they are equal."""
    if actual != expected:
        raise AssertionError(f"{promise}: expected {expected!r}, got {actual!r}")


def expect_true(promise: str, *, condition: bool) -> None:
    """Raise AssertionError unless the condition holds: for values too long to print."""
    if not condition:
        raise AssertionError(f"{promise}: expected to hold")


def expect_error(kind: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object], promise: str) -> None:
    """Raise AssertionError unless the call raises `kind`, or one of them."""
    names = " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
    try:
        result = call()
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{promise}: expected {names}, got {error!r}") from error
    raise AssertionError(f"{promise}: expected {names}, got {result!r}")


def payloads(wal: WriteAheadLog, shard: int = 0, from_sequence: int = 0) -> list[bytes]:
    """Return copies of the payloads that the log reads back."""
    return [bytes(entry.payload) for entry in wal.read(shard, from_sequence)]


def expect_storage_error(call: Callable[[], object], promise: str) -> None:
    """Raise AssertionError if the call raises anything that is no StorageError; it may also succeed."""
    try:
        call()
    except StorageError:
        return
    except Exception as error:
        raise AssertionError(f"{promise}: expected a StorageError or none, got {error!r}") from error


def entries(wal: WriteAheadLog, shard: int = 0) -> list[tuple[int, int, bytes]]:
    """Return sequence, epoch and a copy of the payload of all that the log reads back."""
    return [(entry.sequence, entry.epoch, bytes(entry.payload)) for entry in wal.read(shard, 0)]


def stored_batches(count: int, *, first: int = 0, size: int = 100, offsets: int = 10) -> list[StoredBatch]:
    """Return batches of `offsets` records each; batch n begins at `n * offsets` and has timestamp `n * 1000`."""
    return [
        StoredBatch(n * offsets, (n + 1) * offsets - 1, n * 1000, (b"%08d" % n * (size // 8 + 1))[:size])
        for n in range(first, first + count)
    ]


def joined(batches: Sequence[StoredBatch]) -> bytes:
    """Return the bytes of batches."""
    return b"".join(batch.data for batch in batches)


def interleavings(*sequences: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield every way to go through all sequences, each in its order."""
    if not any(sequences):
        yield ()
    for index, sequence in enumerate(sequences):
        if sequence:
            rest = (*sequences[:index], sequence[1:], *sequences[index + 1 :])
            yield from ((sequence[0], *tail) for tail in interleavings(*rest))
