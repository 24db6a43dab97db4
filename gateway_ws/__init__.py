"""WebSocket connections: who is connected, what they are told, what they ask. No database."""
