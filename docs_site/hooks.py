"""Makes the pages that stand outside of docs/ part of the site, and has links among them lead there."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "readme.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Places in the repository, and on the site."""

PROMPTS = "rlm_integrations/core/prompts"
_PLACES = {site: repository for repository, site in PAGES.items()}
_FENCED = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for repository, site in PAGES.items():
        files.append(File.generated(config, site, content=(ROOT / repository).read_text("utf-8")))
    for prompt in sorted((ROOT / PROMPTS).glob("*.md")):
        text = f"# {prompt.name}\n\n`````markdown\n{prompt.read_text('utf-8').rstrip()}\n`````\n"
        files.append(File.generated(config, f"prompts/{prompt.name}", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    here = page.file.src_uri
    if here.startswith("prompts/"):
        return markdown
    folder = PurePosixPath(_PLACES.get(here, f"docs/{here}")).parent

    def link(match: re.Match[str]) -> str:
        image, words, url = match[1], match[2], match[3]
        if re.match(r"[a-z]+:|#", url):
            return match[0]
        path, _, anchor = url.partition("#")
        repository = posixpath.normpath(folder / path)
        if not (ROOT / repository).exists():
            raise PluginError(f"{here}: a link leads to {url}, which is not there")
        site = site_path(repository)
        if site is None:  # a file of the code, which is no page
            return words
        target = posixpath.relpath(site, posixpath.dirname(here) or ".")
        return f"{image}[{words}]({target}{'#' + anchor if anchor else ''})"

    parts, end = list[str](), 0
    for fence in _FENCED.finditer(markdown):
        parts += [_LINK.sub(link, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(link, markdown[end:])])


def site_path(repository: str) -> str | None:
    """Where a file of the repository stands on the site."""
    if repository in PAGES:
        return PAGES[repository]
    if repository.startswith(f"{PROMPTS}/"):
        return f"prompts/{posixpath.basename(repository)}"
    return repository.removeprefix("docs/") if repository.startswith("docs/") else None
