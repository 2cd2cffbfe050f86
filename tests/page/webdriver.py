# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, controlled through chromium-driver with WebDriver (w3.org/TR/webdriver2)."""

import base64
import http.client
import json
import os
import re
import subprocess
import time


class BrowserError(Exception):
    pass


class Browser:
    """Starts at once and keeps its files in `folder`. close() ends the browser and its driver."""

    def __init__(self, driver, folder):
        with open(os.path.join(folder, "driver.log"), "w") as log:
            # In a PID namespace that ends with this process, even after a crash. A browser that is left behind
            # holds inotify instances; when they run out, containerd starts without its CRI plugin.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--",
                 "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", driver, "--port=0"],
                stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "TMPDIR": folder})
        self._session = None
        try:
            self._port = self._wait_port()
            options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                                "--no-proxy-server", "--hide-scrollbars", "--window-size=1280,900"], "prefs": {}}
            capabilities = {"browserName": "chrome", "goog:chromeOptions": options,
                            "goog:loggingPrefs": {"browser": "ALL"}}
            self._session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def _wait_port(self):
        for line in self._process.stdout:
            match = re.search(r"started successfully on port (\d+)", line)
            if match:
                return int(match.group(1))
        raise BrowserError("chromium-driver ended before it listened")

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(answer, dict) and "error" in answer:
            raise BrowserError(f"{path}: {answer['error']}: {answer.get('message', '')}")
        return answer

    def _call(self, method, what, body=None):
        return self._ask(method, f"/session/{self._session}/{what}", body)

    def _cdp(self, command, **parameters):
        return self._call("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url, width=1280, height=900, dark=False):
        """Opens a new window of that size and colour scheme and clears the console messages."""
        fresh = self._call("POST", "window/new", {"type": "window"})["handle"]
        self._call("DELETE", "window")
        self._call("POST", "window", {"handle": fresh})
        self._cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self._cdp("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.messages()
        self._call("POST", "url", {"url": url})

    def run(self, script, *arguments):
        """Runs `script`, the body of a JavaScript function, in the page and returns its result."""
        return self._call("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def until(self, script, seconds=300):
        """Waits until the script returns a true value and returns it."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.run(script)
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise BrowserError(f"not within {seconds} s: {script}\n{self.text()}")
            time.sleep(0.05)

    def text(self):
        return self.run("return document.body.innerText")

    def messages(self):
        """The warnings and errors of the console since the last call."""
        return [entry["message"] for entry in self._call("POST", "se/log", {"type": "browser"})]

    def screenshot(self, path):
        """Stores the whole page, not only the visible part."""
        size = self._cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 4000), "scale": 1}
        data = self._cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        with open(path, "wb") as image:
            image.write(base64.b64decode(data))

    def close(self):
        try:
            if self._session:
                self._call("DELETE", "")
        except (OSError, BrowserError, ValueError):
            pass  # the browser ends with its driver
        finally:
            self._process.kill()  # unshare ignores SIGTERM; its namespace ends with it
            self._process.wait(timeout=120)
            self._process.stdout.close()
