"""What the site does beyond MkDocs: it keeps the repository's paths, and fills in two pages.

Because the paths are the repository's, every link works on GitHub and in the site.
"""

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_PATHS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE",
    "docs/*.md",
    "docs/samples/*",
    "notebooks/*.ipynb",
    "notebooks/*.png",
    "benchmarks/results/*",
    "experiments/results/*",
)
_SETTINGS_HERE = "<!-- settings -->"
_ON_GITHUB = re.compile(r"<!-- GitHub -->.*?<!-- /GitHub -->\n*", re.DOTALL)
_MAP_HERE = "<!-- CONTRIBUTING.md: The map -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the repository's files in the place of those that MkDocs found below docs/."""
    root = Path(config.config_file_path).parent
    for found in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(found)
    for path in sorted(path for pattern in _PATHS for path in root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        files.append(File(name, str(root), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Fill in what is written elsewhere, and would be written twice."""
    root = Path(config.config_file_path).parent
    markdown = _ON_GITHUB.sub("", markdown)
    if _SETTINGS_HERE in markdown:
        source = (root / "ponytaco" / "config.py").read_text(encoding="utf-8")
        markdown = markdown.replace(_SETTINGS_HERE, settings_table(source))
    if _MAP_HERE in markdown:
        contributing = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
        the_map = contributing.split("\n## The map\n")[1].split("\n## ")[0]
        markdown = markdown.replace(_MAP_HERE, the_map)
    return markdown


def settings_table(source: str) -> str:
    """The settings of ponytaco/config.py, read and not imported, a table for each section."""
    tables = []
    for section in (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)):
        rows = []
        for node in section.body:
            match node:
                case ast.AnnAssign(
                    target=ast.Name(id=name),
                    value=ast.Call(func=ast.Name(id="_setting"), args=[default, doc]),
                ):
                    meaning = ast.literal_eval(doc).replace("|", r"\|")
                    rows.append(f"| `{name}` | `{ast.unparse(default)}` | {meaning} |")
        if rows:
            title = section.name.removesuffix("Config").lower()
            tables.append("\n".join([f"## {title}\n", "| setting | default | meaning |",
                                     "|---|---|---|", *rows]))  # fmt: skip
    if not tables:
        raise ValueError("docs/hooks.py finds no settings in ponytaco/config.py any more.")
    return "\n\n".join(tables)
