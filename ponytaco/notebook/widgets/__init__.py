"""What the notebooks' cells are drawn with: events, chooser, panel, HTML."""
