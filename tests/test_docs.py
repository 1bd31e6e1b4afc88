"""The documentation tells the truth about the code."""

import re
from pathlib import Path

import attrs
import pytest

from dotkafka.broker import handlers  # noqa: F401 (importing it registers the handlers)
from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.dispatch import HANDLERS
from dotkafka.coordinator.config import GroupConfig
from dotkafka.protocol.apis import ApiKey, api_for

ROOT = Path(__file__).parent.parent
API_ROW = re.compile(r"^\| (\d+) \| (\w+) \| ([\d-]+) \| ([\d+-]+|none) \|", re.MULTILINE)
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


def test_every_api_of_the_codec_is_listed_with_its_versions() -> None:
    """The page of the codec tells which APIs and versions can be decoded, and from where on these are flexible."""
    page = (ROOT / "docs/codec.md").read_text()
    listed = {int(key): (name, versions, flexible) for key, name, versions, flexible in API_ROW.findall(page)}
    assert listed == {
        api.key: (api.request.struct.__name__.removesuffix("Request"), str(api.versions), str(api.flexible))
        for api in map(api_for, ApiKey)
    }


def test_every_other_module_of_messages_is_listed() -> None:
    """The same page names the modules of messages that belong to no API."""
    modules = {path.stem for path in (ROOT / "src/dotkafka/protocol/messages").glob("[a-z]*.py")}
    named = set(re.findall(r"`(\w+)`(?=[^|]*\|)", (ROOT / "docs/codec.md").read_text()))
    assert modules - {key.name.lower() for key in ApiKey} <= named


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
