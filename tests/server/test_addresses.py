"""Addresses are read as people write them."""

import pytest

from dotkafka.server.addresses import format_address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9092", ("127.0.0.1", 9092)),
        ("localhost:0", ("localhost", 0)),
        (":9092", ("", 9092)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_is_read_and_written_back(text: str, address: tuple[str, int]) -> None:
    """Host and port come out, IPv6 without its brackets, and go back to the same text."""
    assert parse_address(text) == address
    assert format_address(*address) == text


@pytest.mark.parametrize(
    "text", ["", "localhost", "localhost:", "localhost:http", "localhost:65536", "h:-1", "::1:9092", "h:²"]
)
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    """The message quotes what was given."""
    with pytest.raises(ValueError, match=r"PORT|port|brackets") as refused:
        parse_address(text)
    assert repr(text) in str(refused.value)
