// Sequelize: models with an ENUM, a UUID and an association, by sync, by sync again with alter, and by force.
import assert from "node:assert/strict";
import { DataTypes, Sequelize } from "sequelize";

const sequelize = new Sequelize(process.env.DATABASE_URL, { logging: false });
const user = sequelize.define("user", {
  id: { type: DataTypes.UUID, defaultValue: DataTypes.UUIDV4, primaryKey: true },
  mood: { type: DataTypes.ENUM("calm", "cross"), allowNull: false },
});
const note = sequelize.define("note", { body: DataTypes.JSONB, tags: DataTypes.ARRAY(DataTypes.TEXT) });
user.hasMany(note);
note.belongsTo(user);

assert.deepEqual(await sequelize.getQueryInterface().showAllTables(), []);
await sequelize.sync();
await sequelize.sync({ alter: true });
const ada = await user.create({ mood: "calm", notes: [{ body: { kept: true }, tags: ["a"] }] }, { include: note });
const found = await user.findByPk(ada.id, { include: note });
assert.deepEqual(found.notes.map((one) => one.body), [{ kept: true }]);
await sequelize.sync({ force: true });
assert.equal(await user.count(), 0);
await sequelize.close();
