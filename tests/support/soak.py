"""How long the tests that draw by chance take: short by default, long under ``make soak``."""

import os

IS_SOAK = bool(os.environ.get("PONYTACO_SOAK"))


def often(n: int, in_soak: int = 10_000) -> int:
    """How often a test draws: ``n`` times in the suite, more under ``make soak``."""
    return in_soak if IS_SOAK else n
