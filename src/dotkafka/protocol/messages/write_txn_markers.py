"""WriteTxnMarkers (key 27): the transaction coordinator has the ends of transactions written to their partitions.

- 2: the version of the transaction protocol (KIP-1228).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, Int64, String, field, struct


@struct
class WriteTxnMarkersRequest:
    """The transactions that ended."""

    markers: Array[WritableTxnMarker] = field()


@struct
class WritableTxnMarker:
    """One transaction; `transaction_result` is true for a commit."""

    producer_id: Int64 = field()
    producer_epoch: Int16 = field()
    transaction_result: Boolean = field()
    topics: Array[WritableTxnMarkerTopic] = field()
    coordinator_epoch: Int32 = field()
    transaction_version: Int8 = field("2+", ignorable=True)


@struct
class WritableTxnMarkerTopic:
    """The partitions of one topic."""

    name: String = field()
    partition_indexes: Array[Int32] = field()


@struct
class WriteTxnMarkersResponse:
    """What became of each marker."""

    markers: Array[WritableTxnMarkerResult] = field()


@struct
class WritableTxnMarkerResult:
    """The markers of one producer."""

    producer_id: Int64 = field()
    topics: Array[WritableTxnMarkerTopicResult] = field()


@struct
class WritableTxnMarkerTopicResult:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[WritableTxnMarkerPartitionResult] = field()


@struct
class WritableTxnMarkerPartitionResult:
    """What became of the marker in one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()


WRITE_TXN_MARKERS = Api(
    27, versions="0-2", flexible="1+", request=WriteTxnMarkersRequest, response=WriteTxnMarkersResponse
)
