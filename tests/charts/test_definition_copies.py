"""The CRDs of the chart: those of crds/, kept at uninstallation, never read as templates."""

from pathlib import Path

import yaml
from tests.charts.rendering import CHART, Manifest, of_kind, render

from gopd_api.__main__ import DEFINITIONS, generated

ROOT = CHART.parents[1]


def originals() -> dict[str, Manifest]:
    found = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    return {definition["metadata"]["name"]: definition for definition in found}


def test_the_chart_installs_the_definitions_of_crds(objects: list[Manifest]) -> None:
    rendered = {found["metadata"]["name"]: found for found in of_kind(objects, "CustomResourceDefinition")}
    for definition in rendered.values():
        assert definition["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered == originals()


def test_the_copies_are_generated(tmp_path: Path) -> None:
    folders = {path.parent for path in generated()} - {Path("docs")}
    assert folders == set(DEFINITIONS)
    copies = sorted((CHART / "files" / "crds").iterdir())
    assert {path.name: path.read_bytes() for path in copies} == {
        path.name: path.read_bytes() for path in (ROOT / "crds").glob("*.yaml")
    }


def test_they_can_be_left_to_somebody_else() -> None:
    assert of_kind(render({"crds": {"install": False}}), "CustomResourceDefinition") == []
