"""Contracts on data, as Great Expectations suites."""
