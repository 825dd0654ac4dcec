"""implicit's exact top-k, the one behind its `recommend`: a round is every user."""

import time

import turnstile
from implicit.cpu.topk import topk
from vectors import USERS, make_items, make_users

given = turnstile.arguments()
users = make_users()
catalogues = {count: make_items(count) for count in given["items"]}
for items in catalogues.values():
    topk(items, users[:1024], 10, num_threads=given["threads"])
turnstile.ready("implicit")
while True:
    cell = turnstile.wait()
    started = time.perf_counter()
    topk(catalogues[cell["items"]], users, cell["k"], num_threads=given["threads"])
    turnstile.report(speed=USERS / (time.perf_counter() - started))
