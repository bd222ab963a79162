"""How often random tests draw: seldom by default, often under ``make soak``."""

import os

IS_SOAK = bool(os.environ.get("PONYTACO_SOAK"))


def often(n: int, in_soak: int = 10_000) -> int:
    """Return ``n`` in the suite, more under ``make soak``."""
    return in_soak if IS_SOAK else n
