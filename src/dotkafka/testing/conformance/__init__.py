"""What every storage engine must do, as checks that an author runs over an engine of their own.

Subclass in a test module, say how to make the engine, and pytest (or any runner of `test_` methods) does the rest:

    class TestMyWal(WriteAheadLogConformance):
        def create_wal(self) -> WriteAheadLog:
            return MyWal(new_empty_place())

        def restart(self, wal: WriteAheadLog) -> WriteAheadLog:
            return MyWal(same_place_as(wal))

A check that fails says which promise of `dotkafka.storage.spi` is broken, and how. One that needs more of you than
there is, a crash, a full disk, a damaged file, is skipped and names the method to write: see `WalSubject` and
`StoreSubject`. What no check of an engine alone can show is what a whole broker finds after every crash; that is for
`dotkafka.testing.crash_states`.
"""

from dotkafka.testing.conformance.checks import PARTITION, Fault, payloads, stored_batches
from dotkafka.testing.conformance.store import CheckpointStoreConformance
from dotkafka.testing.conformance.store_subject import StoreSubject
from dotkafka.testing.conformance.wal import WriteAheadLogConformance
from dotkafka.testing.conformance.wal_subject import WalSubject

__all__ = [
    "PARTITION",
    "CheckpointStoreConformance",
    "Fault",
    "StoreSubject",
    "WalSubject",
    "WriteAheadLogConformance",
    "payloads",
    "stored_batches",
]
