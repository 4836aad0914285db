import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: new URL("schema.mjs", import.meta.url).pathname,
  out: process.env.DRIZZLE_OUT,
  dbCredentials: { url: process.env.DATABASE_URL },
});
