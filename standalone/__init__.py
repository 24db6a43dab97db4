"""All of Parley in one process: the four services on SQLite and the in-process bus, behind one port."""
