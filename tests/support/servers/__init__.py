"""Real RabbitMQ and PostgreSQL servers for tests, found, started or installed on whatever machine this is."""
