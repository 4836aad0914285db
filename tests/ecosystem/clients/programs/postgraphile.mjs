// PostGraphile: the schema `public` as GraphQL, a mutation, and a query as a shared role with a JWT's claims.
import assert from "node:assert/strict";
import { graphql } from "graphql";
import pg from "pg";
import { createPostGraphileSchema, withPostGraphileContext } from "postgraphile";

const pgPool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
await pgPool.query("CREATE TYPE mood AS ENUM ('calm', 'cross')");
await pgPool.query(
  `CREATE TABLE notes (id serial PRIMARY KEY, mood mood NOT NULL,
     user_id uuid NOT NULL DEFAULT (current_setting('request.jwt.claims.sub', true)::uuid))`,
);
await pgPool.query("ALTER TABLE notes ENABLE ROW LEVEL SECURITY");
await pgPool.query(
  "CREATE POLICY own ON notes TO authenticated USING (user_id = current_setting('request.jwt.claims.sub', true)::uuid)",
);

const schema = await createPostGraphileSchema(process.env.DATABASE_URL, "public");
assert.deepEqual(Object.keys(schema.getQueryType().getFields()).filter((name) => name.startsWith("all")), ["allNotes"]);

const asUser = (sub, source) =>
  withPostGraphileContext(
    { pgPool, pgSettings: { role: "authenticated", "request.jwt.claims.sub": sub } },
    (contextValue) => graphql({ schema, source, contextValue }),
  );
const ada = "00000000-0000-4000-8000-000000000001";
const bob = "00000000-0000-4000-8000-000000000002";
const made = await asUser(ada, "mutation { createNote(input: {note: {mood: CALM}}) { note { id mood } } }");
assert.deepEqual(JSON.parse(JSON.stringify(made)), { data: { createNote: { note: { id: 1, mood: "CALM" } } } });
const seen = async (sub) => (await asUser(sub, "{ allNotes { nodes { id } } }")).data.allNotes.nodes.length;
assert.deepEqual([await seen(ada), await seen(bob)], [1, 0]);
await pgPool.end();
