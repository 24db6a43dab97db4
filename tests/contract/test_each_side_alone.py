"""A team that has one service can run its side of the contracts: nothing in it needs another service."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.routing import Service

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("service", Service)
def test_the_contract_tests_of_a_service_import_no_other(service: Service) -> None:
    imported = {name.partition(".")[0] for name in _imported_by((REPOSITORY / "tests/contract" / service).glob("*.py"))}

    assert service in imported
    assert not imported & ({*Service, "standalone"} - {service})


def _imported_by(tests: Iterator[Path]) -> set[str]:
    """All modules that some tests import, themselves or by way of `tests.support`."""
    found: set[str] = set()
    left = list(tests)
    while left:
        names = set(_imports(left.pop())) - found
        found |= names
        support = [REPOSITORY / f"{name.replace('.', '/')}" for name in names if name.startswith("tests.support")]
        left += [path for one in support for path in (one.with_suffix(".py"), one / "__init__.py") if path.exists()]
    return found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
