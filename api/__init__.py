"""The Starlette app: transports, authentication, query cache, limits, health."""
