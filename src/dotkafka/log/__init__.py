"""The history of one partition: what it accepts, remembers and gives back. Decides, and never does I/O."""
