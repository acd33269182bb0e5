"""Intervals and wave boundaries against the cardiologists' marks of LUDB."""
