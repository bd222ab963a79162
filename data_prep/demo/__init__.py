"""Demo character: sentences of a small grammar, spoken by a synthetic voice."""
