"""Golden samples as examples."""

import json

from contract_release.asyncapi.schemas import Json
from contract_release.samples import samples
from contracts.fields import Contract
from contracts.registry import REGISTRY

CONTRACTED = {contracted.model: contracted for contracted in REGISTRY}


def example(model: type[Contract], label: str = "full") -> Json:
    return json.loads(samples(CONTRACTED[model])[label])


def message_example(model: type[Contract], label: str = "full") -> Json:
    return {"name": label, "payload": example(model, label)}
