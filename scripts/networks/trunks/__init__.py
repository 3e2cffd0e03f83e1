"""Trunks: what turns a film, or a block of it, into maps; each can start from weights that others trained."""
