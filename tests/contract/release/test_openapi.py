"""`contracts/openapi/`, as it is committed."""

import json
from pathlib import Path

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from contract_release import openapi
from contracts.routing import Service

REPOSITORY = Path(__file__).parents[3]


def test_the_documents_are_what_the_services_say() -> None:
    for path, text in openapi.artefacts().items():
        assert (REPOSITORY / path).read_text() == text, f"{path} is not what the code says: make contracts"


def test_there_is_one_document_for_each_service() -> None:
    committed = {file.stem for file in (REPOSITORY / "contracts/openapi").iterdir()}

    assert committed == {service.value for service in Service}


@pytest.mark.parametrize("service", Service)
def test_each_is_a_valid_document(service: Service) -> None:
    document = json.loads((REPOSITORY / "contracts/openapi" / f"{service}.json").read_text())

    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []
