import { bigint, jsonb, pgEnum, pgTable, text, uuid } from "drizzle-orm/pg-core";

export const mood = pgEnum("mood", ["calm", "cross"]);
export const users = pgTable("users", {
  id: uuid().primaryKey().defaultRandom(),
  email: text().notNull().unique(),
  mood: mood().notNull().default("calm"),
});
export const notes = pgTable("notes", {
  id: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  userId: uuid("user_id").notNull().references(() => users.id, { onDelete: "cascade" }),
  body: jsonb(),
});
