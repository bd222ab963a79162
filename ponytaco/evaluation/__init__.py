"""How good a voice is: spoken, recognised, scored, and shown on a page."""
