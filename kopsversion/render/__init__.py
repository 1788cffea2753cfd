"""Answers as text for people and for programs.

A renderer takes values and returns text. It does no I/O, and must not know where the text goes.
"""
