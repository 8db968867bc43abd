"""docs/settings.md, made of the settings' models."""

import json
from pathlib import Path
from typing import Any, Final

from cellblock_producer.gateway import GatewaySettings
from cellblock_worker.settings import GATEWAY_PREFIX, PREFIX, Settings
from pydantic import BaseModel
from pydantic.fields import FieldInfo

PAGE: Final = Path(__file__).parents[2] / "docs" / "settings.md"
_HEAD: Final = """\
# Settings

Made from the settings' models by `make docs`; a test fails where it is not up to date. Every setting is an
environment variable, read once at the start; one that is unknown or unfit ends the command with code 2.
"""
_TABLE: Final = "\n| variable | meaning | default | allowed |\n|---|---|---|---|\n"


def page() -> str:
    """The page as it must be."""
    worker = "\n## Worker, and the commands\n" + _TABLE + _rows(Settings, PREFIX)
    gateway = "\n## Gateway\n" + _TABLE + _rows(GatewaySettings, GATEWAY_PREFIX)
    return _HEAD + worker + gateway


def _rows(model: type[BaseModel], prefix: str) -> str:
    schema = model.model_json_schema(mode="validation")["properties"]
    rows = []
    for name, field in model.model_fields.items():
        variable, meaning = f"`{prefix}{name.upper()}`", (field.description or "").replace("|", "\\|")
        rows.append(f"| {variable} | {meaning} | {_default(field)} | {_allowed(schema[name])} |\n")
    return "".join(rows)


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "of this machine"
    default = field.default
    if default is None or default in ("", ()):
        return ""
    if isinstance(default, dict):
        return f"`{json.dumps({name: {} for name in default})}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _allowed(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kinds = [schema, *schema.get("anyOf", [])]
    for low, high in (("minimum", "maximum"), ("exclusiveMinimum", "maximum")):
        for kind in kinds:
            if low in kind:
                above = "above " if low == "exclusiveMinimum" else ""
                return f"{above}{kind[low]}" + (f" to {kind[high]}" if high in kind else " or more")
    return "true, false" if schema.get("type") == "boolean" else ""
