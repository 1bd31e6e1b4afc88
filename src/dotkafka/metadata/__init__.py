"""What the cluster is, as immutable images: topics, partitions, settings."""
