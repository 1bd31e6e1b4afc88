"""Segments come and go one at a time, and errors are told apart by whether they may pass."""

import errno

import pytest

from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.storage.wal_folder import WalFolder, translated_errors
from dotkafka.storage.wal_segment import SegmentHeader
from dotkafka.testing.faulty_file_system import FaultyFileSystem


def header(number: int, first_sequence: int = 0) -> SegmentHeader:
    """A segment header of which only number and sequence matter."""
    return SegmentHeader(0, number, 0, first_sequence, b"saltsalt")


def folder_of(files: FaultyFileSystem, spare_segments: int = 2) -> WalFolder:
    """A folder of segments of 8 KiB."""
    return WalFolder(files, "wal/0", segment_bytes=8192, spare_segments=spare_segments)


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENOMEM])
def test_conditions_that_pass(error_number: int) -> None:
    """They are StorageUnavailable, and say what was being done."""
    with pytest.raises(StorageUnavailable, match="doing this"), translated_errors("doing this"):
        raise OSError(error_number, "reason")


@pytest.mark.parametrize("error_number", [errno.EIO, errno.EROFS, errno.EACCES, errno.ENOENT])
def test_conditions_that_stay(error_number: int) -> None:
    """They are StorageFailed, and say what was being done."""
    with pytest.raises(StorageFailed, match="doing this"), translated_errors("doing this"):
        raise OSError(error_number, "reason")


def test_spares_are_bounded_and_used_first() -> None:
    """Retired segments are kept up to the bound, and a new segment takes one of them."""
    files = FaultyFileSystem()
    folder = folder_of(files)
    for number in range(4):
        folder.publish(header(number), (), 0)
    for segment in folder.segments()[:3]:
        folder.retire(segment)
    assert files.list("wal/0") == [
        "00000000000000000000.spare",
        "00000000000000000001.spare",
        "00000000000000000003.wal",
    ]
    folder.publish(header(4), (), 0)
    assert files.list("wal/0") == [
        "00000000000000000001.spare",
        "00000000000000000003.wal",
        "00000000000000000004.wal",
    ]


def test_a_segment_has_the_room_it_was_asked_for() -> None:
    """A large one is made large, and is removed when it retires, for spares have one size."""
    files = FaultyFileSystem()
    folder = folder_of(files)
    segment, file = folder.publish(header(0), (), 20_000)
    assert segment.size_bytes == file.size() == 4096 + 20_000
    folder.retire(segment)
    assert files.list("wal/0") == []


def test_useless_spares_are_removed() -> None:
    """Those of another size, and those above the bound."""
    files = FaultyFileSystem()
    for number, size in enumerate((8192, 4096, 8192, 8192)):
        files.open(f"wal/0/{number}.spare", create=True).allocate(size)
    folder_of(files).remove_useless_spares()
    assert files.list("wal/0") == ["0.spare", "2.spare"]


def test_a_cut_allocation_is_not_taken_for_a_spare() -> None:
    """Where even its removal failed, the next attempt makes a file anew."""
    files = FaultyFileSystem()
    folder = folder_of(files)
    files.fail_when(lambda operation: errno.ENOSPC if operation.startswith(("allocate", "remove")) else 0)
    with pytest.raises(OSError, match="No space"):
        folder.publish(header(0), (), 0)
    assert files.list("wal/0") == ["00000000000000000000.spare"]
    files.fail_when(None)
    _, file = folder.publish(header(0), (), 0)
    assert file.size() == 8192


def test_a_segment_under_another_name_is_refused() -> None:
    """A file that was moved is damage."""
    files = FaultyFileSystem()
    folder_of(files).publish(header(0), (), 0)
    files.rename("wal/0/00000000000000000000.wal", "wal/0/00000000000000000007.wal")
    with pytest.raises(StorageFailed, match=r"7\.wal: its header at byte 0 says that it is segment 0"):
        folder_of(files).segments()


def test_segments_out_of_order_are_refused() -> None:
    """Sequences never fall from one segment to the next."""
    files = FaultyFileSystem()
    folder_of(files).publish(header(0, 10), (), 0)
    folder_of(files).publish(header(1, 9), (), 0)
    with pytest.raises(StorageFailed, match="begins with entry 9"):
        folder_of(files).segments()


def test_a_number_that_is_taken_is_fenced() -> None:
    """A segment of another owner is never replaced."""
    files = FaultyFileSystem()
    folder_of(files).publish(header(3), (), 0)
    with pytest.raises(Fenced, match=r"3\.wal: another owner"):
        folder_of(files).publish(header(3), (), 0)
