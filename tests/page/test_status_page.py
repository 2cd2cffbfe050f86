# SPDX-License-Identifier: Apache-2.0
"""
The status page in a headless Chromium, with snapshots from page_server.c. PAGE_SERVER is the path of
that program. With PAGE_PICTURES=FOLDER, screenshots are stored there as PNG files.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from webdriver import Browser

READY = "return byId('sources').children.length === 3"
CARDS = "return document.querySelectorAll('#failures details').length"

# The lowest contrast between a text and its background, and that text.
CONTRAST = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => numbers(colour).slice(0, 3).map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (e) => {
  const colour = getComputedStyle(e).backgroundColor;
  return numbers(colour)[3] === 0 ? behind(e.parentElement) : colour;
};
let worst = [99, ""];
for (const e of document.body.querySelectorAll("*")) {
  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
  const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
  const contrast = (a + 0.05) / (b + 0.05);
  if (contrast < worst[0]) worst = [contrast, e.innerText];
}
return worst;
"""


class Server:
    def __init__(self):
        self._process = subprocess.Popen([os.environ["PAGE_SERVER"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().split()[1]}/"

    def show(self, snapshot):
        self._process.stdin.write(snapshot + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "shown\n":
            raise AssertionError(f"unknown snapshot {snapshot}")

    def freeze(self, on):
        self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def stop(self):
        self._process.stdin.close()
        self._process.wait(timeout=120)
        self._process.stdout.close()


@unittest.skipUnless(os.environ.get("PAGE_SERVER"), "PAGE_SERVER is not set")
@unittest.skipUnless(shutil.which("chromedriver"), "Debian's chromium-driver is not installed")
class StatusPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="imagepull-page-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.browser = Browser(shutil.which("chromedriver"), cls.folder)
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def browse(self, snapshot, **window):
        self.server.show(snapshot)
        self.browser.open(self.server.url, **window)
        self.browser.until(READY)
        return self.browser

    def screenshot(self, browser, name):
        folder = os.environ.get("PAGE_PICTURES", self.folder)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, name + ".png")
        browser.screenshot(path)
        with open(path, "rb") as image:
            self.assertEqual(image.read(8), b"\x89PNG\r\n\x1a\n")

    def assert_fits(self, browser):
        """The page is not wider than the window."""
        wide, window = browser.run("return [document.documentElement.scrollWidth, window.innerWidth]")
        self.assertLessEqual(wide, window)

    def assert_no_errors(self, browser):
        messages = [c for c in browser.messages() if "favicon" not in c]
        self.assertEqual(messages, [])

    def test_healthy_node(self):
        browser = self.browse("empty")
        self.assertIn("OK: ", browser.text())
        self.assertEqual(browser.run("return byId('verdict').className"), "good")
        self.assertEqual(browser.run(CARDS), 0)
        self.assertEqual(browser.run("return document.title"), "image pulls on node-1")
        # The source of events is off.
        self.assertIn("not known: missing pull Secrets", browser.text())
        self.assert_no_errors(browser)
        self.screenshot(browser, "empty")

    def test_what_limits_leave_out_is_not_ok(self):
        browser = self.browse("left-out")
        self.assertIn("Not known completely", browser.text())
        self.assertIn("pods (104)", browser.text())
        self.assertNotIn("OK: ", browser.text())
        self.assertEqual(browser.run("return byId('verdict').className"), "warn")
        self.assertEqual(browser.run("return document.title"), "(?) image pulls on node-1")
        self.assert_no_errors(browser)

    def test_failures(self):
        browser = self.browse("golden")
        text = browser.text()
        for words in ("4 containers are blocked", "unauthorized (2)", "default/web-0", "4 attempts",
                      "Create the Secret regcred in namespace default.", "quay.io/team/big:1",
                      "4.0 KiB of 64.0 KiB", "2 containers wait", "stalled",
                      "Not available: Container runtime", "recovered"):
            self.assertIn(words, text)
        self.assertEqual(browser.run(CARDS), 4)
        self.assertEqual(browser.run("return document.title"), "(4) image pulls on node-1")
        self.assertEqual(browser.run("return document.querySelector('#pulls progress').value"), 4096)
        self.assertNotIn("401 Unauthorized", text)  # it is in the evidence, which is not open
        browser.run("document.querySelector('#failures summary').click()")
        text = browser.text()
        for words in ("401 Unauthorized", "FailedToRetrieveImagePullSecret", "regcred (missing)"):
            self.assertIn(words, text)
        self.assert_no_errors(browser)
        self.screenshot(browser, "light")

    def test_dark(self):
        browser = self.browse("golden", dark=True)
        browser.run("document.querySelector('#failures summary').click()")
        colour = "return getComputedStyle(document.body).%s.match(/\\d+/g).map(Number)"
        self.assertLess(max(browser.run(colour % "backgroundColor")), 60)
        self.assertGreater(min(browser.run(colour % "color")), 200)
        self.screenshot(browser, "dark")

    def test_phone(self):
        browser = self.browse("golden", width=360, height=740)
        browser.run("document.querySelectorAll('summary').forEach((s) => s.click())")
        self.assert_fits(browser)
        self.screenshot(browser, "phone")

    def test_changes_are_shown(self):
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
        browser.until("return document.body.innerText.includes('OK: ')")
        self.assertEqual(browser.run(CARDS), 0)

    def test_an_open_failure_stays_open(self):
        """Other failures end before it and its cause changes: it stays open, with focus and selection."""
        browser = self.browse("golden")
        browser.run("window.one = document.querySelectorAll('#failures details')[1];"
                    "window.one.querySelector('summary').click(); window.one.querySelector('summary').focus();"
                    "getSelection().selectAllChildren(window.one.querySelector('pre'))")
        self.assertIn("team-a/job-x", browser.run("return window.one.innerText"))
        self.server.show("moved")
        browser.until("return document.body.innerText.includes('repository unknown')")
        self.assertEqual(browser.run(CARDS), 3)
        self.assertTrue(browser.run("return window.one.isConnected && window.one.open"))
        self.assertTrue(browser.run("return window.one.innerText.includes('repository unknown')"))
        self.assertTrue(browser.run("return document.activeElement === window.one.querySelector('summary')"))
        self.assertIn("pull access denied", browser.run("return getSelection().toString()"))

    def test_pods_of_one_deployment_are_one_card(self):
        """It opens to the cards of its pods. An open one stays open when another one ends."""
        browser = self.browse("group")
        self.assertIn("4 containers are blocked", browser.text())
        self.assertEqual(browser.run("return byId('failures').querySelectorAll(':scope > details').length"), 2)
        self.assertIn("Deployment, 3 pods, container app", browser.text())
        self.assertEqual(browser.text().count("Push the tag."), 1)
        self.assertNotIn("web-5d8f9-b", browser.text())
        browser.run("window.group = document.querySelector('#failures details');"
                    "window.group.querySelector('summary').click();"
                    "window.one = window.group.querySelectorAll('details')[1];"
                    "window.one.querySelector('summary').click()")
        self.assertIn("shop/web-5d8f9-b", browser.run("return window.one.innerText"))
        self.screenshot(browser, "group")
        self.server.show("smaller")
        browser.until("return document.body.innerText.includes('Deployment, 2 pods')")
        self.assertTrue(browser.run("return window.group.isConnected && window.group.open"))
        self.assertTrue(browser.run("return window.one.isConnected && window.one.open"))
        self.assertIn("shop/web-5d8f9-b", browser.run("return window.one.innerText"))
        self.assertEqual(browser.run("return window.group.querySelectorAll('details').length"), 2)
        self.assert_fits(browser)
        self.assert_no_errors(browser)

    def test_an_agent_that_ends(self):
        """The last state stays visible, and the page says that it is old."""
        browser = self.browse("golden")
        self.server.stop()
        browser.until("return !byId('away').hidden")
        text = browser.text()
        self.assertIn("No answer from the agent", text)
        self.assertRegex(text, "This page shows the state at .*; it may have changed")
        self.assertIn("Old state: 4 containers are blocked", text)
        self.assertEqual(browser.run("return byId('verdict').className"), "old")
        self.assertEqual(browser.run("return document.title"), "(?) image pulls on node-1")
        self.assertEqual(browser.run(CARDS), 4)
        browser.run("document.querySelector('.time').textContent = 'as it was'; asked = 0")
        browser.until("return asked > 0")  # it keeps asking and reports it once
        self.assertEqual(browser.run("return document.querySelector('.time').textContent"), "as it was")
        self.assertEqual(browser.text().count("Old state:"), 1)
        self.screenshot(browser, "away")

    def test_an_agent_that_hangs_and_comes_back(self):
        browser = self.browse("golden")
        self.server.freeze(True)
        self.addCleanup(self.server.freeze, False)
        browser.until("return !byId('away').hidden")
        self.assertEqual(browser.run("return document.title"), "(?) image pulls on node-1")
        self.server.freeze(False)
        browser.until("return byId('away').hidden")
        self.assertEqual(browser.run("return document.title"), "(4) image pulls on node-1")
        self.assertEqual(browser.run("return byId('verdict').className"), "bad")
        self.assertTrue(browser.run("return byId('verdict').textContent.startsWith('4 containers are blocked')"))

    def test_pulls(self):
        """One pull is stalled; the runtime reports no progress of the second one; the third one waits for its turn."""
        browser = self.browse("pulls")
        stalled, other, queued = browser.run("return [...byId('pulls').children].map((card) => card.innerText)")
        self.assertIn("stalled", stalled)
        self.assertIn("3.0 MiB of 90.0 MiB", stalled)
        self.assertNotIn("stalled", other)
        self.assertIn("does not report", other)
        for words in ("in the kubelet's queue", "waits behind docker.io/team/app:latest", "2 containers wait"):
            self.assertIn(words, queued)
        self.assertNotIn("waits behind", stalled + other)
        self.assertIn("1 container is blocked by an image pull: network", browser.text())
        browser.run("document.querySelector('summary').click()")
        self.assertIn("shop/cart-0 (app), shop/cart-1 (app)", browser.text())
        self.screenshot(browser, "pulls")

    def test_thirty_failures_of_all_causes(self):
        for name, window in (("thirty", {"width": 1440}), ("thirty-phone", {"width": 360, "height": 740})):
            browser = self.browse("thirty", **window)
            text = browser.text()
            self.assertIn("30 containers are blocked by an image pull: 22 network, 1 unauthorized, 1 not found", text)
            self.assertIn("shop/\\u202egnp.exe", text)  # not exe.png
            self.assertIn("\u6f22\u5b57", text)
            self.assertEqual(browser.run("return document.querySelector('#failures h2').innerText.split(' ')[0]"),
                             "network")  # the most frequent first
            self.assert_fits(browser)
            self.assert_no_errors(browser)
            self.screenshot(browser, name)

    def test_without_pods_the_state_is_unknown(self):
        browser = self.browse("none")
        self.assertIn("Unknown: this agent reads no pods", browser.text())
        self.assertNotIn("OK: ", browser.text())

    def test_colours_have_contrast(self):
        """WCAG AA needs a contrast of 4.5 between a text and its background."""
        for dark in (False, True):
            browser = self.browse("golden", dark=dark)
            browser.run("document.querySelectorAll('summary').forEach((s) => s.click())")
            worst, where = browser.run(CONTRAST)
            self.assertGreaterEqual(worst, 4.5, where)

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
        self.assert_no_errors(browser)
        self.screenshot(browser, "hostile")

    def test_the_policy_blocks_injected_scripts(self):
        browser = self.browse("empty")
        browser.run("const s = document.createElement('script'); s.textContent = 'window.owned = 1';"
                    "document.body.append(s);"
                    "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned = 2\">')")
        self.assertIsNone(browser.run("return window.owned || null"))
        self.assertTrue(any(re.search("Content Security Policy|Content-Security-Policy", c)
                            for c in browser.messages()))

    def test_many_failures(self):
        browser = self.browse("many")
        self.assertEqual(browser.run(CARDS), 250)
        self.assertIn("250 containers are blocked", browser.text())
        self.assertEqual(browser.run("return document.querySelectorAll('#failures h2').length"), 9)

    def test_a_source_that_is_down_is_shown(self):
        browser = self.browse("down")
        self.assertNotIn("OK: ", browser.text())
        self.assertIn("a source cannot be read", browser.text())
        self.assertIn("list pods: connection refused", browser.text())
        self.screenshot(browser, "down")


if __name__ == "__main__":
    unittest.main()
