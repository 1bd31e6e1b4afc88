"""ControllerRegistration (key 70): a controller makes itself known to the active one (KIP-919)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, String, UInt16, Uuid, field, struct


@struct
class ControllerRegistrationRequest:
    """The controller, where it listens and what it can do."""

    controller_id: Int32 = field()
    incarnation_id: Uuid = field()
    zk_migration_ready: Boolean = field()
    listeners: Array[Listener] = field()
    features: Array[Feature] = field()


@struct
class Listener:
    """One listener; `security_protocol` is 0 plain text, 1 TLS, 2 SASL, 3 SASL over TLS."""

    name: String = field()
    host: String = field()
    port: UInt16 = field()
    security_protocol: Int16 = field()


@struct
class Feature:
    """One feature and the levels that the controller can run at."""

    name: String = field()
    min_supported_version: Int16 = field()
    max_supported_version: Int16 = field()


@struct
class ControllerRegistrationResponse:
    """Whether it is registered."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")


CONTROLLER_REGISTRATION = Api(
    70, versions="0", flexible="0+", request=ControllerRegistrationRequest, response=ControllerRegistrationResponse
)
