"""A run's folder, its history, and how far it has come."""
