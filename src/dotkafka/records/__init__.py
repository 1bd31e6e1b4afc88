"""What a partition is made of: record batches, the records in them, control markers, compression."""
