"""Widgets of the notebooks: chooser, live panel, HTML, and events for busy cells."""
