// Knex: migrations up, down and up again, an enum type of its own, a foreign key, a transaction that fails.
import assert from "node:assert/strict";
import Knex from "knex";

const migrations = {
  "0001_users": {
    up: (knex) =>
      knex.schema.createTable("users", (table) => {
        table.uuid("id").primary().defaultTo(knex.fn.uuid());
        table.enu("mood", ["calm", "cross"], { useNative: true, enumName: "mood" });
        table.timestamps(true, true);
      }),
    down: (knex) => knex.schema.dropTable("users").raw("DROP TYPE mood"),
  },
  "0002_notes": {
    up: (knex) =>
      knex.schema.createTable("notes", (table) => {
        table.increments();
        table.uuid("user_id").references("users.id").onDelete("CASCADE");
        table.jsonb("body");
      }),
    down: (knex) => knex.schema.dropTable("notes"),
  },
};
const migrationSource = {
  getMigrations: async () => Object.keys(migrations),
  getMigrationName: (name) => name,
  getMigration: async (name) => migrations[name],
};

const knex = Knex({ client: "pg", connection: process.env.DATABASE_URL, migrations: { migrationSource } });
assert.equal(await knex.schema.hasTable("users"), false);
assert.equal((await knex.migrate.latest())[1].length, 2);
await knex.migrate.rollback();
assert.equal(await knex.schema.hasTable("users"), false);
await knex.migrate.latest();
const [{ id }] = await knex("users").insert({ mood: "calm" }).returning("id");
await knex("notes").insert({ user_id: id, body: { kept: true } });
await assert.rejects(knex.transaction((trx) => trx("users").insert({ mood: "neither" })), { code: "22P02" });
assert.deepEqual(await knex("public.notes").where({ user_id: id }).pluck("body"), [{ kept: true }]);
await knex.destroy();
