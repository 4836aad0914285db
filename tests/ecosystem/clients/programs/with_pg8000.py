"""pg8000: the protocol in Python alone, SCRAM included, by its own interface and by that of DB-API."""

import os
from urllib.parse import urlsplit

import pg8000.dbapi
import pg8000.native

url = urlsplit(os.environ["DATABASE_URL"])
where = {"user": url.username, "password": url.password, "host": url.hostname, "port": url.port}

native = pg8000.native.Connection(database=url.path[1:], **where)
native.run("CREATE TABLE notes (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL)")
native.run("INSERT INTO notes (text) VALUES (:text)", text="kept")
assert native.run("SELECT id, text FROM public.notes") == [[1, "kept"]]
native.close()

connection = pg8000.dbapi.connect(database=url.path[1:], **where)
cursor = connection.cursor()
cursor.executemany("INSERT INTO notes (text) VALUES (%s)", [("one",), ("two",)])
connection.rollback()
cursor.execute("SELECT count(*) FROM notes")
assert cursor.fetchone() == [1]
connection.close()
