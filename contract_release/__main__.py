"""`python -m contract_release`: what `make contracts` does."""

import sys

from contract_release import asyncapi, openapi, release, topology


def main() -> None:
    artefacts: dict[str, str] = {}
    for module in (release, topology, openapi, asyncapi):
        try:
            artefacts |= module.artefacts()
        except release.Refused as error:
            sys.exit(str(error))
    for path, text in artefacts.items():
        _write(path, text.encode())


def _write(path: str, content: bytes) -> None:
    file = release.REPOSITORY / path
    if file.exists() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
