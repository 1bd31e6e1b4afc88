"""The whole broker, without I/O: requests and time in, responses and storage work out. See `dotkafka.broker.broker`."""
