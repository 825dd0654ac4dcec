"""What each command can be told: frozen, checked, and written into every artifact."""
