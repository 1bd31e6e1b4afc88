"""Kafka's messages under Kafka's names: one module per API, and a few for records that are messages too.

Each class is the definition of a struct over all its versions, see `dotkafka.protocol.schema`. Field names are
Kafka's in snake case. All versions that Kafka ever released can be decoded, those included that Kafka 4.0 removed.
"""
