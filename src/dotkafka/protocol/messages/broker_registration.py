"""BrokerRegistration (key 62): a broker makes itself known to the controller when it starts (KIP-631).

- 1: whether it comes from ZooKeeper (KIP-866). 2: ids of log directories (KIP-858).
- 3: the epoch it had before, if it was shut down cleanly (KIP-966). 4: features from level 0 on.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, String, UInt16, Uuid, field, struct


@struct
class BrokerRegistrationRequest:
    """The broker, where it listens, what it can do and where it stores."""

    broker_id: Int32 = field()
    cluster_id: String = field()
    incarnation_id: Uuid = field()
    listeners: Array[Listener] = field()
    features: Array[Feature] = field()
    rack: String | None = field(nullable="0+")
    is_migrating_zk_broker: Boolean = field("1+")
    log_dirs: Array[Uuid] = field("2+", ignorable=True)
    previous_broker_epoch: Int64 = field("3+", default=-1, ignorable=True)


@struct
class Listener:
    """One listener; `security_protocol` is 0 plain text, 1 TLS, 2 SASL, 3 SASL over TLS."""

    name: String = field()
    host: String = field()
    port: UInt16 = field()
    security_protocol: Int16 = field()


@struct
class Feature:
    """One feature and the levels that the broker can run at."""

    name: String = field()
    min_supported_version: Int16 = field()
    max_supported_version: Int16 = field()


@struct
class BrokerRegistrationResponse:
    """The epoch of this registration."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    broker_epoch: Int64 = field(default=-1)


BROKER_REGISTRATION = Api(
    62, versions="0-4", flexible="0+", request=BrokerRegistrationRequest, response=BrokerRegistrationResponse
)
