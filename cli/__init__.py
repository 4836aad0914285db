"""The operator's and the developer's command, `provision`."""
