"""The few calls of AWS that are made."""
