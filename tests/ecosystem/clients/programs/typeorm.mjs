// TypeORM: an entity `users` with a generated uuid, synchronized twice; the second time there is nothing to do.
import "reflect-metadata";
import assert from "node:assert/strict";
import typeorm from "typeorm";

const user = new typeorm.EntitySchema({
  name: "users",
  columns: {
    id: { type: "uuid", primary: true, generated: "uuid" },
    mood: { type: "enum", enum: ["calm", "cross"], default: "calm" },
    createdAt: { type: "timestamptz", createDate: true },
  },
  relations: { notes: { type: "one-to-many", target: "notes", inverseSide: "user" } },
});
const note = new typeorm.EntitySchema({
  name: "notes",
  columns: { id: { type: "int", primary: true, generated: "increment" }, body: { type: "jsonb" } },
  relations: { user: { type: "many-to-one", target: "users", inverseSide: "notes", onDelete: "CASCADE" } },
});

const source = new typeorm.DataSource({
  type: "postgres",
  url: process.env.DATABASE_URL,
  entities: [user, note],
  // gen_random_uuid, which is PostgreSQL's own: not every server has TypeORM's default, uuid-ossp.
  uuidExtension: "pgcrypto",
});
await source.initialize();
await source.synchronize();
const { upQueries } = await source.driver.createSchemaBuilder().log();
assert.deepEqual(upQueries.map((one) => one.query), []);
await source.synchronize();
const users = source.getRepository("users");
const { id } = await users.save({ mood: "cross" });
await source.getRepository("notes").save({ body: { kept: true }, user: { id } });
const found = await users.findOneOrFail({ where: { id }, relations: { notes: true } });
assert.deepEqual(found.notes.map((one) => one.body), [{ kept: true }]);
await source.destroy();
