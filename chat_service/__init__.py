"""Rooms, members and messages."""
