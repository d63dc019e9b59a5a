"""Records become candidate rows: the shape of a log, its conversations, times and outcomes."""
