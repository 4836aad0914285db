"""One file per stage: its Lambda handler first, then its action, then its compensation."""
