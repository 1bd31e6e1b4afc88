"""Bytes to messages and back. Knows nothing of logs, groups or sockets.

`schema` is the notation that `messages` is written in, one module per API; `apis` leads from a key to its definition;
`headers` and `framing` are what stands around a message on the wire.
"""
