"""UpdateFeatures (key 57): change the levels that features of the cluster run at (KIP-584).

- 1: upgrade types, `validate_only` (KIP-778). 2: one error for all features.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, String, field, struct


@struct
class UpdateFeaturesRequest:
    """The features to change, or only to check."""

    timeout_ms: Int32 = field(default=60000)
    feature_updates: Array[FeatureUpdateKey] = field()
    validate_only: Boolean = field("1+")


@struct
class FeatureUpdateKey:
    """One feature; `upgrade_type` 1 upgrades only, 2 downgrades without loss, 3 with."""

    feature: String = field()
    max_version_level: Int16 = field()
    allow_downgrade: Boolean = field("0")
    upgrade_type: Int8 = field("1+", default=1)


@struct
class UpdateFeaturesResponse:
    """What became of the features."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    results: Array[UpdatableFeatureResult] = field("0-1", ignorable=True)


@struct
class UpdatableFeatureResult:
    """What became of one feature."""

    feature: String = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")


UPDATE_FEATURES = Api(57, versions="0-2", flexible="0+", request=UpdateFeaturesRequest, response=UpdateFeaturesResponse)
