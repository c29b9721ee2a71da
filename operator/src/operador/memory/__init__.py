"""What the operator keeps in memory: nothing that a restart would miss."""
