"""One script per figure that the project claims; see README.md in this folder."""
