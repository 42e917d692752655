"""Runs llama.cpp's own HTTP server on a tiny random model until it is told to stop.

The first line on stdout is `LISTEN host:port`; logs go to stderr. The server ends on
SIGTERM, on SIGINT and when stdin is closed, so that a test that dies leaves no orphan:
its parent keeps a pipe to stdin open and never writes to it.

It serves the model `tiny-random` in OpenAI's and Anthropic's dialects. Environment:
ENGINE_KEY (a key clients must send; none by default), ENGINE_CONTEXT (tokens a request,
8192), ENGINE_PARALLEL (requests at a time, 4), ENGINE_SEED (the model's seed, 1).
"""

import os
import pathlib
import signal
import sys
import tempfile
import threading

import xllamacpp

import mkgguf


def main():
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    threading.Thread(target=wait_for_end_of_stdin, args=(stop,), daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="bondgate-engine-") as folder:
        model = pathlib.Path(folder) / "tiny.gguf"
        mkgguf.write_model(model, int(os.environ.get("ENGINE_SEED", "1")))
        server = xllamacpp.Server(parameters(model))
        print("LISTEN", server.listening_address.removeprefix("http://"), flush=True)
        stop.wait()
    # The server's threads are not asked: nothing of theirs needs saving.
    os._exit(0)


def parameters(model):
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {"tiny-random"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    key = os.environ.get("ENGINE_KEY", "")
    if key:
        params.api_keys = [key]
    params.n_parallel = int(os.environ.get("ENGINE_PARALLEL", "4"))
    params.n_ctx = int(os.environ.get("ENGINE_CONTEXT", "8192")) * params.n_parallel
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    params.warmup = False
    params.verbosity = 1
    return params


def wait_for_end_of_stdin(stop):
    while sys.stdin.buffer.read(4096):
        pass
    stop.set()


if __name__ == "__main__":
    main()
