"""Numbered schema migrations, applied at start under a lock."""
