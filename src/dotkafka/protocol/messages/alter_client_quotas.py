"""AlterClientQuotas (key 49): set and remove quotas of users, client ids and addresses (KIP-546)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Float64, Int16, Int32, String, field, struct


@struct
class AlterClientQuotasRequest:
    """The entities to change, or only to check."""

    entries: Array[AlterClientQuotasRequestEntryData] = field()
    validate_only: Boolean = field()


@struct
class AlterClientQuotasRequestEntryData:
    """One entity and what to change."""

    entity: Array[EntityData] = field()
    ops: Array[OpData] = field()


@struct
class EntityData:
    """One component of an entity; null is the default."""

    entity_type: String = field()
    entity_name: String | None = field(nullable="0+")


@struct
class OpData:
    """One quota to set or to remove."""

    key: String = field()
    value: Float64 = field()
    remove: Boolean = field()


@struct
class AlterClientQuotasResponse:
    """What became of each entity."""

    throttle_time_ms: Int32 = field()
    entries: Array[AlterClientQuotasResponseEntryData] = field()


@struct
class AlterClientQuotasResponseEntryData:
    """What became of one entity."""

    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    entity: Array[EntityData] = field()


ALTER_CLIENT_QUOTAS = Api(
    49, versions="0-1", flexible="1+", request=AlterClientQuotasRequest, response=AlterClientQuotasResponse
)
