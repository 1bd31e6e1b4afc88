"""The bit fields of allowed operations."""

from dotkafka.broker.authorized_operations import CLUSTER_OPERATIONS, GROUP_OPERATIONS, TOPIC_OPERATIONS


def test_bits_are_the_numbers_of_kafkas_operations() -> None:
    """Describe (8) is allowed for both, read (3) for topics alone, cluster actions (9) for clusters alone."""
    assert TOPIC_OPERATIONS >> 8 & CLUSTER_OPERATIONS >> 8 & 1
    assert (TOPIC_OPERATIONS >> 3 & 1, CLUSTER_OPERATIONS >> 3 & 1) == (1, 0)
    assert (TOPIC_OPERATIONS >> 9 & 1, CLUSTER_OPERATIONS >> 9 & 1) == (0, 1)
    assert GROUP_OPERATIONS == 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11
