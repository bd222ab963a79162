"""Text to symbol indices: symbols, cleaners, numbers, pronunciations, styles, sentences."""
