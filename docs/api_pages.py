"""A Sphinx extension: writes a page for each API and for each other module of messages, and the tables that list them.

All of it comes from the definitions in `dotkafka.protocol.messages` and the broker's registered handlers, so it cannot
say anything else. The pages are written into `docs/apis/` whenever the documentation is built; they are not kept.
"""

from __future__ import annotations

import importlib
import pkgutil
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dotkafka.broker.handlers
import dotkafka.protocol.messages
from dotkafka.broker.dispatch import HANDLERS
from dotkafka.protocol.apis import ApiKey, api_for
from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout
from dotkafka.protocol.schema import Message, Versions
from dotkafka.protocol.structs import UNSET, Field, Struct, value_types
from dotkafka.protocol.wire_types import ArrayOf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from sphinx.application import Sphinx

    from dotkafka.protocol.layout import ValueLayout
    from dotkafka.protocol.schema import Api
    from dotkafka.protocol.wire_types import ValueType

FOLDER: Final = Path(__file__).parent / "apis"
INDENT: Final = "&emsp;"


def setup(app: Sphinx) -> dict[str, bool]:
    """Have the pages written before Sphinx looks for pages."""
    app.connect("builder-inited", lambda _: write_pages(FOLDER))
    return {"parallel_read_safe": True}


def write_pages(folder: Path) -> None:
    """Write all pages and tables, and leave those alone that are as they were: Sphinx then need not read them again."""
    folder.mkdir(exist_ok=True)
    pages = {f"{key.name.lower()}.md": api_page(api_for(key)) for key in ApiKey}
    pages |= {f"{_name(module)}.md": module_page(module) for module in other_modules()}
    pages["_apis.txt"] = api_table()
    pages["_modules.txt"] = module_table()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def other_modules() -> list[ModuleType]:
    """Return the modules of messages that belong to no API."""
    package = dotkafka.protocol.messages
    names = {module.name for module in pkgutil.iter_modules(package.__path__)} - {key.name.lower() for key in ApiKey}
    return [importlib.import_module(f"{package.__name__}.{name}") for name in sorted(names)]


def api_table() -> str:
    """Return the table of all APIs."""
    lines = [
        "| key | API | versions | flexible | served | advertised | what it does |",
        "|---:|---|---|---|---|---|---|",
    ]
    for key in ApiKey:
        api, handler = api_for(key), HANDLERS.get(key)
        served, advertised = (handler.versions, handler.advertised) if handler else ("", "")
        link = f"[{api_name(api)}](apis/{key.name.lower()}.md)"
        cells = (int(key), link, api.versions, api.flexible, served, advertised, purpose(_module(api)))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def module_table() -> str:
    """Return the table of the other modules."""
    lines = ["| module of `dotkafka.protocol.messages` | what is in it |", "|---|---|"]
    lines += [f"| [{_name(module)}](apis/{_name(module)}.md) | {purpose(module)} |" for module in other_modules()]
    return "\n".join(lines) + "\n"


def api_page(api: Api[Any, Any]) -> str:
    """Return the page of an API."""
    handler = HANDLERS.get(api.key)
    constant = ApiKey(api.key).name
    flexible = "never flexible" if str(api.flexible) == "none" else f"flexible {api.flexible}"
    served = "dotkafka's broker does not serve it."
    if handler is not None:
        served = f"dotkafka's broker serves {handler.versions} and advertises {handler.advertised}."
    module = _module(api)
    return "\n\n".join(
        (
            f"# {api_name(api)}",
            f"Key {api.key}, versions {api.versions}, {flexible}. {served}",
            description(module),
            f"```python\nfrom {module.__name__} import {constant}\n```",
            message_section(api.request),
            message_section(api.response),
        )
    )


def module_page(module: ModuleType) -> str:
    """Return the page of a module of messages that belong to no API."""
    constants = {name: value for name, value in vars(module).items() if isinstance(value, Message)}
    sections = [message_section(message, constant) for constant, message in constants.items()]
    return "\n\n".join((f"# {_name(module)}", description(module), f"Module `{module.__name__}`.", *sections))


def message_section(message: Message[Any], constant: str = "") -> str:
    """Return what there is to say of a message: its fields, and what it looks like at each version."""
    parts = [f"## {message.struct.__name__}", message.struct.__doc__ or ""]
    if constant:
        parts.append(f"`{constant}`, versions {message.versions}, flexible {message.flexible}.")
    rows = list(field_rows(message.struct, message.versions))
    if rows:
        header = ["| field | type | versions | null | default | tag | |", "|---|---|---|---|---|---|---|"]
        parts.append("\n".join(header + rows))
    return "\n\n".join([*parts, *version_sections(message)]) + "\n"


def field_rows(
    struct: type[Struct], versions: Versions, depth: int = 0, holder: Versions | None = None
) -> Iterator[str]:
    """Yield a row for each field that a message of these versions has, and below it those of what it holds."""
    for item in struct.struct_fields:
        own = _shared(Versions.parse(item.versions), holder or versions)
        if str(own) == "none":
            continue
        held = value_types(struct)[item.name]
        element = held.element if isinstance(held, ArrayOf) else held
        nested = element if isinstance(element, type) else None
        null = _shared(Versions.parse(item.nullable), own)
        cells = (
            f"{INDENT * depth}`{item.name}`",
            type_name(held),
            _shown(own, versions),
            "" if str(null) == "none" else _shown(null, versions),
            _default(item),
            "" if item.tag is None else str(item.tag),
            (nested.__doc__ or "").partition("\n")[0] if nested is not None else "",
        )
        yield f"| {' | '.join(cells)} |"
        if nested is not None:
            yield from field_rows(nested, versions, depth + 1, own)


def version_sections(message: Message[Any]) -> Iterator[str]:
    """Yield what the message looks like on the wire, once for all versions that look the same."""
    numbers = range(message.versions.lowest, message.versions.highest + 1)

    def look(version: int) -> tuple[bool, str]:
        layout = message.layout(version)
        return layout.flexible, "\n".join(layout_lines(layout))

    for (is_flexible, text), same in groupby(numbers, look):
        group = list(same)
        title = f"Version {group[0]}" if len(group) == 1 else f"Versions {group[0]}-{group[-1]}"
        title += ", flexible" if is_flexible else ""
        yield f"<details><summary>{title}</summary>\n\n```text\n{text or 'no fields'}\n```\n\n</details>"


def layout_lines(layout: StructLayout, indent: str = "") -> Iterator[str]:
    """Yield the fields of a struct at one version, a line each, in the order of the wire."""
    for item in layout.fields:
        yield from _value_lines(item, item.name, indent)
    for item in layout.tagged:
        yield from _value_lines(item, f"tag {item.tag}: {item.name}", indent)


def _value_lines(item: FieldLayout, name: str, indent: str) -> Iterator[str]:
    null = " or null" if item.nullable else ""
    yield f"{indent}{name}: {_layout_name(item.type)}{null}"
    element = item.type.element if isinstance(item.type, ArrayLayout) else item.type
    if isinstance(element, StructLayout):
        yield from layout_lines(element, indent + "    ")


def _layout_name(held: ValueLayout) -> str:
    if isinstance(held, ArrayLayout):
        return f"array of {_layout_name(held.element)}"
    return held.cls.__name__ if isinstance(held, StructLayout) else held.name


def type_name(held: ValueType) -> str:
    """Return what a field holds, in few words."""
    if isinstance(held, ArrayOf):
        return f"array of {type_name(held.element)}"
    return held.__name__ if isinstance(held, type) else held.name


def api_name(api: Api[Any, Any]) -> str:
    """Return Kafka's name of an API."""
    return str(api.request.struct.__name__).removesuffix("Request")


def purpose(module: ModuleType) -> str:
    """Return what the module is for, as its first line says."""
    first = (module.__doc__ or "").partition("\n")[0]
    return first.partition("): ")[2] or first


def description(module: ModuleType) -> str:
    """Return the docstring of a module of messages, without what the title of its page says."""
    first, _, others = (module.__doc__ or "").partition("\n")
    text = first.partition("): ")[2] or first
    return f"{text[0].upper()}{text[1:]}\n{others}".strip()


def _default(item: Field) -> str:
    if item.default is UNSET:
        return ""
    return "null" if item.default is None else f"`{item.default}`"


def _shown(some: Versions, all_versions: Versions) -> str:
    """Return versions in Kafka's notation: with a + where they go on to the last."""
    return f"{some.lowest}+" if some.highest == all_versions.highest else str(some)


def _shared(some: Versions, others: Versions) -> Versions:
    lowest, highest = max(some.lowest, others.lowest), min(some.highest, others.highest)
    return Versions(lowest, highest) if lowest <= highest else Versions.parse("none")


def _module(api: Api[Any, Any]) -> ModuleType:
    return importlib.import_module(api.request.struct.__module__)


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]
