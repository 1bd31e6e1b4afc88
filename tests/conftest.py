"""What holds for all tests."""

import os

from hypothesis import settings

# Runs by hand look for new examples; CI tries the same ones each time, so that a failure there is about the change.
settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI") == "true":
    settings.load_profile("ci")
