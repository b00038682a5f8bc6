"""The GraphQL schema, one module per noun."""

from __future__ import annotations

import strawberry
from strawberry.printer import print_schema

from .agents import AgentMutation, AgentQuery
from .communities import CommunityMutation, CommunityQuery
from .consolidation import ConsolidationMutation, ConsolidationQuery
from .embedding import EmbeddingQuery
from .encryption import EncryptionMutation, EncryptionQuery
from .entities import EntityMutation, EntityQuery
from .facts import FactMutation, FactQuery
from .fields import guard_fields
from .imports import ImportMutation, ImportQuery, ImportSubscription
from .keys import KeyMutation, KeyQuery
from .ledger import LedgerMutation, LedgerQuery
from .memories import MemoryMutation, MemoryQuery, MemorySubscription
from .models import ModelMutation, ModelQuery
from .policies import PolicyMutation, PolicyQuery
from .prefetching import PrefetchingQuery
from .prompts import ContextQuery
from .recall import RecallMutation, RecallQuery
from .scalars import CONFIG
from .states import StateMutation, StateQuery, StateSubscription
from .tuning import TuningMutation, TuningQuery


@strawberry.type
class Query(
    PolicyQuery,
    AgentQuery,
    StateQuery,
    MemoryQuery,
    RecallQuery,
    ContextQuery,
    EntityQuery,
    FactQuery,
    CommunityQuery,
    ImportQuery,
    LedgerQuery,
    KeyQuery,
    ModelQuery,
    EmbeddingQuery,
    ConsolidationQuery,
    EncryptionQuery,
    TuningQuery,
    PrefetchingQuery,
):
    """Everything that can be read."""


@strawberry.type
class Mutation(
    AgentMutation,
    StateMutation,
    MemoryMutation,
    RecallMutation,
    EntityMutation,
    FactMutation,
    CommunityMutation,
    ConsolidationMutation,
    ImportMutation,
    KeyMutation,
    PolicyMutation,
    LedgerMutation,
    ModelMutation,
    EncryptionMutation,
    TuningMutation,
):
    """Everything that can be changed. An idempotencyKey makes a repeated call harmless."""


@strawberry.type
class Subscription(MemorySubscription, StateSubscription, ImportSubscription):
    """Everything that can be listened to."""


SHAREABLE = frozenset({"entity", "entities", "paths", "graphs"})
"""Query fields whose answer is the same for all who have the same effective permissions."""


def build_schema() -> strawberry.Schema:
    """The schema, its hideable fields guarded."""
    schema = strawberry.Schema(query=Query, mutation=Mutation, subscription=Subscription, config=CONFIG)
    guard_fields(schema)
    return schema


def sdl() -> str:
    """The schema in the schema definition language, as it is published in `schema/schema.graphql`."""
    return print_schema(build_schema()) + "\n"
