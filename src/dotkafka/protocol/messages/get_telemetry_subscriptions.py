"""GetTelemetrySubscriptions (key 71): which of its metrics a client shall push (KIP-714)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, String, Uuid, field, struct


@struct
class GetTelemetrySubscriptionsRequest:
    """The client; the null id asks for one."""

    client_instance_id: Uuid = field()


@struct
class GetTelemetrySubscriptionsResponse:
    """Which metrics, how often, and how compressed."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    client_instance_id: Uuid = field()
    subscription_id: Int32 = field()
    accepted_compression_types: Array[Int8] = field()
    push_interval_ms: Int32 = field()
    telemetry_max_bytes: Int32 = field()
    delta_temporality: Boolean = field()
    requested_metrics: Array[String] = field()


GET_TELEMETRY_SUBSCRIPTIONS = Api(
    71,
    versions="0",
    flexible="0+",
    request=GetTelemetrySubscriptionsRequest,
    response=GetTelemetrySubscriptionsResponse,
)
