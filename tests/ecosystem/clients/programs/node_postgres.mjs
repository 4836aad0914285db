// node-postgres and postgres.js: named prepared statements, notifications, an array, a transaction.
import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query("CREATE TABLE notes (id bigint PRIMARY KEY, tags text[] NOT NULL)");
for (const id of [1, 2]) {
  await client.query({ name: "insert", text: "INSERT INTO notes VALUES ($1, $2)", values: [id, ["a", "b"]] });
}
const heard = new Promise((resolve) => client.on("notification", ({ payload }) => resolve(payload)));
await client.query("LISTEN news");

const sql = postgres(process.env.DATABASE_URL, { max: 2 });
await sql.begin((tx) => tx`INSERT INTO notes VALUES (3, ${["c"]})`);
assert.deepEqual((await sql`SELECT tags FROM public.notes WHERE id = ANY (${[2, 3]}) ORDER BY id`).map((row) => row.tags), [
  ["a", "b"],
  ["c"],
]);
await sql.notify("news", "heard");
assert.equal(await heard, "heard");
await sql.end();
await client.end();
