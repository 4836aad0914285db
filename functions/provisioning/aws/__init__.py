"""The few AWS APIs that are called."""
