import csv
import io
from html.parser import HTMLParser

from kd_tf.study.rendering import CSV_COLUMNS, csv_text, heading, html, markdown
from kd_tf.study.tables import Cell, Claim, Row, Table

OURS, SCRATCH = Cell("ours_8", "top1", 75.06), Cell("scratch_8", "top1", 66.12)
OURS_PAIRS, SCRATCH_PAIRS = Cell("ours_8", "lfw_accuracy", 96.18), Cell("scratch_8", "lfw_accuracy")
CONTROL, LARGE = Cell("continued_8", "top1"), Cell("large_ours_8", "top1", 70.98)
TABLE = Table(
    "table2",
    "Ours & <others>, percent",
    ("top-1 <%>", "LFW"),
    (
        Row("Scratch", (SCRATCH, SCRATCH_PAIRS)),
        Row("Ours", (OURS, OURS_PAIRS)),
        Row("W_S0 < Ours", (CONTROL, None), control=True),
        Row("large: Ours", (LARGE, None)),
        Row("large: a control", (Cell("large_continued_8", "top1"), None), control=True),
    ),
    (
        Claim("Ours is above Scratch", ((OURS, SCRATCH),)),
        Claim("Ours > <W_S0>", ((OURS, CONTROL),), control=True),
        Claim("Ours is above Ours", ((LARGE, OURS),)),
    ),
)


def _scores(**values):
    return {stage: {seed: {"top1": value} for seed, value in enumerate(each)} for stage, each in values.items()}


# Standard deviations 1 and 2, of the control the root of 1/3; advantages 4, 5, 6, whose interval ends 4.3027 / sqrt(3) from 5, and
# over the control 3, 5, 7, twice as far.
SCORES = _scores(ours_8=[84.0, 86.0, 88.0], scratch_8=[80.0, 81.0, 82.0], continued_8=[81.0, 81.0, 81.0])
SENTENCES = [
    "Holds: Ours is above Scratch: +5.00 (the paper: +8.94), 95% interval +2.52 to +7.48 over 3 seeds.",
    "Holds (control): Ours > <W_S0>: +5.00, 95% interval +0.03 to +9.97 over 3 seeds.",
]
LEGEND = (
    "Mean ± standard deviation over the seeds [the paper's value]; * is a control, which the paper does not have. "
    "Below, differences above 0 speak for what is said, and intervals are Student's t over the seeds."
)


def test_markdown():
    assert markdown(TABLE, SCORES) == "\n".join(
        [
            "### Table 2: Ours & <others>, percent (3 seeds)",
            "",
            "| network       |            top-1 <%> |       LFW |",
            "| ------------- | -------------------: | --------: |",
            "| Scratch       | 81.00 ± 1.00 [66.12] |           |",
            "| Ours          | 86.00 ± 2.00 [75.06] | - [96.18] |",
            "| W_S0 < Ours * |         81.00 ± 0.00 |           |",
            "",
            LEGEND,
            "",
            "Not measured here: large.",
            "",
            *(f"- {sentence}" for sentence in SENTENCES),
            "",
        ]
    )


def test_markdown_of_one_seed():
    text = markdown(TABLE, _scores(ours_8=[84.0]))
    assert text.startswith("### Table 2: Ours & <others>, percent (1 seed)\n")
    assert "| Ours    | 84.00 [75.06] | - [96.18] |" in text
    # One cell alone says nothing of a claim, and a control that is not shown needs no legend.
    assert text.endswith(
        "\nMean ± standard deviation over the seeds [the paper's value].\n\nNot measured here: Scratch; W_S0 < Ours; large.\n"
    )


def test_a_table_that_nobody_measured_shows_the_paper():
    lines = markdown(TABLE, {}).splitlines()
    assert lines[0] == "### Table 2: Ours & <others>, percent (not measured)"
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:9]] == [
        ["Scratch", "- [66.12]", ""],
        ["Ours", "- [75.06]", "- [96.18]"],
        ["W_S0 < Ours *", "", ""],
        ["large: Ours", "- [70.98]", ""],
        ["large: a control *", "", ""],
    ]
    assert lines[9:] == ["", "Mean ± standard deviation over the seeds [the paper's value]; * is a control, which the paper does not have."]


def test_a_study_under_way_says_so():
    assert heading(TABLE, _scores(ours_8=[84.0, 85.0], scratch_8=[80.0, 81.0])).endswith("(2 seeds)")
    words = "(2 seeds, not all of them in every cell: the study is under way)"
    assert heading(TABLE, _scores(ours_8=[84.0, 85.0], scratch_8=[80.0])).endswith(words)
    assert heading(TABLE, {"ours_8": {0: {"top1": 84.0}}, "scratch_8": {1: {"top1": 80.0}}}).endswith(words)
    # What is another table's is not looked at.
    assert heading(TABLE, _scores(ours_8=[84.0, 85.0], alignment_teacher=[80.0])).endswith("(2 seeds)")


def test_csv_read_back():
    scores = {**SCORES, "scratch_8": {2: {"top1": 82.5}, 0: {"top1": 80.0, "lfw_accuracy": 96.7}}}
    lines = list(csv.DictReader(io.StringIO(csv_text(TABLE, scores))))
    assert tuple(lines[0]) == CSV_COLUMNS
    assert [tuple(line.values()) for line in lines] == [
        # Of 80 and 82.5: half their difference times the root of two.
        ("table2", "Scratch", "top-1 <%>", "false", "top1", "scratch_8", "66.12", "81.25", "1.767767", "0;2", "80;82.5"),
        ("table2", "Scratch", "LFW", "false", "lfw_accuracy", "scratch_8", "", "96.7", "", "0", "96.7"),
        ("table2", "Ours", "top-1 <%>", "false", "top1", "ours_8", "75.06", "86", "2", "0;1;2", "84;86;88"),
        ("table2", "Ours", "LFW", "false", "lfw_accuracy", "ours_8", "96.18", "", "", "", ""),
        ("table2", "W_S0 < Ours", "top-1 <%>", "true", "top1", "continued_8", "", "81", "0", "0;1;2", "81;81;81"),
    ]


def test_csv_quotes_what_has_commas():
    row = Row('a, "b"; c', (Cell("a", "top1"),))
    (line,) = csv.DictReader(io.StringIO(csv_text(Table("table3", "t", ("(0, 1)",), (row,), ()), {})))
    assert (line["row"], line["column"], line["mean"]) == ('a, "b"; c', "(0, 1)", "")


class _Elements(HTMLParser):
    """Elements as (tag, attributes, text with that of its children), in the order of their ends; all must be closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        begun, attributes, texts = self.open.pop()
        assert begun == tag
        self.elements.append((tag, attributes, "".join(texts)))

    def handle_data(self, data):
        for _, _, texts in self.open:
            texts.append(data)

    def of(self, tag):
        return [(attributes, text) for begun, attributes, text in self.elements if begun == tag]


def test_html_parsed():
    page = _Elements(html(TABLE, SCORES))
    assert page.of("caption") == [({}, "Table 2: Ours & <others>, percent (3 seeds)")]
    rows = {"scope": "row"}
    columns = {"scope": "col"}
    assert page.of("th") == [
        (columns, "network"), (columns, "top-1 <%>"), (columns, "LFW"), (rows, "Scratch"), (rows, "Ours"), (rows, "W_S0 < Ours *"),
    ]  # fmt: skip
    assert page.of("td") == [({}, text) for text in ("81.00 ± 1.00 [66.12]", "", "86.00 ± 2.00 [75.06]", "- [96.18]", "81.00 ± 0.00", "")]
    assert page.of("span") == [({"class": "paper"}, f"[{value}]") for value in ("66.12", "75.06", "96.18")]
    assert [attributes for attributes, _ in page.of("tr")] == [{}, {}, {}, {"class": "control"}]
    assert [text for _, text in page.of("p")] == [LEGEND, "Not measured here: large."]
    assert page.of("li") == [({}, SENTENCES[0]), ({"class": "control"}, SENTENCES[1])]
    assert len(page.of("thead")) == len(page.of("tbody")) == len(page.of("table")) == len(page.of("ul")) == 1


def test_html_without_sentences_and_notes_has_no_list():
    text = html(Table("table3", "t", ("<script>alert(1)</script>",), (Row("<b>", (OURS,)),), ()), _scores(ours_8=[1.0]))
    assert "<ul>" not in text and "Not measured" not in text
    assert "<script" not in text and "<b>" not in text and "style=" not in text
    assert ({"scope": "col"}, "<script>alert(1)</script>") in _Elements(text).of("th")
