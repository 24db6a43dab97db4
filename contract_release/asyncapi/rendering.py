"""YAML for people to read: in the order given, what is short on one line, texts as blocks, nothing behind an anchor."""

from typing import Any

import yaml

from contract_release.asyncapi.schemas import Json

_WIDTH = 120
_SHORT = 80
"""Characters of what stands on one line."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = _are_short([part for pair in node.value for part in pair])
        return node

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = _are_short(node.value)
        return node


def _are_short(nodes: list[yaml.Node]) -> bool:
    scalars = [node for node in nodes if isinstance(node, yaml.ScalarNode) and node.style != "|"]
    return len(scalars) == len(nodes) and sum(len(node.value) for node in scalars) <= _SHORT


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
_Dumper.add_multi_representer(str, _text)


def dump(document: dict[str, Json]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
