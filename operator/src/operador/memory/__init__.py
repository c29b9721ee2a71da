"""The operator's state in memory, none of which needs to survive a restart."""
