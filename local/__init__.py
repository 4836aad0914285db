"""The laptop stack: the shipped state machine and handlers on a real PostgreSQL, without Docker and without AWS."""
