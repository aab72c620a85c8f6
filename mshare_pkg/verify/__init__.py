"""Verification of a fleet: what is expected, how it is read from a host, how it is judged, and the report."""
