"""The panel: one live page for people who would rather look than read."""
