"""The consumer group protocol (KIP-848): the coordinator assigns, members follow with one heartbeat each."""
