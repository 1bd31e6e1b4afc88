"""What the records of control batches hold: the ends of transactions.

The key is an int16 version and `ControlRecordTypeSchema`: 0 aborts, 1 commits, the rest belong to KRaft. The value of
those two is an int16 version and `EndTxnMarker`. Newer versions are read as the highest known.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Int16, Int32, Message, field, struct


@struct
class ControlRecordTypeSchema:
    """The key of a control record."""

    type: Int16 = field()


@struct
class EndTxnMarker:
    """The value of a record that commits or aborts a transaction."""

    coordinator_epoch: Int32 = field()


CONTROL_RECORD_TYPE_SCHEMA = Message(ControlRecordTypeSchema, versions="0")
END_TXN_MARKER = Message(EndTxnMarker, versions="0")
