"""FAISS IndexFlatIP: a round is the exact top k of every user in one search."""

import time

import faiss
import turnstile
from vectors import DIM, USERS, make_items, make_users

given = turnstile.arguments()
faiss.omp_set_num_threads(given["threads"])
users = make_users()
indices = {count: faiss.IndexFlatIP(DIM) for count in given["items"]}
for count, index in indices.items():
    index.add(make_items(count))
    index.search(users[:1024], 10)
turnstile.ready("faiss-cpu")
while True:
    cell = turnstile.wait()
    started = time.perf_counter()
    indices[cell["items"]].search(users, cell["k"])
    turnstile.report(speed=USERS / (time.perf_counter() - started))
