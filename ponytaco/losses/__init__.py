"""What training minimises: Tacotron's loss, attention guidance, MMI, and their balance (GAF)."""
