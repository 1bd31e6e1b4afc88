"""The documentation tells the truth about the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from dotkafka.broker import handlers  # noqa: F401 (importing it registers the handlers)
from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.dispatch import HANDLERS
from dotkafka.coordinator.config import GroupConfig
from dotkafka.protocol.apis import ApiKey, api_for
from dotkafka.protocol.layout import ArrayLayout, StructLayout
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.testing.history import Anomaly

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parent.parent
API_ROW = re.compile(r"^\| (\d+) \| (\w+) \| ([\d-]+) \| ([\d-]+) \|", re.MULTILINE)
GENERATED_ROW = re.compile(
    r"^\| (\d+) \| \[(\w+)\]\((.+)\) \| ([\d-]+) \| ([\d+]+|none) \| ([\d-]*) \| ([\d-]*) \| (.+) \|$", re.MULTILINE
)
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXPLAINED = r'[^\n]*\n(?:    [^"\n][^\n]*\n|        [^\n]*\n|    \)\n)*    """'
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def test_every_api_is_listed_with_its_versions() -> None:
    """The table of APIs is the list of registered handlers, with the versions they serve and advertise."""
    page = (ROOT / "docs/compatibility.md").read_text()
    listed = {int(key): (name.lower(), served, advertised) for key, name, served, advertised in API_ROW.findall(page)}
    assert listed == {
        key: (handler.name.replace("_", "").lower(), str(handler.versions), str(handler.advertised))
        for key, handler in HANDLERS.items()
    }


@pytest.fixture(name="api_pages", scope="module")
def fixture_api_pages() -> ModuleType:
    """The extension of Sphinx that writes the pages of messages."""
    spec = importlib.util.spec_from_file_location("api_pages", ROOT / "docs/api_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="written", scope="module")
def fixture_written(api_pages: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of each page of messages and table of them, by the name of its file."""
    folder = tmp_path_factory.mktemp("docs") / "apis"
    api_pages.write_pages(folder)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_api_is_listed_with_all_that_holds_of_it(written: dict[str, str]) -> None:
    """The versions of the codec and of the broker, from where on they are flexible, what it is for, and its page."""
    rows = GENERATED_ROW.findall(written["_apis.txt"])
    assert len(rows) == len(ApiKey)
    for key, name, page, versions, flexible, served, advertised, purpose in rows:
        api, handler = api_for(int(key)), HANDLERS.get(int(key))
        assert (name, versions, flexible) == (
            api.request.struct.__name__.removesuffix("Request"),
            str(api.versions),
            str(api.flexible),
        )
        assert (served, advertised) == ((str(handler.versions), str(handler.advertised)) if handler else ("", ""))
        assert purpose in (importlib.import_module(api.request.struct.__module__).__doc__ or "")
        assert f"# {name}\n" in written[Path(page).name]


def test_every_other_module_of_messages_is_listed(written: dict[str, str]) -> None:
    """With a page each."""
    modules = {path.stem for path in (ROOT / "src/dotkafka/protocol/messages").glob("[a-z]*.py")}
    others = modules - {key.name.lower() for key in ApiKey}
    assert set(re.findall(r"^\| \[(\w+)\]", written["_modules.txt"], re.MULTILINE)) == others
    assert {f"{name}.md" for name in modules} | {"_apis.txt", "_modules.txt"} == set(written)


def field_names(layout: StructLayout) -> list[str]:
    """Return the names of all fields in the order of the wire, nested ones behind what holds them."""
    names = []
    for item in (*layout.fields, *layout.tagged):
        names.append(item.name)
        held = item.type.element if isinstance(item.type, ArrayLayout) else item.type
        names += field_names(held) if isinstance(held, StructLayout) else []
    return names


@pytest.mark.parametrize("key", ApiKey, ids=lambda key: key.name.lower())
def test_a_page_shows_each_message_at_each_version(key: ApiKey, written: dict[str, str]) -> None:
    """A version is in the heading of exactly one list of fields, and these are all it has, in their order."""
    api = api_for(key)
    _, request, response = written[f"{key.name.lower()}.md"].split("\n## ")
    for message, section in ((api.request, request), (api.response, response)):
        shown: dict[int, list[str]] = {}
        for first, last, text in re.findall(
            r"<summary>Versions? (\d+)(?:-(\d+))?.*?```text\n(.*?)```", section, re.DOTALL
        ):
            names = re.findall(r"^ *(?:tag \d+: )?(\w+):", text, re.MULTILINE)
            for version in range(int(first), int(last or first) + 1):
                assert version not in shown
                shown[version] = names
        expected = range(message.versions.lowest, message.versions.highest + 1)
        assert shown == {version: field_names(message.layout(version)) for version in expected}
        assert all(f"`{name}`" in section for names in shown.values() for name in names)


def test_pages_are_left_alone_when_nothing_has_changed(api_pages: ModuleType, tmp_path: Path) -> None:
    """So that Sphinx need not read them again."""
    api_pages.write_pages(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    api_pages.write_pages(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


GIVEN: dict[str, dict[str, Any]] = {
    "configuration.md": {},
    "codec.md": {
        "data": METADATA.encode_request(12, MetadataRequest(topics=None)),
        "from_client": b"",
        "from_broker": b"",
    },
    "histories.md": {},
    "tooling.md": {},
}
"""What the blocks of a page may take for granted, beside what those before them define."""


@pytest.mark.parametrize("page", GIVEN)
def test_the_python_of_a_page_runs(page: str) -> None:
    """Every block, one after another as a reader would try them."""
    names = dict(GIVEN[page])
    for block in PYTHON_BLOCK.findall((ROOT / "docs" / page).read_text()):
        exec(compile(block, page, "exec"), names)


def test_every_anomaly_is_listed() -> None:
    """In the order of their definition, each with a sentence."""
    rows = re.findall(r"^\| ([\w -]+) \| \w.*\. \|$", (ROOT / "docs/histories.md").read_text(), re.MULTILINE)
    assert rows == list(Anomaly)


@pytest.mark.parametrize("config", [BrokerConfig, GroupConfig])
def test_every_setting_is_explained(config: type) -> None:
    """Each setting has a text under it, which the page of settings shows."""
    source = Path(str(ROOT / "src" / config.__module__.replace(".", "/")) + ".py").read_text()
    unexplained = [
        field.name
        for field in attrs.fields(config)
        if not re.search(rf"^    {field.name}: {EXPLAINED}", source, re.MULTILINE)
    ]
    assert unexplained == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and every file named in a page is there."""
    text = page.read_text()
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    named = re.findall(r"`((?:src|tests|docs|examples|bench|requirements)/[\w./-]+?)`", text)
    missing = [target for target in targets if not (page.parent / target).exists()]
    missing += [name for name in named if not (ROOT / name).exists() and "<" not in name]
    assert missing == []
