"""Names, and the packages that add some (entry-point group ``pyimgano.plugins``)."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from pyimgano import registry
from pyimgano.errors import InvalidInputError, PluginWarning, UnknownNameError
from pyimgano.registry import Entry, Registry

#: A plugin that counts its calls, one that adds, one that fails, and one that is not there.
MODULE = """
calls = []
def adds():
    from pyimgano.models import list_models, register_model
    calls.append(len(list_models()))
    register_model("from_a_plugin", dict, summary="added")
def fails():
    raise SystemExit("no licence")
"""


def install(folder: Path, *entries: str) -> None:
    """A distribution as an installer leaves it, with these entry points."""
    (folder / "some_plugin.py").write_text(MODULE)
    info = folder / "some_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(["[pyimgano.plugins]", *entries, ""]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for plugins, on the path, not asked yet."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_plugin", raising=False)
    monkeypatch.setattr(registry, "_PLUGINS", registry._Plugins())
    return tmp_path


def shelf() -> Registry[int]:
    """A registry with three names."""
    found: Registry[int] = Registry("shelf")
    for value, name in enumerate(("left", "right", "top")):
        found.add(Entry(name, value, tags=("side",) if value < 2 else ()))
    return found


def test_a_name_gives_what_was_registered_under_it() -> None:
    assert shelf().get("right").value == 1
    assert shelf().names() == ["left", "right", "top"]
    assert shelf().names(["side"]) == ["left", "right"]


def test_an_unknown_name_lists_the_nearest_ones() -> None:
    assert shelf().find("rihgt") is None
    with pytest.raises(UnknownNameError, match=r"unknown shelf 'rihgt'; did you mean 'right'\?"):
        shelf().get("rihgt")
    with pytest.raises(UnknownNameError, match="did you mean 'top'"):
        shelf().get("upper", meant="top")


def test_a_taken_name_is_refused_unless_it_is_the_same_entry_again() -> None:
    ours = shelf()
    ours.add(Entry("top", 2))
    with pytest.raises(InvalidInputError, match="shelf 'top' is registered already"):
        ours.add(Entry("top", 3))
    ours.add(Entry("top", 3), overwrite=True)
    assert ours.get("top").value == 3


@pytest.mark.parametrize("name", [None, 5, [], ""])
def test_names_are_texts(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="name of a shelf must be a text that is not empty"):
        shelf().add(Entry(name, 3))
    told = "unknown shelf ''. Known: left" if name == "" else "shelf must be a name, a text, got "
    with pytest.raises((InvalidInputError, UnknownNameError), match=re.escape(told)):
        shelf().get(name)


def test_plugins_are_asked_at_the_first_name_that_is_not_known_and_once(folder: Path) -> None:
    install(folder, "adds = some_plugin:adds")
    assert shelf().get("left").value == 0
    assert "some_plugin" not in sys.modules
    for _ in range(2):
        assert shelf().find("elsewhere") is None
    assert len(sys.modules["some_plugin"].calls) == 1


def test_a_plugin_adds_a_model_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyimgano.models import catalogue, create_model, list_models

    monkeypatch.setattr(catalogue._MODELS, "_entries", dict(catalogue._MODELS._entries))
    install(folder, "adds = some_plugin:adds")
    assert create_model("from_a_plugin", a=1) == {"a": 1}
    assert "from_a_plugin" in list_models()


def test_a_plugin_that_fails_is_one_warning_and_hinders_no_other(folder: Path) -> None:
    install(
        folder,
        "adds = some_plugin:adds",
        "fails = some_plugin:fails",
        "gone = some_plugin.gone:main",
        "odd = some_plugin:calls",
    )
    with pytest.warns(PluginWarning) as told:
        assert shelf().names() == ["left", "right", "top"]
    texts = sorted(str(one.message) for one in told)
    assert len(texts) == 3
    assert texts[0] == (
        "plugin 'fails' of package some-plugin (some_plugin:fails) is left out, it failed with"
        " SystemExit: no licence"
    )
    assert texts[1].startswith("plugin 'gone'")
    assert "ModuleNotFoundError" in texts[1]
    assert texts[2].startswith("plugin 'odd'")
    assert "TypeError" in texts[2]
    assert len(sys.modules["some_plugin"].calls) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shelf().find("elsewhere") is None
