"""Text to symbol ids: symbols, cleaners, numbers, pronunciations, styles, sentences."""
