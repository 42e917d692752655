"""Reads many streams through the official Python libraries and says how each one ended.

The gateway's models in the list answer with streams cut at chosen bytes. On stdin a JSON
list of {client: "openai"|"anthropic", model, expect: "raised"|"broken"|"whole"};
environment BONDGATE_BASE and BONDGATE_KEY. One JSON line a stream on stdout:
{case: model, pair: client, ok, detail, ms}; `detail` begins with how it ended:

raised    the library threw
reported  no exception, and no finish reason either: an application sees that it is not whole
whole     a clean end

`broken` expects either of the first two. Exit code 0 when all ended as expected, 1 when
one did not, 2 when the list is empty or malformed.
"""

import json
import sys
import time

import anthropic
import openai

from harness import report, required

EXPECTED = {"raised": ("raised",), "broken": ("raised", "reported"), "whole": ("whole",)}
REQUEST = {"messages": [{"role": "user", "content": "apricot harvest"}], "max_tokens": 1000}


def read_openai(client, model):
    """Whole when some choice was seen and every one of them has its finish reason."""
    unfinished, seen = set(), set()
    for chunk in client.chat.completions.create(model=model, stream=True, **REQUEST):
        for choice in chunk.choices:
            seen.add(choice.index)
            (unfinished.discard if choice.finish_reason else unfinished.add)(choice.index)
    return bool(seen) and not unfinished


def read_anthropic(client, model):
    """Whole when the message was closed, stop reason included."""
    stopped = False
    with client.messages.stream(model=model, **REQUEST) as events:
        for event in events:
            stopped = stopped or event.type == "message_stop"
        return stopped and events.get_final_message().stop_reason is not None


def main():
    base, key = required("BONDGATE_BASE").rstrip("/"), required("BONDGATE_KEY")
    readers = {
        "openai": (read_openai, openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0, timeout=60)),
        "anthropic": (read_anthropic, anthropic.Anthropic(base_url=base, api_key=key, max_retries=0, timeout=60)),
    }
    wanted = json.load(sys.stdin)
    if not wanted or any(item["client"] not in readers or item["expect"] not in EXPECTED for item in wanted):
        print("stdin must hold a list of {client, model, expect}", file=sys.stderr)
        return 2
    failed = 0
    for item in wanted:
        start = time.monotonic()
        ending, why = ended(*readers[item["client"]], item["model"])
        ok = ending in EXPECTED[item["expect"]]
        failed += not ok
        report(
            case=item["model"],
            pair=item["client"],
            ok=ok,
            detail=f"{ending}: {why}; expected {item['expect']}",
            ms=round((time.monotonic() - start) * 1000),
        )
    print(f"{len(wanted) - failed} passed, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


def ended(read, client, model):
    try:
        whole = read(client, model)
    except Exception as error:  # whatever a library throws, it did not take the stream for whole
        return "raised", f"{type(error).__name__}: {error}"[:300]
    return ("whole", "clean end") if whole else ("reported", "no finish reason")


if __name__ == "__main__":
    sys.exit(main())
