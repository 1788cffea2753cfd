"""Answers as text for people and for programs. A renderer reads values and returns text, and does no I/O."""
