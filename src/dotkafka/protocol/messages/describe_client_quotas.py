"""DescribeClientQuotas (key 48): find quotas of users, client ids and addresses (KIP-546)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Float64, Int8, Int16, Int32, String, field, struct


@struct
class DescribeClientQuotasRequest:
    """What the entity must match; `strict` leaves out entities with more components."""

    components: Array[ComponentData] = field()
    strict: Boolean = field()


@struct
class ComponentData:
    """A filter for one component; `match_type` 0 is a name, 1 the default entity, 2 any name."""

    entity_type: String = field()
    match_type: Int8 = field()
    match: String | None = field(nullable="0+")


@struct
class DescribeClientQuotasResponse:
    """The quotas, by entity."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    entries: Array[EntryData] | None = field(nullable="0+")


@struct
class EntryData:
    """One entity and its quotas."""

    entity: Array[EntityData] = field()
    values: Array[ValueData] = field()


@struct
class EntityData:
    """One component of an entity; null is the default."""

    entity_type: String = field()
    entity_name: String | None = field(nullable="0+")


@struct
class ValueData:
    """One quota."""

    key: String = field()
    value: Float64 = field()


DESCRIBE_CLIENT_QUOTAS = Api(
    48, versions="0-1", flexible="1+", request=DescribeClientQuotasRequest, response=DescribeClientQuotasResponse
)
