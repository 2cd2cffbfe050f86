# SPDX-License-Identifier: Apache-2.0
"""
The status page in a headless Chromium, over pictures made by hand (page_server.c). PAGE_SERVER is
that program; with PAGE_PICTURES=FOLDER each look is kept there as a PNG for people to see.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from webdriver import Browser

READY = "return byId('sources').children.length === 3"
CARDS = "return document.querySelectorAll('#failures details').length"


class Server:
    def __init__(self):
        self._process = subprocess.Popen([os.environ["PAGE_SERVER"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().split()[1]}/"

    def show(self, picture):
        self._process.stdin.write(picture + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "shown\n":
            raise AssertionError(f"no picture {picture}")

    def stop(self):
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()


@unittest.skipUnless(os.environ.get("PAGE_SERVER"), "PAGE_SERVER is not set")
@unittest.skipUnless(shutil.which("chromedriver"), "Debian's chromium-driver is not installed")
class StatusPage(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.folder = tempfile.mkdtemp(prefix="imagepull-page-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def browse(self, picture, **window):
        self.server.show(picture)
        browser = Browser(shutil.which("chromedriver"), os.path.join(self.folder, "driver.log"), **window)
        self.addCleanup(browser.close)
        browser.open(self.server.url)
        browser.until(READY)
        return browser

    def keep(self, browser, name):
        folder = os.environ.get("PAGE_PICTURES", self.folder)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, name + ".png")
        browser.picture(path)
        with open(path, "rb") as image:
            self.assertEqual(image.read(8), b"\x89PNG\r\n\x1a\n")

    def assert_fits(self, browser):
        """Nothing sticks out to the right, where a phone would have to scroll."""
        wide, window = browser.run("return [document.documentElement.scrollWidth, window.innerWidth]")
        self.assertLessEqual(wide, window)

    def assert_silent(self, browser):
        complaints = [c for c in browser.complaints() if "favicon" not in c]
        self.assertEqual(complaints, [])

    def test_all_is_well(self):
        browser = self.browse("empty")
        self.assertIn("All is well", browser.text())
        self.assertEqual(browser.run("return byId('verdict').className"), "good")
        self.assertEqual(browser.run(CARDS), 0)
        self.assertEqual(browser.run("return document.title"), "image pulls on node-1")
        self.assert_silent(browser)
        self.keep(browser, "empty")

    def test_what_fails(self):
        browser = self.browse("golden")
        text = browser.text()
        for words in ("4 containers are blocked", "unauthorized (2)", "default/web-0", "4 attempts",
                      "Create the Secret regcred in namespace default.", "quay.io/team/big:1",
                      "4.0 KiB of 64.0 KiB", "2 containers wait", "stalled",
                      "Not answering: Container runtime", "recovered"):
            self.assertIn(words, text)
        self.assertEqual(browser.run(CARDS), 4)
        self.assertEqual(browser.run("return document.title"), "(4) image pulls on node-1")
        self.assertEqual(browser.run("return document.querySelector('#pulls progress').value"), 4096)
        self.assertNotIn("401 Unauthorized", text)  # in the evidence, which is closed
        browser.run("document.querySelector('#failures summary').click()")
        text = browser.text()
        for words in ("401 Unauthorized", "FailedToRetrieveImagePullSecret", "regcred (missing)"):
            self.assertIn(words, text)
        self.assert_silent(browser)
        self.keep(browser, "light")

    def test_dark(self):
        browser = self.browse("golden", dark=True)
        browser.run("document.querySelector('#failures summary').click()")
        colour = "return getComputedStyle(document.body).%s.match(/\\d+/g).map(Number)"
        self.assertLess(max(browser.run(colour % "backgroundColor")), 60)
        self.assertGreater(min(browser.run(colour % "color")), 200)
        self.keep(browser, "dark")

    def test_a_phone(self):
        browser = self.browse("golden", width=360, height=740)
        browser.run("document.querySelectorAll('summary').forEach((s) => s.click())")
        self.assert_fits(browser)
        self.keep(browser, "phone")

    def test_it_follows_what_changes(self):
        browser = self.browse("golden")
        browser.run("window.first = document.querySelector('#failures details');"
                    "window.first.querySelector('summary').click(); window.first.querySelector('summary').focus()")
        self.server.show("changed")
        browser.until("return document.body.innerText.includes('the newest')")
        self.assertEqual(browser.run(CARDS), 3)
        self.assertIn("5 attempts", browser.text())
        self.assertTrue(browser.run("return window.first.isConnected && window.first.open"))
        self.assertTrue(browser.run("return document.activeElement === window.first.querySelector('summary')"))
        self.server.show("empty")
        browser.until("return document.body.innerText.includes('All is well')")
        self.assertEqual(browser.run(CARDS), 0)

    def test_an_agent_that_goes_away(self):
        browser = self.browse("golden")
        self.server.stop()
        browser.until("return !byId('away').hidden")
        self.assertIn("No answer from the agent", browser.text())
        self.assertEqual(browser.run(CARDS), 4)  # the last that was known stays

    def test_hostile_names(self):
        browser = self.browse("hostile")
        browser.run("document.querySelectorAll('summary').forEach((s) => s.click())")
        text = browser.text()
        for words in ("<script>document.title='owned'</script>", "<img src=x onerror=", "\"'><b>bold", "a\ufffd\"'",
                      "__proto__/constructor", "javascript:alert(1)"):
            self.assertIn(words, text)
        self.assertEqual(browser.run("return document.querySelectorAll('script').length"), 1)
        self.assertEqual(browser.run("return document.querySelectorAll('img, b, iframe, object, [onerror]').length"), 0)
        self.assertRegex(browser.run("return document.title"), r"^\(3\) image pulls on <script>")
        self.assertNotEqual(browser.run("return document.title"), "owned")
        self.assert_fits(browser)
        self.assert_silent(browser)
        self.keep(browser, "hostile")

    def test_the_policy_stops_what_gets_in_all_the_same(self):
        browser = self.browse("empty")
        browser.run("const s = document.createElement('script'); s.textContent = 'window.owned = 1';"
                    "document.body.append(s);"
                    "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned = 2\">')")
        self.assertIsNone(browser.run("return window.owned || null"))
        self.assertTrue(any(re.search("Content Security Policy|Content-Security-Policy", c)
                            for c in browser.complaints()))

    def test_many(self):
        browser = self.browse("many")
        self.assertEqual(browser.run(CARDS), 250)
        self.assertIn("250 containers are blocked", browser.text())
        self.assertEqual(browser.run("return document.querySelectorAll('#failures h2').length"), 9)

    def test_a_source_that_is_down_is_not_all_well(self):
        browser = self.browse("down")
        self.assertNotIn("All is well", browser.text())
        self.assertIn("not everything can be read", browser.text())
        self.assertIn("list pods: connection refused", browser.text())
        self.keep(browser, "down")


if __name__ == "__main__":
    unittest.main()
