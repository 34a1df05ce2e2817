"""What the examples share: nodes as processes, links, agreements, and how a play begins and ends.

Only the command line of the product is used. A play is a module with `TITLES` (organisation to
title) and `play(nodes, root, once)`; examples/run NAME starts it through `main`.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENTENTE = os.environ["ENTENTE_BIN"]


class Failed(Exception):
    """A command did not do what the example needs; its own words say why."""


class Node:
    """One organisation's node: its folder, its process, its command line.

    `files` is the organisation's folder of the example; what it declares is provisioned.
    """

    def __init__(self, name, title, files, root):
        self.name = name
        self.title = title
        self.files = files
        self.home = root / name
        self.process = None
        self.log = root / f"{name}.log"

    def run(self, *arguments, check=True):
        """Runs one command and returns (exit code, its JSON, its words)."""
        command = [ENTENTE, "--home", str(self.home), "-o", "json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if check and done.returncode != 0:
            raise Failed(f"{self.name}: entente {' '.join(arguments)}\n{done.stderr}{done.stdout}")
        value = json.loads(done.stdout) if done.stdout.strip() else None
        return done.returncode, value, done.stderr

    def json(self, *arguments):
        return self.run(*arguments)[1]

    def init(self):
        self.json("init", "--org", self.name, "--title", self.title, "--http-port", "0",
                  "--federation-port", "0")
        provision = self.home / "provision.d"
        provision.mkdir(exist_ok=True)
        for file in ("exports.toml", "system.toml"):
            if (self.files / file).exists():
                shutil.copy(self.files / file, provision / file)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([ENTENTE, "--home", str(self.home), "serve"],
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready"):
            raise Failed(f"{self.name} did not start; its log:\n{self.log.read_text()[-2000:]}")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if not self.running():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def say(*words):
    print(*words, flush=True)


def show(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def until(what, ready, seconds=60):
    """Waits until `ready()` gives something true, and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = ready()
        if value:
            return value
        time.sleep(0.05)
    raise Failed(f"gave up waiting until {what}")


def link(inviter, invited):
    """Links two nodes by an invitation and returns the eight words that both have read."""
    token = inviter.json("link", "invite", invited.name)["token"]
    words = invited.json("link", "accept", token)["words"]
    theirs = until(f"{inviter.name} sees the enrolment", lambda: next(
        (item["words"] for item in inviter.json("link", "list")["items"]
         if item["organisation"]["name"] == invited.name and item["state"] == "pending"), None))
    if words != theirs:
        raise Failed(f"the eight words differ: {words} / {theirs}")
    invited.json("link", "confirm", inviter.name, "--words", words)
    inviter.json("link", "confirm", invited.name, "--words", words)
    for node, partner in ((invited, inviter.name), (inviter, invited.name)):
        until(f"{node.name} sees {partner} connected", lambda: any(
            item["organisation"]["name"] == partner and item["state"] == "active"
            and item["connected"] for item in node.json("link", "list")["items"]))
    return words


def agree(provider, consumer, file):
    """The provider proposes what `file` says, the consumer signs; returns the agreement's id."""
    identity = provider.json("agreement", "propose", str(file))["id"]
    until("the proposal arrives", lambda: any(
        item["id"] == identity for item in consumer.json("agreement", "list")["items"]))
    consumer.json("agreement", "sign", identity)
    for node in (consumer, provider):
        until("the agreement is active", lambda: any(
            item["id"] == identity and item["state"] == "active"
            for item in node.json("agreement", "list")["items"]))
    return identity


def stay_up(words):
    """Says what to try and waits for Ctrl-C."""
    say(f"\nThe federation stays up until Ctrl-C. {words}")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("\nstopping")


def main(name, description, titles, files, play):
    """Runs `play(nodes, root, once)` over fresh nodes, which are stopped and removed afterwards."""
    parser = argparse.ArgumentParser(prog=f"examples/run {name}", description=description)
    parser.add_argument("--once", action="store_true", help="end after the answers")
    parser.add_argument("--keep", metavar="DIR", help="keep the nodes' folders in DIR")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    root = Path(options.keep or tempfile.mkdtemp(prefix=f"entente-{name}-")).resolve()
    root.mkdir(parents=True, exist_ok=True)
    nodes = {org: Node(org, title, files / org, root) for org, title in titles.items()}
    try:
        play(nodes, root, options.once)
        return 0
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"\n{name}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        for node in nodes.values():
            node.stop()
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)
