# SPDX-License-Identifier: Apache-2.0
"""Every Markdown page of the repository: its links and the files that it names exist."""

import glob
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Pages that say where things are. Other pages also name files of a node or of other projects.
MAPS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")


def pages():
    found = {}
    for folder, folders, files in os.walk(ROOT):
        skipped = (".", "build") if folder == ROOT else (".",)
        folders[:] = [name for name in folders if not name.startswith(skipped)]
        for name in files:
            if name.endswith(".md"):
                with open(os.path.join(folder, name)) as source:
                    found[os.path.relpath(os.path.join(folder, name), ROOT)] = source.read()
    return found


def anchors(text):
    """The anchors that GitHub makes of the headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.M)}


class Docs(unittest.TestCase):
    def test_links_lead_to_existing_files_and_headings(self):
        all_pages = pages()
        seen = 0
        for path, text in all_pages.items():
            for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text):
                seen += 1
                full = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
                with self.subTest(page=path, target=target, anchor=anchor):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, full)))
                    if anchor:
                        self.assertIn(anchor, anchors(all_pages[full]))
        self.assertGreater(seen, 60)

    def test_named_files_exist(self):
        named = set()
        for path in [*MAPS, *(page for page in pages() if page.startswith("docs/decisions/"))]:
            for name in re.findall(r"`((?:agent|cri|exporter|include|tests|scripts|deploy|docs|proto)/[\w./*-]*)`",
                                   pages()[path]):
                named.add(name)
                with self.subTest(page=path, name=name):
                    self.assertTrue(glob.glob(os.path.join(ROOT, name)))
        self.assertGreater(len(named), 30)

    def test_named_functions_exist(self):
        code = ""
        for path in glob.glob(os.path.join(ROOT, "**", "*.[ch]"), recursive=True):
            with open(path) as source:
                code += source.read()
        named = {name for text in pages().values() for name in re.findall(r"`(\w+)\(\)`", text)}
        self.assertGreater(len(named), 5)
        for name in named - {"rate", "increase"}:
            with self.subTest(name=name):
                self.assertRegex(code, rf"\b{name}\(")

    def test_every_decision_is_listed(self):
        listed = re.findall(r"^\| \[(\d{4})\]\((\d{4}-[\w-]+\.md)\) \|", pages()["docs/decisions/README.md"], re.M)
        files = sorted(os.path.basename(path) for path in glob.glob(os.path.join(ROOT, "docs/decisions/[0-9]*.md")))
        self.assertEqual([name for _, name in listed], files)
        self.assertEqual([number for number, _ in listed], [f"{n + 1:04}" for n in range(len(files))])


if __name__ == "__main__":
    unittest.main()
