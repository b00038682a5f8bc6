"""`tuning` and `switchKnob` over the whole path, and the metrics."""

from __future__ import annotations

import httpx
import pytest

from cairn.api.app import create_app
from cairn.api.client import Client
from cairn.api.services import Cairn
from cairn.learning.knobs import Mode

pytestmark = pytest.mark.anyio

TUNING = "{ tuning { score strains { name value } knobs { name value low high mode } moves(first: 5) { nodes { knob outcome } } } }"
SWITCH = """mutation ($mode: TuningMode!, $value: Float) { switchKnob(name: "batch", mode: $mode, value: $value) { name value mode } }"""


async def test_an_administrator_sees_and_steers_the_knobs(client: Client, cairn: Cairn) -> None:
    knobs = {knob["name"]: knob for knob in (await client.demand(TUNING))["tuning"]["knobs"]}
    assert {"readers", "batch", "breadth"} <= set(knobs)
    assert all(knob["low"] <= knob["value"] <= knob["high"] for knob in knobs.values())
    try:
        done = await client.demand(SWITCH, {"mode": "FROZEN", "value": 128.0})
        assert done["switchKnob"] == {"name": "batch", "value": 128.0, "mode": "FROZEN"}
        assert cairn.services.writer.batch == 128
        seen = {knob["name"]: knob for knob in (await client.demand(TUNING))["tuning"]["knobs"]}
        assert seen["batch"]["value"] == 128
        assert seen["batch"]["mode"] == "FROZEN"
    finally:  # what is kept of knobs is the same for every tenant on these servers
        await client.demand(SWITCH, {"mode": "ON", "value": 512.0})
    assert cairn.services.tuner.modes["batch"] is Mode.ON


async def test_operations_are_measured_by_class_and_metrics_tell_of_it(client: Client, cairn: Cairn) -> None:
    for number in range(25):
        await client.demand("query ($first: Int!) { agents(first: $first) { nodes { id } } }", {"first": number + 1})
    reading = cairn.services.tuner.figures.read()
    assert reading is not None
    assert reading.score > 0
    assert cairn.services.tuner.figures.strains["read"] > 0
    transport = httpx.ASGITransport(create_app(cairn))
    async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test") as http:
        page = (await http.get("/metrics")).text
    assert 'cairn_tuning_value{knob="batch"}' in page
    assert 'cairn_tuning_strain{name="read"}' in page
