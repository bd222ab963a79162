"""Layouts of recordings: recognised, shown, and only then taken."""
