"""InitProducerId: an id for every idempotent producer. That none repeats after a restart is in test_recovery.py."""

import pytest

from dotkafka.errors import StorageFailed
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest


def ask(client, version=4, transactional_id=None):
    """Ask for a producer id."""
    return client.call(
        INIT_PRODUCER_ID, version, InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=1000)
    )


@pytest.mark.parametrize("version", range(6))
def test_every_call_gives_a_new_id(client, version):
    """Ids differ, and their epoch is 0; also beyond the block that is set aside at once."""
    answers = [ask(client, version) for _ in range(1100)]
    assert len({answer.producer_id for answer in answers}) == 1100
    assert {(answer.error_code, answer.producer_epoch) for answer in answers} == {(0, 0)}


def test_answer_waits_until_the_id_is_taken_for_good(client):
    """An id that a crash could give again is not told."""
    client.send(INIT_PRODUCER_ID, 4, InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000))
    assert list(client.received()) == []
    client.running.settle()
    assert len(list(client.received())) == 1


def test_transactions_are_refused(client):
    """Transactional ids are not served, and said so."""
    answer = ask(client, transactional_id="payments")
    assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (ErrorCode.INVALID_REQUEST, -1, -1)


def test_failed_storage(client, machine):
    """Nothing can be set aside any more: the id that was asked for is not told, and later ones are refused."""
    machine.wal.errors.append(StorageFailed("fsync failed"))
    client.send(
        INIT_PRODUCER_ID,
        4,
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1),
        expects_response=False,
    )
    client.running.settle()
    assert client.is_closed_by_broker
    other = client.running.connect()
    assert ask(other).error_code == ErrorCode.KAFKA_STORAGE_ERROR
