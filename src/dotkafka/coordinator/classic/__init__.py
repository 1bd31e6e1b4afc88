"""The classic group protocol: members agree on an assignment through JoinGroup and SyncGroup, led by one of them."""
