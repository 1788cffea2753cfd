"""Answers as text for people and for programs.

A renderer reads values and returns text. It does no I/O: it must not know where the text goes.
"""
