"""Scripts that resolve is measured beside: the least that its job takes, and how one might do it without thinking."""
