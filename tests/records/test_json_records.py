"""Promises of `dotkafka.records.json_records`: people see what a batch holds, and what is wrong with it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.protocol.json_codec import base64_text
from dotkafka.records.batch import encode_batch
from dotkafka.records.compression import Compression
from dotkafka.records.json_records import records_to_json
from dotkafka.records.legacy import encode_message_set
from dotkafka.records.record import Record

RECORDS = [Record(0, 1_700_000_000_000, b"k", b"v"), Record(0, 1_700_000_000_005, None, "ü".encode())]


def test_a_batch_with_its_records() -> None:
    """All that the header says, and the records with their offsets and times."""
    batch = encode_batch(RECORDS, base_offset=40, producer_id=7, producer_epoch=0, base_sequence=3)
    (node,) = records_to_json(batch)
    assert node == {
        "baseOffset": 40,
        "lastOffset": 41,
        "partitionLeaderEpoch": -1,
        "magic": 2,
        "crc": int.from_bytes(batch[17:21], "big"),
        "compression": "none",
        "timestampType": "CreateTime",
        "baseTimestamp": 1_700_000_000_000,
        "maxTimestamp": 1_700_000_000_005,
        "deleteHorizonMs": None,
        "isTransactional": False,
        "isControl": False,
        "producerId": 7,
        "producerEpoch": 0,
        "baseSequence": 3,
        "lastSequence": 4,
        "recordCount": 2,
        "sizeInBytes": len(batch),
        "records": [
            {"offset": 40, "timestamp": 1_700_000_000_000, "key": "k", "value": "v", "headers": []},
            {"offset": 41, "timestamp": 1_700_000_000_005, "key": None, "value": "ü", "headers": []},
        ],
    }


@pytest.mark.parametrize("compression", list(Compression))
def test_compressed_batches_one_after_another(compression: Compression) -> None:
    """Each is shown with the name of its compression, and with its records."""
    data = encode_batch(RECORDS, compression=compression) + encode_batch(RECORDS, base_offset=2)
    first, second = records_to_json(data)
    assert first["compression"] == compression.name.lower()
    assert [record["offset"] for record in first["records"] + second["records"]] == [0, 1, 2, 3]


def test_bytes_that_are_no_text() -> None:
    """They are base64 under a name that says so, in keys, values, and names and values of headers."""
    record = Record(0, 0, b"\xff", b"\xfe", (("ü", None), (b"\xfd".decode(errors="surrogateescape"), b"\xfc")))
    ((shown,),) = [batch["records"] for batch in records_to_json(encode_batch([record]))]
    assert shown == {
        "offset": 0,
        "timestamp": 0,
        "keyBase64": "/w==",
        "valueBase64": "/g==",
        "headers": [{"key": "ü", "value": None}, {"keyBase64": "/Q==", "valueBase64": "/A=="}],
    }


def test_a_batch_that_is_cut_short() -> None:
    """As at the end of a fetch response: the batches before it are shown, its bytes are kept."""
    batch = encode_batch(RECORDS)
    whole, cut = records_to_json(batch + batch[:-1])
    assert "error" not in whole
    size = len(batch)
    assert cut == {
        "error": f"record batch at byte {size} is cut short: {size - 1} of {size} bytes",
        "data": base64_text(batch[:-1]),
    }


def test_another_format() -> None:
    """An unknown format is kept as it came, and its magic is named."""
    message = bytearray(encode_batch(RECORDS))
    message[16] = 3
    (node,) = records_to_json(message)
    assert "magic 3" in node["error"]
    assert node["data"] == base64_text(message)


def test_message_sets() -> None:
    """Messages of the old formats are shown one by one, a wrapper with what is inside it, batches among them."""
    plain = encode_message_set([Record(4, -1, b"k", b"v")], magic=0)
    wrapped = encode_message_set([Record(5, 10, None, b"a"), Record(6, 20, b"k", None)], compression=Compression.GZIP)
    first, second, third = records_to_json(bytes(plain) + bytes(wrapped) + bytes(encode_batch(RECORDS)))
    assert (first["magic"], first["offset"], first["timestamp"], first["compression"]) == (0, 4, -1, "none")
    assert [record["value"] for record in first["records"]] == ["v"]
    assert (second["magic"], second["compression"]) == (1, "gzip")
    assert [(record["offset"], record["timestamp"]) for record in second["records"]] == [(5, 10), (6, 20)]
    assert third["magic"] == 2


def test_a_damaged_message() -> None:
    """A message with a wrong CRC is shown with the reason, a cut one as bytes."""
    message = bytearray(encode_message_set([Record(0, 10, None, b"value")]))
    damaged = bytearray(message)
    damaged[-1] ^= 1
    bad, cut = records_to_json(damaged + message[:-1])
    assert "CRC" in bad["error"]
    assert bad["records"] == []
    assert "cut short" in cut["error"]
    assert cut["data"] == base64_text(message[:-1])


def test_a_damaged_batch() -> None:
    """Its header is shown with the reason, and the batch behind it is shown too."""
    batch = encode_batch(RECORDS)
    damaged = bytearray(batch)
    damaged[-2] ^= 1
    bad, good = records_to_json(damaged + batch)
    assert bad["error"] == "record batch does not match its CRC"
    assert bad["records"] == []
    assert len(good["records"]) == 2


def test_no_more_records_than_asked_for() -> None:
    """The bound is for all batches together, and a batch that was shown in part says so."""
    batch = encode_batch(RECORDS)
    nodes = records_to_json(batch * 3, max_records=3)
    assert [len(node["records"]) for node in nodes] == [2, 1, 0]
    assert ["error" in node for node in nodes] == [False, True, True]


@given(st.binary(max_size=200), st.integers(0, 80), st.binary(max_size=4))
def test_whatever_the_bytes_are(data: bytes, position: int, patch: bytes) -> None:
    """No exception leaves, and all of it is JSON."""
    batch = encode_batch(RECORDS)
    batch[position : position + len(patch)] = patch
    for tried in (data, bytes(batch), bytes(batch) + data):
        assert json.dumps(records_to_json(tried), allow_nan=False)
