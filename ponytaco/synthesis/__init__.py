"""Text to speech with a trained voice."""
