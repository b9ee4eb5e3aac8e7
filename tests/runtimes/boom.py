# Four forked workers that fall at once, each from an error inside another.
import os


def load(order):
    return {"card": 1}[order]


def charge(order):
    try:
        load(order)
    except KeyError as error:
        raise ValueError("no such order: %s" % order) from error


gate, go = os.pipe()
for _ in range(4):
    if os.fork() == 0:
        os.close(go)
        os.read(gate, 1)
        charge("bill")
os.close(go)
for _ in range(4):
    os.wait()
