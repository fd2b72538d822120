"""What the log pipeline loses while Loki is away: nothing."""
