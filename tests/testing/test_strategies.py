"""Promises of `dotkafka.testing.strategies`; the tests of the codec draw all their values from there."""

from __future__ import annotations

from hypothesis import given

from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataResponse
from dotkafka.testing.strategies import messages, structs


@given(messages(METADATA.request))
def test_a_strategy_draws_versions_and_values_that_can_be_written(drawn: tuple[int, MetadataRequest]) -> None:
    """And they are the same again."""
    version, request = drawn
    assert METADATA.decode_request(version, METADATA.encode_request(version, request)) == request


@given(structs(METADATA.response.layout(13)))
def test_a_strategy_for_one_version(response: MetadataResponse) -> None:
    """What it draws fits that version."""
    assert METADATA.decode_response(13, METADATA.encode_response(13, response)) == response
