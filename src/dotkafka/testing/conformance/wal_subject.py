"""What the author of a write-ahead log says of it: how to make one, and how to break it."""

from dotkafka.storage.spi import WriteAheadLog
from dotkafka.testing.conformance.checks import Fault, given


class WalSubject:
    """`create_wal` is needed. A check that needs another one which is not written is skipped, and says so."""

    def create_wal(self) -> WriteAheadLog:
        """Return an engine over an empty place."""
        raise NotImplementedError("write create_wal: it returns a log of yours over an empty place")

    def restart(self, wal: WriteAheadLog) -> WriteAheadLog | None:
        """Return an engine as a new process would find it after `wal`, whose writers are closed; None if none can."""
        del wal
        return None

    def crash(self, wal: WriteAheadLog) -> WriteAheadLog | None:
        """Return an engine as a new process finds it after `wal` was cut off: a power cut, with its writers open."""
        del wal
        return None

    def elsewhere(self, wal: WriteAheadLog) -> WriteAheadLog | None:
        """Return an engine over the same place, as another process has it at the same time."""
        del wal
        return None

    def unavailable(self, wal: WriteAheadLog) -> Fault | None:
        """Return what lets an append of `wal` raise StorageUnavailable with nothing done: a full disk."""
        del wal
        return None

    def unknown_outcome(self, wal: WriteAheadLog) -> Fault | None:
        """Return what lets an append of `wal` raise StorageUnavailable when its bytes have gone: a lost answer."""
        del wal
        return None

    def failing(self, wal: WriteAheadLog) -> Fault | None:
        """Return what lets an append of `wal` raise StorageFailed: a sync that fails."""
        del wal
        return None

    def damaged(self, wal: WriteAheadLog, payload: bytes) -> tuple[WriteAheadLog, str] | None:
        """Damage the stored bytes of the entry with this payload, which occurs once and has others behind it.

        The writers of `wal` are closed. Return an engine as a new process finds it, and a part of what a message has to
        say of the place, such as the name of the file.
        """
        del wal, payload
        return None

    def restarted(self, wal: WriteAheadLog) -> WriteAheadLog:
        """Restart, or skip the check."""
        return given(self.restart(wal), "restart")

    def crashed(self, wal: WriteAheadLog) -> WriteAheadLog:
        """Crash, or skip the check."""
        return given(self.crash(wal), "crash")
