"""Relay connections over pages (https://relay.dev/graphql/connections.htm)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import strawberry

from ..graph.pages import Page

T = TypeVar("T")
S = TypeVar("S")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether the list goes on after this page.")
    has_previous_page: bool = strawberry.field(description="Whether this page was asked for with `after`.")
    start_cursor: str | None = strawberry.field(description="The cursor of the page's first item.")
    end_cursor: str | None = strawberry.field(description="The cursor of the page's last item; pass it as `after` for the next page.")


@strawberry.type(description="An item and its place in the list.")
class Edge(Generic[T]):
    node: T = strawberry.field(description="The item.")
    cursor: str = strawberry.field(description="Its place; stays valid while the list grows.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The items with their cursors.")
    nodes: list[T] = strawberry.field(description="The items.")
    page_info: PageInfo = strawberry.field(description="Where this page stands.")


def connect(page: Page[S], wrap: Callable[[S], T], after: str | None) -> Connection[T]:
    """The connection of a page, its items wrapped into their GraphQL type."""
    nodes = [wrap(item) for item in page.items]
    edges = [Edge(node=node, cursor=cursor) for node, cursor in zip(nodes, page.cursors, strict=True)]
    info = PageInfo(
        has_next_page=page.more,
        has_previous_page=after is not None,
        start_cursor=page.cursors[0] if page.cursors else None,
        end_cursor=page.cursors[-1] if page.cursors else None,
    )
    return Connection(edges=edges, nodes=nodes, page_info=info)


def nothing(after: str | None) -> Connection[T]:
    """An empty connection."""
    empty: Page[T] = Page((), (), more=False)
    return connect(empty, lambda item: item, after)
