"""Why TLS handshakes fail, for the log: asyncio drops them without a word."""

from __future__ import annotations

import logging
import ssl
from typing import Final

_logger = logging.getLogger(__name__)

_MEANINGS: Final = {
    "HTTP_REQUEST": "it speaks HTTP",
    "WRONG_VERSION_NUMBER": "it does not speak TLS; Kafka clients do with security.protocol=SSL",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept our certificate, or the name of this host in it",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it has sent no certificate",
    "CERTIFICATE_VERIFY_FAILED": "we do not trust its certificate",
    "NO_SHARED_CIPHER": "no cipher is common to both; or the server has no certificate",
}


class _ToldHandshake(ssl.SSLObject):
    """Says why a handshake fails. Whose it was is not known here."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError as error:
            reason = error.reason or str(error)
            meaning = _MEANINGS.get(reason)
            _logger.warning("a client's TLS handshake has failed: %s", f"{meaning} ({reason})" if meaning else reason)
            raise


def tell_failed_handshakes(context: ssl.SSLContext) -> None:
    """Log from now on why handshakes under a context fail, unless it has an `sslobject_class` of its own."""
    if context.sslobject_class is ssl.SSLObject:
        context.sslobject_class = _ToldHandshake
