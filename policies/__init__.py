"""The Casbin model, the rule store, and the compiler from rules to Access."""
