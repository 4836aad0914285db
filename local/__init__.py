"""The laptop stack: the shipped state machines and handlers on a real PostgreSQL, without Docker or AWS."""
