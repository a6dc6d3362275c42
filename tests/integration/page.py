#!/usr/bin/env python3
"""page.py [--errors] URL STEP… - the page in headless Chromium: each step is JavaScript that must become true, or a command
after `!`. Without --errors, the page must not complain (errors, refused policies) meanwhile."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from browser import Browser  # noqa: E402


def main():
    arguments = sys.argv[1:]
    errors = arguments[0] == "--errors"
    url, *steps = arguments[errors:]
    with Browser() as browser:
        browser.open(url)
        for step in steps:
            if step.startswith("!"):
                subprocess.run(step[1:], shell=True, check=True)
                continue
            try:
                browser.wait(f"!!({step})", 120)
            except TimeoutError as error:
                sys.exit(f"{error}\n{browser.evaluate('document.body.innerText')}\n{browser.console}")
        if browser.console and not errors:
            sys.exit(f"the page complains: {browser.console}")


main()
