"""One file per thing that a job makes or changes: its handlers first, then action and compensation side by side."""
