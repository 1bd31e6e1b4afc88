"""The log says why a TLS handshake has failed."""

from __future__ import annotations

import ssl

import pytest

from dotkafka.server.tls import tell_failed_handshakes


def begin(context: ssl.SSLContext, received: bytes) -> None:
    """Make the first step of a handshake."""
    incoming = ssl.MemoryBIO()
    incoming.write(received)
    context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True).do_handshake()


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", "it speaks HTTP (HTTP_REQUEST)"),
        (b"\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff", "it does not speak TLS; Kafka clients do with security.protocol=SSL"),
    ],
)
def test_what_it_speaks_instead(received: bytes, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """OpenSSL's word for it, and what that means."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tell_failed_handshakes(context)
    with pytest.raises(ssl.SSLError):
        begin(context, received)
    (message,) = caplog.messages
    assert message.startswith(f"a client's TLS handshake has failed: {reason}")


def test_a_handshake_that_goes_on_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """It waits for more bytes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tell_failed_handshakes(context)
    with pytest.raises(ssl.SSLWantReadError):
        begin(context, b"")
    assert not caplog.messages


def test_what_a_user_has_made_of_a_context_stays() -> None:
    """Its own class of connections too."""

    class Mine(ssl.SSLObject):
        pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = Mine
    tell_failed_handshakes(context)
    assert context.sslobject_class is Mine
