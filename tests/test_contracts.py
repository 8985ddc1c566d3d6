"""What must stay true of the tree itself: rooms, sources, places it names, changelog fragments."""

from __future__ import annotations

import ast
import configparser
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from emu.cli.main import app
from emu.measure.tolerance import load_tolerances

ROOT = Path(__file__).resolve().parents[1]
GENERATED = {"examples/digits/weights.c", "examples/digits/test_images.c"}
IGNORED_FOLDERS = {"build", "dist", "__pycache__"}

# A key is words joined by hyphens (TRM-M7, jnk0le-m7), or a vendor's document number (RM0433).
KEY = r"(?:[A-Za-z]\w+(?:-\w+)+|(?:RM|AN|DDI|DS|PM|ES)\d{4,5})"
BRACKETED = re.compile(rf"(?<!ignore)\[({KEY})(?: [^\]\n]*)?\](?!\()")
STAND_INS = {"measured", "fitted", "assumed"}


def files(*suffixes: str) -> list[Path]:
    """Every file of the tree with one of these suffixes (all files when none is given)."""
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in {".ci"} for part in parts[:-1])
        if hidden or IGNORED_FOLDERS & set(parts) or any(p.endswith(".egg-info") for p in parts):
            continue
        if path.is_file() and (not suffixes or path.suffix in suffixes):
            found.append(path)
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def documented_keys() -> set[str]:
    text = (ROOT / "docs" / "sources.md").read_text()
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


def prose_of_python(path: Path) -> Iterator[str]:
    """Docstrings and comments of a module; its code may hold brackets that are no source."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node, clean=False) or ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def prose_of_c(path: Path) -> Iterator[str]:
    yield from re.findall(r"/\*.*?\*/|//[^\n]*", path.read_text(), re.DOTALL)


def cited_keys(path: Path) -> set[str]:
    """Source keys that a file cites, in brackets."""
    if path.suffix == ".py":
        prose = prose_of_python(path)
    elif path.suffix in {".c", ".h", ".S", ".j2"}:
        prose = prose_of_c(path)
    else:
        prose = iter([path.read_text()])
    return {key for text in prose for key in BRACKETED.findall(text)}


def yaml_sources(path: Path) -> Iterator[str]:
    """Every text under a key `source` of a YAML file, at any depth."""
    waiting: list[Any] = [YAML(typ="safe").load(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            source = node.get("source")
            if isinstance(source, str):
                yield source
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def test_import_contracts_hold() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as lint; lint()",
    ]
    result = subprocess.run(
        [*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_unicorn_is_imported_in_one_room() -> None:
    importers = {
        relative(path)
        for path in files(".py")
        if re.search(r"^\s*(?:import|from) unicorn\b", path.read_text(), re.MULTILINE)
    }
    strangers = {p for p in importers if not p.startswith(("emu/backends/", "tests/", "ci/"))}
    assert not strangers


def test_every_source_key_in_brackets_is_documented() -> None:
    cited = {
        key: relative(path)
        for path in files(".py", ".c", ".h", ".S", ".j2", ".yaml", ".md")
        for key in cited_keys(path)
        if path.name != "sources.md"
    }
    assert cited, "no source is cited anywhere: the pattern is broken"
    unknown = {key: path for key, path in cited.items() if key not in documented_keys()}
    assert not unknown, "keys that docs/sources.md lacks"


def test_every_source_of_a_board_file_is_documented_or_says_what_it_is() -> None:
    allowed = documented_keys() | STAND_INS
    heads = {
        (relative(path), re.split(r"[\s;,:]", source)[0])
        for path in files(".yaml")
        if relative(path).startswith("boards/")
        for source in yaml_sources(path)
    }
    assert heads, "no board file has a source: the pattern is broken"
    assert not {(path, head) for path, head in heads if head not in allowed}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("as in [TRM-M7 4.2]", {"TRM-M7"}),
        ("[jnk0le-m7] and [RM0433 4.3.8]", {"jnk0le-m7", "RM0433"}),
        ("shape [N, H, W, C], index [i-1], set [a-z]", set()),
        ("[a-link](https://example.org)", set()),
        ("type: ignore[arg-type]", set()),
    ],
)
def test_a_source_key_is_told_from_other_brackets(text: str, keys: set[str]) -> None:
    assert set(BRACKETED.findall(text)) == keys


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    # Spelled with classes so that this file does not match itself.
    machine = re.compile(r"(?<![\w.])/(?:h[o]me|U[s]ers|r[o]ot|w[o]rk|m[n]t)/\w|\.\./sh[a]red")
    found = {}
    for path in files():
        if relative(path) in GENERATED or path.suffix in {".npz", ".elf", ".png"}:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if machine.search(line):
                found[f"{relative(path)}:{number}"] = line.strip()[:100]
    assert not found


def test_changelog_fragments_have_a_known_kind() -> None:
    towncrier = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    kinds = {kind["directory"] for kind in towncrier["type"]}
    for path in (ROOT / "changelog.d").glob("*.md"):
        parts = path.name.split(".")
        assert parts[1] in kinds, f"{path.name}: kind is none of {sorted(kinds)}"
        assert path.read_text().strip(), f"{path.name} is empty"


def test_readme_begins_with_the_two_commands() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.S | re.M)
    assert "emu run examples/digits --board h743" in blocks[0]
    assert "pytest" in blocks[1]
    ci_run = (ROOT / ".ci" / "run").read_text()
    test_commands = re.findall(r"python -m pytest[^\n]*", blocks[1])
    assert test_commands
    assert test_commands[0] in ci_run


def test_architecture_names_every_top_level_folder() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    folders = {
        path.relative_to(ROOT).parts[0] for path in files() if len(path.relative_to(ROOT).parts) > 1
    }
    missing = {f for f in folders if not f.startswith(".") and f"{f}/" not in text}
    assert missing <= {"changelog.d"}


def test_paths_that_documents_name_exist() -> None:
    rooms = r"(?:boards|ci|docs|emu|engine|examples|nas|tests)/[\w./-]*"
    documents = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    missing = {
        f"{relative(document)}: {path}"
        for document in documents
        for path in re.findall(rf"`({rooms})`", document.read_text())
        if not (ROOT / path).exists()
    }
    assert not missing


def test_configured_rooms_exist() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    layers = setup["importlinter:contract:emu-floors"]["layers"].split()
    missing = [
        layer
        for layer in layers
        if not (ROOT / (layer.replace(".", "/") + ".py")).is_file()
        and not (ROOT / layer.replace(".", "/") / "__init__.py").is_file()
    ]
    assert not missing


def test_every_data_file_of_a_package_is_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["*"].replace(",", " ").split()
    installed = {pattern.removeprefix("**/*") for pattern in patterns}
    left_out = [
        relative(path)
        for room in ("emu", "engine", "nas", "boards")
        for path in files()
        if path.is_relative_to(ROOT / room)
        and path.suffix != ".py"
        and path.suffix not in installed
        and path.name not in installed
    ]
    assert not left_out


def documented_commands() -> list[str]:
    """Every `emu ...` command line of the README and of the workflow templates."""
    texts = [path.read_text() for path in (ROOT / "README.md", *(ROOT / "ci").glob("*.yml"))]
    joined = "\n".join(texts).replace("\\\n", " ")
    return re.findall(r"(?<![\w/-])emu (?:run|compare|boards) [^\n`|&>#]*", joined)


def test_documented_commands_use_options_that_exist() -> None:
    commands = documented_commands()
    assert commands
    for command in commands:
        words = [word for word in command.split()[1:] if not word.startswith("$")]
        verbs = words[:2] if words[0] == "boards" else words[:1]
        node: Any = typer.main.get_command(app)
        for verb in verbs:
            node = node.get_command(None, verb)
        known = {option for parameter in node.params for option in parameter.opts}
        used = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert used <= known, f"{command}: {sorted(used - known)}"


def test_template_of_tolerances_is_read() -> None:
    assert load_tolerances(ROOT / "ci" / "tolerance.yaml").rules
