"""Running a Great Expectations suite and sorting its failing rows."""
