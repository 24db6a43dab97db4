"""Answers "might this email exist?" from events alone."""
