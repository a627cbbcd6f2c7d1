"""Broken links inside a built site: ``python docs/check_links.py BUILD`` prints them."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links, self.anchors = list[str](), set[str]()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep what a tag points to, and its own name."""
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name == "id" and value:
                self.anchors.add(value)


def broken(site: Path) -> list[str]:
    """Each link to a page, file or anchor of the site that is not there."""
    pages = {page: Links(page) for page in sorted(site.rglob("*.html"))}
    found = []
    for page, parts in pages.items():
        for link in parts.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            there = (page.parent / unquote(url.path)).resolve() if url.path else page
            there = there / "index.html" if there.is_dir() else there
            known = pages[there].anchors if there in pages else None
            if not there.exists() or (
                url.fragment and known is not None and url.fragment not in known
            ):
                found.append(f"{page.relative_to(site)}: {link}")
    return found


if __name__ == "__main__":
    faults = broken(Path(sys.argv[1]).resolve())
    print("\n".join(faults) or "No broken links.")
    sys.exit(bool(faults))
