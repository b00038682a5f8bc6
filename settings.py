"""All of Cairn's settings: one class, each read from the environment variable `CAIRN_<NAME>`."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]
"""Signatures by a private key. None by a shared secret, and not `none`."""


class Provider(BaseModel):
    """One OpenID Connect provider whose tokens let their bearers in. Raises `pydantic.ValidationError` for what would be no safe choice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$", description="What its principals begin with: oidc:<name>:<subject>.")
    issuer: str = Field(max_length=500, description="Its `iss`, exactly.")
    audience: str = Field(min_length=1, max_length=500, description="What `aud` must be or hold, exactly.")
    jwks_url: str | None = Field(default=None, description="Where its keys are. Unset: its discovery document says.")
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "ES256"), min_length=1, description="The algorithms it signs with.")
    tenant: str | None = Field(default=None, description="The tenant its principals belong to. Unset: CAIRN_TENANT.")
    tenant_claim: str | None = Field(default=None, description="A claim that tells the tenant, by way of `tenants`.")
    tenants: dict[str, str] = Field(default={}, description="From the values of that claim to tenants. Other values let nobody in.")
    roles_claim: str = Field(default="roles", description="A claim that holds roles or groups; dots lead into objects.")
    roles: dict[str, str] = Field(default={}, description="From the values of that claim to roles. Other values give nothing.")
    networks: tuple[str, ...] = Field(default=(), description="Private networks that it may be in, such as 10.1.0.0/16.")
    ca: Path | None = Field(default=None, description="A file of certificates, when its own is issued by none of the usual authorities.")

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        """An https URL; http only to this machine, for trying things out."""
        if value is not None:
            parts = urlsplit(value)
            if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
                raise ValueError("must be an https URL without user, query and fragment")
            if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
                raise ValueError("must be an https URL")
        return value

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        return value

    @model_validator(mode="after")
    def _tenants_go_with_their_claim(self) -> Self:
        if (self.tenant_claim is None) != (not self.tenants) or (self.tenant_claim is not None and self.tenant is not None):
            raise ValueError("give either tenant, or tenant_claim and tenants")
        return self


def is_loopback(host: str) -> bool:
    """Whether a host, as written in a URL, is this machine itself."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _default_data_dir() -> Path:
    return Path.home() / ".local" / "share" / "cairn"


def _default_cache_dir() -> Path:
    return Path.home() / ".cache" / "cairn"


class WitnessSetting(BaseModel):
    """A witness of the ledgers: where its `add-checkpoint` is, and its public key as `cairn witness` prints it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: HttpUrl
    key: str = Field(min_length=1)


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
    env: Literal["development", "production"] = Field(
        default="development",
        description="`production` refuses to start while something is open that should not be; see `cairn doctor`.",
    )
    tls_cert: Path | None = Field(default=None, description="The HTTP server's certificate with its chain, PEM. Unset: plain HTTP.")
    tls_key: Path | None = Field(default=None, description="The key of `tls_cert`, PEM, not encrypted.")
    tls_client_ca: Path | None = Field(default=None, description="Authorities, PEM; every client must show a certificate from one of them.")
    behind_proxy: bool = Field(default=False, description="A proxy in front ends TLS, and nobody else reaches the HTTP server.")
    graphiql: bool | None = Field(default=None, description="Whether /graphql shows browsers GraphiQL. Unset: in development.")
    tenant: str = Field(default="default", description="The tenant that the command line and new keys belong to.")
    url: str | None = Field(
        default=None, description="A Cairn elsewhere that the command line shall talk to, such as https://cairn.example.org."
    )
    url_ca: Path | None = Field(default=None, description="Authorities for `url`, PEM. Unset: the usual ones.")
    url_cert: Path | None = Field(default=None, description="The certificate that the command line shows a Cairn with `tls_client_ca`.")
    url_key: Path | None = Field(default=None, description="The key of `url_cert`.")
    token: SecretStr | None = Field(default=None, description="The API key that the command line uses; the operator's own when unset.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="How much is logged.")

    neo4j_uri: str | None = Field(
        default=None, description="A Neo4j 2026.08 or later to use (bolt:// or neo4j://). Unset: an embedded one is started."
    )
    neo4j_user: str = Field(default="neo4j", description="The user for `neo4j_uri`.")
    neo4j_password: SecretStr | None = Field(default=None, description="The password for `neo4j_uri`. Unset: no authentication.")
    neo4j_ca: Path | None = Field(default=None, description="Authorities for a bolt+s:// or neo4j+s:// server, PEM. Unset: the usual ones.")
    neo4j_database: str = Field(default="neo4j", description="The database within that server.")
    neo4j_heap: str = Field(default="1g", pattern=r"^\d+[mg]$", description="The embedded Neo4j's Java heap.")
    neo4j_page_cache: str = Field(default="512m", pattern=r"^\d+[mg]$", description="The embedded Neo4j's page cache.")
    redis_url: str | None = Field(
        default=None,
        description="A Redis 6 or later (redis://, rediss://, unix://, redis+cluster://, redis+sentinel://). Unset: an embedded one.",
    )
    redis_ca: Path | None = Field(default=None, description="Authorities for a rediss:// server, PEM. Unset: the usual ones.")
    redis_memory: str = Field(default="256mb", pattern=r"^\d+(kb|mb|gb)$", description="How much memory the embedded Redis may use.")

    encryption: bool = Field(
        default=True, description="Whether the data of new tenants is encrypted at rest; an administrator can turn it on and off for each."
    )
    master_key: str = Field(default="file", description="What keeps the master key: file, or a plugin's name.")
    master_key_file: Path | None = Field(
        default=None, description="The file with the master keys for `file`; `master.key` in the data directory when unset."
    )

    cache_ttl: float = Field(default=300.0, gt=0, description="Seconds after which a cached answer is dropped even when nothing changed.")
    cache_memory: int = Field(
        default=64 * 1024 * 1024,
        ge=0,
        description="Bytes of cached answers that each process keeps in its own memory, in front of Redis; 0 for none.",
    )
    prefetch: bool = Field(
        default=True, description="Whether what agents will probably ask for next is computed ahead, with their permissions, in idle time."
    )
    prefetch_precision: float = Field(
        default=0.6, ge=0.1, le=0.95, description="How much of what is computed ahead must be asked for; where it is less, nothing is."
    )
    prefetch_concurrency: int = Field(
        default=4, gt=0, description="Requests and prefetches of one process together, up to which prefetches are begun."
    )
    prefetch_crowd: float = Field(
        default=200, gt=0, description="Requests a second of one process beside which it still learns what comes next, and runs it ahead."
    )
    prefetch_rate: float = Field(
        default=50_000, gt=0, description="Cost that one process may spend a second on prefetches, a session a quarter of it."
    )
    oidc: tuple[Provider, ...] = Field(
        default=(),
        description="OpenID Connect providers whose tokens are taken beside API keys (JSON list of objects).",
    )

    policy_staleness: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Seconds for which a replica may use the rules it has before asking Neo4j whether they changed.",
    )
    request_timeout: float = Field(default=30.0, gt=0, description="Seconds a GraphQL request may take.")
    drain: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="Seconds after SIGTERM for which requests are still taken while /readyz says 503, so that a balancer turns away.",
    )
    operator: bool = Field(
        default=True, description="Whether who owns the data directory is an administrator, by a key of the principal `operator` in it."
    )
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
    rate_limit: float = Field(default=500_000, ge=0, description="Cost that one principal may spend a second; 0 for no limit.")
    rate_burst: float = Field(default=5_000_000, ge=1, description="Cost that one principal may spend at once after a quiet time.")
    tenant_rate_limit: float = Field(default=2_000_000, ge=0, description="Cost that one tenant may spend a second; 0 for no limit.")
    tenant_rate_burst: float = Field(default=20_000_000, ge=1, description="Cost that one tenant may spend at once after a quiet time.")
    refusal_limit: float = Field(
        default=20, ge=0, description="Refused requests a second, of one principal, or of one address without a valid key; 0 for no limit."
    )
    refusal_burst: float = Field(default=1_000, ge=1, description="Refused requests at once after a quiet time.")
    max_connections: int = Field(default=4_000, gt=0, description="Open connections to one process.")
    max_streams: int = Field(default=100, gt=0, description="Open WebSockets and event streams of one principal to one process.")
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="Proxies whose X-Forwarded-For is believed: addresses or networks (JSON list)."
    )
    trusted_documents: Path | None = Field(
        default=None, description="A folder of .graphql files, or a JSON manifest: only these operations run. Unset: any."
    )

    community_interval: float = Field(
        default=3_600.0, ge=0, description="Seconds between looks at whether communities must be found again; 0 finds them only when asked."
    )

    import_roots: tuple[Path, ...] = Field(
        default=(), description="Folders from which principals without `admin` on `import` may import files (JSON list)."
    )
    import_batch: int = Field(default=20_000, gt=0, description="Triples in one transaction of an import.")
    import_max_literal_bytes: int = Field(default=4 * 1024 * 1024, gt=0, description="The longest literal an import accepts.")
    import_networks: tuple[str, ...] = Field(
        default=(), description="Private networks whose URLs may be imported without `admin` on `import`, such as 10.1.0.0/16 (JSON list)."
    )
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
    tuning: Literal["on", "advise", "off"] = Field(
        default="on", description="Whether Cairn tunes its own knobs, or only advises; administrators can say otherwise for each knob."
    )
    tuning_interval: float = Field(default=2.0, ge=0.2, le=60, description="Seconds between two readings of the tuner.")
    tuning_p95_read: float = Field(default=0.25, gt=0, description="Seconds that 95 of 100 computed queries shall not exceed.")
    tuning_p95_write: float = Field(default=0.5, gt=0, description="Seconds that 95 of 100 mutations shall not exceed.")
    tuning_p95_recall: float = Field(default=0.5, gt=0, description="Seconds that 95 of 100 recalls and contexts shall not exceed.")
    tuning_recall_found: float = Field(
        default=0.95, gt=0, lt=1, description="The part of a much wider search's ten best memories that recall shall find, on a sample."
    )
    tuning_staleness: float = Field(
        default=7_200.0, gt=0, description="Seconds for which the tuner may leave a tenant's memories without consolidation."
    )
    strength_half_life: float = Field(default=90.0, gt=0, description="Days without use after which a memory is half as strong.")
    request_retention: float = Field(
        default=86_400.0, ge=86_400, description="Seconds for which idempotency keys are remembered, a day at least."
    )

    ledger_key_file: Path | None = Field(
        default=None, description="The file with the key that signs the ledgers; `ledger.key` in the data directory when unset."
    )
    ledger_keys: tuple[str, ...] = Field(
        default=(),
        description="Public keys (JSON list) whose checkpoints are taken as well: of replicas with a key of their own, of earlier keys.",
    )
    witnesses: tuple[WitnessSetting, ...] = Field(
        default=(), description="Witnesses that each checkpoint is shown to: a JSON list of objects with `url` and `key`."
    )
    witness_quorum: int = Field(default=1, ge=1, description="How many witnesses must cosign a checkpoint for it to count as witnessed.")
    anchors: tuple[str, ...] = Field(default=(), description="Where checkpoints are anchored (JSON list): file, or a plugin's.")
    anchor_file: Path | None = Field(default=None, description="The file that the anchor `file` appends checkpoints to.")
    anchor_interval: float = Field(default=60.0, gt=0, description="Seconds between two checkpoints of a ledger that are anchored.")

    @property
    def shows_graphiql(self) -> bool:
        """Whether browsers are shown GraphiQL."""
        return self.env == "development" if self.graphiql is None else self.graphiql

    @field_validator("oidc")
    @classmethod
    def _providers_are_apart(cls, value: tuple[Provider, ...]) -> tuple[Provider, ...]:
        """Names make principals, and issuers tell providers apart."""
        if len({provider.name for provider in value}) < len(value) or len({provider.issuer for provider in value}) < len(value):
            raise ValueError("two providers have the same name or issuer")
        return value
