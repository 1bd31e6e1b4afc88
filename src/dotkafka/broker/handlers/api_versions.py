"""ApiVersions: which APIs and versions this broker serves.

Versions 0-4 are served. A version that is too new is answered in the layout of version 0 with UNSUPPORTED_VERSION and
the range of ApiVersions itself, so that the client can ask again (KIP-511). Version 3 and later say what the client
is called, and are told the features of the cluster (KIP-584): groups may use the consumer protocol (KIP-848). That a
feature can be switched off is told from version 4 on alone: older clients cannot read of level 0 (KAFKA-17492).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import HANDLERS, handles
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.api_versions import (
    API_VERSIONS,
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange

SOFTWARE_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
FIRST_VERSION_WITH_SOFTWARE_NAME = 3
FIRST_VERSION_WITH_LEVEL_0 = 4
FEATURES = {"group.version": 1}
"""The level that each feature runs at, which is the highest there is; the lowest is 0."""


@handles(API_VERSIONS, versions="0-4", answers_little=True)
def api_versions(
    broker: Broker, request: ApiVersionsRequest | None, exchange: Exchange[ApiVersionsResponse]
) -> ApiVersionsResponse | None:
    """Answer with all that is registered. `request` is None if its version is one that we do not know."""
    if request is None:
        own = HANDLERS[API_VERSIONS.key].advertised
        response = ApiVersionsResponse(
            error_code=ErrorCode.UNSUPPORTED_VERSION,
            api_keys=[ApiVersion(api_key=API_VERSIONS.key, min_version=own.lowest, max_version=own.highest)],
        )
        exchange.respond_at_version(response, 0)
        return None
    if exchange.version >= FIRST_VERSION_WITH_SOFTWARE_NAME:
        name, version = request.client_software_name, request.client_software_version
        if not (SOFTWARE_NAME.fullmatch(name) and SOFTWARE_NAME.fullmatch(version)):
            return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
        exchange.connection.client_software = (name, version)
    return ApiVersionsResponse(
        api_keys=[
            ApiVersion(api_key=key, min_version=handler.advertised.lowest, max_version=handler.advertised.highest)
            for key, handler in sorted(HANDLERS.items())
        ],
        supported_features=[
            SupportedFeatureKey(name=name, min_version=0, max_version=level)
            for name, level in FEATURES.items()
            if exchange.version >= FIRST_VERSION_WITH_LEVEL_0
        ],
        finalized_features_epoch=0,
        finalized_features=[
            FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level)
            for name, level in FEATURES.items()
        ],
    )
