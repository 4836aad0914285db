// drizzle-orm: rows of the tables that drizzle-kit has made, and the policy of a foreign key.
import assert from "node:assert/strict";
import { drizzle } from "drizzle-orm/node-postgres";
import * as schema from "./schema.mjs";

const db = drizzle(process.env.DATABASE_URL, { schema });
const [{ id }] = await db.insert(schema.users).values({ email: "ada@example.org" }).returning();
await db.insert(schema.notes).values({ userId: id, body: { kept: true } });
assert.deepEqual((await db.select().from(schema.notes)).map((one) => one.body), [{ kept: true }]);
await db.delete(schema.users);
assert.deepEqual(await db.select().from(schema.notes), []);
await db.$client.end();
