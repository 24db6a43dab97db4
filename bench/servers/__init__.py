"""What of ours is measured alone, each in a process of its own."""
