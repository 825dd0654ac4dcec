"""What the README, the help and the set-up files say about each other is true."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from recsys_cli.errors import ExitCode

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md", "docs/file-formats.md")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_exit_code_is_in_the_readme():
    table = read("README.md").split("## Exit codes", 1)[1].split("##", 1)[0]
    rows = re.findall(r"^\| ([\d, ]+) \|", table, flags=re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == set(ExitCode)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/architecture.md"])
def test_every_option_that_a_page_names_exists(page):
    known = set(re.findall(r"--[a-z][a-z-]+", read("docs/cli.md"))) | {"--exclude"}  # the last is pip's
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", read(page))) <= known


@pytest.mark.parametrize("page", [*PAGES, "docs/cli.md", "docs/article.md", "sample_data/README.md"])
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", read(page))
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_the_tree_in_the_readme_is_the_tree():
    tree = read("README.md").split("## The tree", 1)[1].split("\n\n", 2)[1]
    described = {name.rstrip("/") for name in re.findall(r"^      (\w[\w.]*/?) ", tree, flags=re.MULTILINE)}
    there = {
        path.name
        for path in (ROOT / "recsys_cli").iterdir()
        if not path.name.startswith("__") and (path.is_dir() or path.suffix == ".py")
    }
    assert described == there


def same(name: str, other: str) -> bool:
    return name.lower().replace("_", "-") == other.lower().replace("_", "-")


def test_every_dependency_is_pinned_within_its_bounds_and_no_address_is_named():
    pins = [Requirement(line) for line in read("constraints.txt").splitlines() if "==" in line]
    project = tomllib.loads(read("pyproject.toml"))["project"]
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        requirement = Requirement(line)
        versions = [next(iter(pin.specifier)).version for pin in pins if same(pin.name, requirement.name)]
        assert versions, line
        assert all(Version(version) in requirement.specifier for version in versions), line
    assert "//" not in read("constraints.txt")


def test_the_licence_is_the_one_that_the_project_names():
    assert tomllib.loads(read("pyproject.toml"))["project"]["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in read("LICENSE")
