"""What a coordinator knows about a request beside the request itself."""

import attrs


@attrs.frozen
class RequestContext:
    """How and from where a request came."""

    api_version: int
    client_id: str = ""
    """As in the request header; empty where that was null."""
    client_host: str = ""
    """The peer's address in Kafka's form, `/127.0.0.1`: shown by DescribeGroups and stored with the group."""
