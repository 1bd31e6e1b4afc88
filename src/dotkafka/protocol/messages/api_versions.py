"""ApiVersions (key 18): which versions of which APIs the broker serves, and its features.

- 3: client software name and version; features (KIP-584). 4: features whose lowest version is 0 are listed.

The response header is always version 0, and a broker answers an unknown version with a body of version 0.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, String, field, struct


@struct
class ApiVersionsRequest:
    """Who asks: name and version of the client's software, empty before version 3."""

    client_software_name: String = field("3+", ignorable=True)
    client_software_version: String = field("3+", ignorable=True)


@struct
class ApiVersionsResponse:
    """The APIs that the broker serves, and from version 3 its features in tagged fields."""

    error_code: Int16 = field()
    api_keys: Array[ApiVersion] = field()
    throttle_time_ms: Int32 = field("1+", ignorable=True)
    supported_features: Array[SupportedFeatureKey] = field("3+", tag=0, ignorable=True)
    finalized_features_epoch: Int64 = field("3+", tag=1, default=-1, ignorable=True)
    finalized_features: Array[FinalizedFeatureKey] = field("3+", tag=2, ignorable=True)
    zk_migration_ready: Boolean = field("3+", tag=3, ignorable=True)


@struct
class ApiVersion:
    """One API and its versions, both bounds included."""

    api_key: Int16 = field()
    min_version: Int16 = field()
    max_version: Int16 = field()


@struct
class SupportedFeatureKey:
    """One feature and the levels that the broker can run at."""

    name: String = field("3+")
    min_version: Int16 = field("3+")
    max_version: Int16 = field("3+")


@struct
class FinalizedFeatureKey:
    """One feature and the level that the cluster runs at."""

    name: String = field("3+")
    max_version_level: Int16 = field("3+")
    min_version_level: Int16 = field("3+")


API_VERSIONS = Api(18, versions="0-4", flexible="3+", request=ApiVersionsRequest, response=ApiVersionsResponse)
