"""All of Cairn's settings: one class, each read from the environment variable `CAIRN_<NAME>`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_data_dir() -> Path:
    return Path.home() / ".local" / "share" / "cairn"


def _default_cache_dir() -> Path:
    return Path.home() / ".cache" / "cairn"


class Settings(BaseSettings):
    """What an administrator can set. Every field has a default that is safe on one machine.

    Raises `pydantic.ValidationError` when a variable can't be understood; the command line prints it plainly.
    """

    model_config = SettingsConfigDict(env_prefix="CAIRN_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        default_factory=_default_data_dir, description="Where embedded servers, keys and spooled files live. One process at a time."
    )
    cache_dir: Path = Field(
        default_factory=_default_cache_dir,
        description="Where Neo4j's jars are kept after the first download; shared by all data directories.",
    )
    host: str = Field(default="127.0.0.1", description="The address the HTTP server listens on.")
    port: int = Field(default=8420, ge=0, le=65535, description="The HTTP server's port; 0 takes a free one.")
    tenant: str = Field(default="default", description="The tenant that the command line and new keys belong to.")
    url: str | None = Field(
        default=None, description="A Cairn elsewhere that the command line shall talk to, such as https://cairn.example.org."
    )
    token: SecretStr | None = Field(default=None, description="The API key that the command line uses; the operator's own when unset.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="How much is logged.")

    neo4j_uri: str | None = Field(
        default=None, description="A Neo4j 2026.08 or later to use (bolt:// or neo4j://). Unset: an embedded one is started."
    )
    neo4j_user: str = Field(default="neo4j", description="The user for `neo4j_uri`.")
    neo4j_password: SecretStr | None = Field(default=None, description="The password for `neo4j_uri`. Unset: no authentication.")
    neo4j_database: str = Field(default="neo4j", description="The database within that server.")
    neo4j_heap: str = Field(default="1g", pattern=r"^\d+[mg]$", description="The embedded Neo4j's Java heap.")
    neo4j_page_cache: str = Field(default="512m", pattern=r"^\d+[mg]$", description="The embedded Neo4j's page cache.")
    redis_url: str | None = Field(
        default=None, description="A Redis 6 or later to use (redis://, rediss://, unix://). Unset: an embedded one is started."
    )
    redis_memory: str = Field(default="256mb", pattern=r"^\d+(kb|mb|gb)$", description="How much memory the embedded Redis may use.")

    cache_ttl: float = Field(default=300.0, gt=0, description="Seconds after which a cached answer is dropped even when nothing changed.")
    policy_staleness: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Seconds for which a replica may use the rules it has before asking Neo4j whether they changed.",
    )
    request_timeout: float = Field(default=30.0, gt=0, description="Seconds a GraphQL request may take.")
    max_requests: int = Field(default=256, gt=0, description="HTTP requests that one process answers at a time.")
    max_waiting: int = Field(
        default=1_024, ge=0, description="HTTP requests that wait for their turn; more are told to come again (503, Retry-After)."
    )
    max_body_bytes: int = Field(default=4 * 1024 * 1024, gt=0, description="The largest request body.")
    max_json_depth: int = Field(default=64, gt=0, description="How deep a JSON request body may nest.")
    max_query_depth: int = Field(default=15, gt=0, description="How deep a GraphQL operation may nest.")
    max_query_tokens: int = Field(default=5000, gt=0, description="How many lexical tokens a GraphQL document may have.")
    max_query_aliases: int = Field(default=50, gt=0, description="How many aliases a GraphQL operation may use.")
    max_query_cost: int = Field(default=50_000, gt=0, description="The product of page sizes summed over a GraphQL operation.")

    community_interval: float = Field(
        default=3_600.0, ge=0, description="Seconds between looks at whether communities must be found again; 0 finds them only when asked."
    )

    import_roots: tuple[Path, ...] = Field(
        default=(), description="Folders from which principals without `admin` on `import` may import files (JSON list)."
    )
    import_batch: int = Field(default=20_000, gt=0, description="Triples in one transaction of an import.")
    import_max_literal_bytes: int = Field(default=4 * 1024 * 1024, gt=0, description="The longest literal an import accepts.")
    import_timeout: float = Field(default=30.0, gt=0, description="Seconds without a byte after which an import from a URL gives up.")

    embedder: str = Field(default="wordllama", description="What turns texts into vectors: wordllama, minilm, http, or a plugin's.")
    embedder_url: str | None = Field(
        default=None, description="The base of the embeddings endpoint for `http`, such as https://llm.example.org/v1."
    )
    embedder_model: str | None = Field(default=None, description="The model that the embeddings endpoint shall use.")
    embedder_key: SecretStr | None = Field(default=None, description="The key for the embeddings endpoint, sent as a bearer token.")
    embedder_dimensions: int | None = Field(default=None, gt=0, le=4096, description="How long the endpoint's vectors are.")
    embedder_timeout: float = Field(default=10.0, gt=0, description="Seconds the embeddings endpoint may take for one request.")
    embedder_patience: float = Field(default=25.0, gt=0, description="Seconds within which a failed request for embeddings is repeated.")
    embedder_batch: int = Field(default=64, gt=0, description="Texts in one request to the embeddings endpoint.")

    extractor: str = Field(default="", description="What reads facts out of new memories: nothing, chat, or a plugin's.")
    extractor_url: str | None = Field(
        default=None, description="The base of the chat endpoint for `chat`, such as https://llm.example.org/v1."
    )
    extractor_model: str | None = Field(default=None, description="The model that the chat endpoint shall use.")
    extractor_key: SecretStr | None = Field(default=None, description="The key for the chat endpoint, sent as a bearer token.")
    extractor_timeout: float = Field(default=60.0, gt=0, description="Seconds the chat endpoint may take for one request.")
    consolidation_interval: float = Field(
        default=900.0, ge=0, description="Seconds between consolidations of a tenant's memories in the background; 0 for none."
    )
    strength_half_life: float = Field(default=90.0, gt=0, description="Days without use after which a memory is half as strong.")
    request_retention: float = Field(
        default=86_400.0, ge=86_400, description="Seconds for which idempotency keys are remembered, a day at least."
    )
