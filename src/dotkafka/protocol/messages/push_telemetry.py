"""PushTelemetry (key 72): a client pushes its metrics (KIP-714)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Boolean, Bytes, Int8, Int16, Int32, Uuid, field, struct


@struct
class PushTelemetryRequest:
    """Metrics as OTLP, under the subscription they were asked for by."""

    client_instance_id: Uuid = field()
    subscription_id: Int32 = field()
    terminating: Boolean = field()
    compression_type: Int8 = field()
    metrics: Bytes = field()


@struct
class PushTelemetryResponse:
    """Whether they were taken."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()


PUSH_TELEMETRY = Api(72, versions="0", flexible="0+", request=PushTelemetryRequest, response=PushTelemetryResponse)
