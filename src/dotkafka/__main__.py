"""`python -m dotkafka`, the same as `dotkafka`."""

from dotkafka.cli import main

raise SystemExit(main())
