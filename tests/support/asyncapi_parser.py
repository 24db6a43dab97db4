"""The official AsyncAPI parser, a Node.js program that `make test` installs beside its lock file."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[1] / "contract" / "asyncapi"


def verdicts(documents: Sequence[str]) -> list[list[str]]:
    """For each document what the parser has to say against it. Skips the test where there is no Node.js, but in CI."""
    node = shutil.which("node")
    if node is None or not (_FOLDER / "node_modules").is_dir():
        reason = "Node.js or the official AsyncAPI parser is missing: install Node.js with npm, then `make test`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        [node, "validate.js"], cwd=_FOLDER, input=json.dumps(documents), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    heard: list[list[str]] = json.loads(done.stdout)
    return heard
