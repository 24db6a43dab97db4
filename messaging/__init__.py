"""How bytes travel between services: the bus, its two adapters, and the outbox relay. No domain word in here."""
