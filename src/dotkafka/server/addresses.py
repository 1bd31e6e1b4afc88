"""Addresses as people write them: `HOST:PORT`, with brackets around an IPv6 host."""

WILDCARD_HOSTS = frozenset({"", "*", "0.0.0.0", "::"})  # noqa: S104 (recognised here, not listened on)
"""Hosts that stand for every address of the machine: fine to listen on, nothing that a client could connect to."""


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT` or `[IPV6]:PORT`; a missing host means every address of the machine.

    Raises:
        ValueError: it is not of that form; the message says what is wrong, for people.
        TypeError: it is no text.
    """
    try:
        host, colon, port_text = text.rpartition(":")
    except AttributeError:
        raise TypeError(f"{text!r} is not HOST:PORT, a text such as '127.0.0.1:9092'") from None
    if not colon:
        raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:9092")
    if not (port_text.isascii() and port_text.isdigit() and int(port_text) <= 65_535):
        raise ValueError(f"{text!r}: the port must be a number from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 host goes in brackets, like [::1]:9092")
    return host, int(port_text)


def format_address(host: str, port: int) -> str:
    """Return `HOST:PORT` as `parse_address` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
