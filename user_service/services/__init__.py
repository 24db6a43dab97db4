"""What user_service does."""
