"""What is on a page, read without a browser."""

import html.parser

_VOID = ("meta", "img", "wbr", "br", "link", "input", "hr")


class Page(html.parser.HTMLParser):
    """A page that is well formed: what is opened is closed, in order.

    Attributes:
      tags: name and attributes of each tag.
      sections: text of each section by its id.
      rows: cells of each row of a table, by the id of its section.
    """

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.sections, self.rows = [], {}, {}
        self._open, self._section = [], None
        self.feed(text)
        self.close()
        assert not self._open

    def attributes(self, tag: str, name: str) -> list[str]:
        """Values of an attribute of the tags that have it."""
        return [values[name] for found, values in self.tags if found == tag and name in values]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = dict(attrs)["id"]
            self.sections[self._section], self.rows[self._section] = "", []
        elif tag == "tr":
            self.rows[self._section].append([])
        elif tag in ("td", "th"):
            self.rows[self._section][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag
        if tag == "section":
            self._section = None

    def handle_data(self, data):
        if self._section:
            self.sections[self._section] += data
            if self._open[-1] in ("td", "th", "span"):
                self.rows[self._section][-1][-1] += data


def read_page(path: str) -> Page:
    """The page in a file."""
    with open(path, encoding="utf-8") as file:
        return Page(file.read())
