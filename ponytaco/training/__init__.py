"""Training: sessions, the loop, its steps and schedules."""
