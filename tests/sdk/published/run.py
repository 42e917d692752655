"""Runs tests that a library's maker publishes, unmodified, against a gateway: `run.py SUITE FOLDER`.

FOLDER holds the tests as `fetch.py` leaves them. Their base URL and key become those of the
environment (`BONDGATE_BASE`, `BONDGATE_KEY`), and nothing else is changed. A test that cannot pass
stands in excused.tsv, with what it must say when it fails; one that fails otherwise, or passes
although it is excused, has failed. What is printed is what the other suites print.
"""

import dataclasses
import fnmatch
import json
import os
import pathlib
import signal
import sys

import pytest

EXCUSED = pathlib.Path(__file__).with_name("excused.tsv")
SECONDS_MAX = 150
ROOT = "tests/api_resources/"
# Whole tracebacks, which nobody would read, would take most of the time.
OUR_OWN = ["-o", "addopts=", "-p", "no:cacheprovider", "--quiet", "--tb=line", "--no-summary"]


@dataclasses.dataclass(frozen=True)
class Suite:
    """Files of a library's tests, below `ROOT`, that one configuration serves."""

    library: str
    base: str
    files: tuple[str, ...]
    options: tuple[str, ...] = ()


SUITES = {
    "openai": Suite(
        library="openai",
        base="/v1",
        files=(
            "chat",
            "test_completions.py",
            "test_embeddings.py",
            "test_moderations.py",
            "test_images.py",
            "audio/test_speech.py",
            "audio/test_transcriptions.py",
            "audio/test_translations.py",
            "test_models.py",
        ),
    ),
    "responses": Suite(library="openai", base="/v1", files=("test_responses.py", "responses")),
    "anthropic": Suite(
        library="anthropic",
        base="",
        files=("test_messages.py", "beta/test_messages.py", "test_models.py", "beta/test_models.py"),
        options=("-p", "tests._alias_httpx"),
    ),
}


@dataclasses.dataclass
class Excuse:
    """`tests` is a pattern of names, and `says` is a part of what such a test fails with."""

    tests: str
    says: str
    why: str
    used: bool = False

    def names(self, test):
        return fnmatch.fnmatchcase(test, self.tests) or fnmatch.fnmatchcase(test, f"{self.tests}@*")


def excuses(suite):
    rows = [line.split("\t") for line in EXCUSED.read_text().splitlines() if not line.startswith("#")]
    return [Excuse(*row[1:]) for row in rows if row[0] == suite]


class Judge:
    """A plugin that gives the tests our key and prints what became of each."""

    def __init__(self, suite):
        self.suite = suite
        self.excuses = excuses(suite)
        self.failed = 0

    def pytest_collection_modifyitems(self):
        sys.modules["tests.conftest"].api_key = os.environ["BONDGATE_KEY"]

    def pytest_collectreport(self, report):
        if report.failed:
            self.tell(report.nodeid, "", False, str(report.longrepr))

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or not report.passed:
            self.judge(name_of(report.nodeid), "" if report.passed else said(report))

    def judge(self, test, detail):
        excuse = next((excuse for excuse in self.excuses if excuse.names(test)), None)
        if excuse is None:
            self.tell(test, "", not detail, detail)
        elif detail and excuse.says in detail:
            excuse.used = True
            self.tell(test, excuse.why, True, detail)
        else:
            self.tell(test, "", False, f"{detail or 'passed'}; excused.tsv expects: {excuse.says}")

    def pytest_sessionfinish(self):
        for excuse in self.excuses:
            if not excuse.used:
                self.tell(excuse.tests, "", False, "excused.tsv excuses what no test needs")

    def tell(self, test, limit, ok, detail):
        self.failed += not ok
        line = {"case": test, "client": self.suite, "ok": ok, "limit": limit or None, "detail": detail[:2000]}
        # pytest writes its dots between.
        print(f"\n{json.dumps(line)}", flush=True)


def name_of(node):
    """`test_x.py::TestX::test_y@strict`, one name for the tests of both clients."""
    return node.removeprefix(ROOT).replace("::TestAsync", "::Test").replace("[", "@").rstrip("]")


def said(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message if crash else str(report.longrepr)


def main():
    name, folder = sys.argv[1:]
    suite = SUITES[name]
    os.environ["TEST_API_BASE_URL"] = os.environ["BONDGATE_BASE"] + suite.base
    os.chdir(folder)
    sys.path.insert(0, os.getcwd())
    # pytest cannot end a test that waits for ever; the signal ends all of them.
    signal.alarm(SECONDS_MAX)
    judge = Judge(name)
    status = pytest.main([*OUR_OWN, *suite.options, *(ROOT + file for file in suite.files)], plugins=[judge])
    known = status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    return 1 if judge.failed or not known else 0


if __name__ == "__main__":
    sys.exit(main())
