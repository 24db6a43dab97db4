"""The load generator: many connections from one process, read with as little as it takes."""
