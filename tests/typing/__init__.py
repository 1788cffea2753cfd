"""What a type checker sees of the library, from a caller's side."""
