"""`contracts/asyncapi.yaml`: what flows where, over the bus and the WebSocket, in one AsyncAPI 3 document."""

from contract_release.asyncapi.document import document
from contract_release.asyncapi.rendering import dump

PATH = "contracts/asyncapi.yaml"


def artefacts() -> dict[str, str]:
    return {PATH: dump(document())}
