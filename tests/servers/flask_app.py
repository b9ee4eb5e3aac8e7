"""The same application with Flask, as the demo serves it."""

import os

from flask import Flask, Response

import noise

app = Flask(__name__)


def _answer(text):
    return Response(text, mimetype="text/plain", headers={"X-Pid": str(os.getpid())})


@app.get("/traceback/<int:ident>")
def traceback(ident):
    return _answer(noise.print_traceback(ident))


@app.get("/long/<int:ident>")
def long(ident):
    return _answer(noise.print_long_line(ident))
