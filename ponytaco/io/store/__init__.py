"""A store of checkpoints that verifies them, for disks that are slow, full or disconnected."""
