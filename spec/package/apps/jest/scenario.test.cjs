const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { openBroker } = require("pocketmq");
const scenario = require("../scenario.cjs");

test("produces, consumes, restarts and loses nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pocketmq-jest-"));
  try {
    await expect(scenario(openBroker, join(folder, "app.db"))).resolves.toEqual({ consumed: 120, lag: 0 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
