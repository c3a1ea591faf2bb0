import { defineConfig } from "vitest/config";

/**
 * Two projects: `engine` runs lib/ from its sources, `package` what a user gets from the registry.
 * Both start from a fresh dist/, because specs that start child processes run that: Node 20 cannot run TypeScript.
 */
export default defineConfig({
  test: {
    environment: "node",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    restoreMocks: true,
    unstubEnvs: true,
    projects: [
      {
        extends: true,
        test: {
          name: "engine",
          // Files of one worker share the process and its modules, as the parts of an application do. One of its own for each costs 0.33 s of CPU.
          isolate: false,
          globalSetup: [".ci/build.mjs"],
          include: ["spec/**/*.spec.ts"],
          exclude: ["spec/package/**"],
        },
      },
      {
        extends: true,
        test: {
          name: "package",
          globalSetup: [".ci/build.mjs", "spec/package/installed-package.ts"],
          include: ["spec/package/**/*.spec.ts"],
          exclude: ["spec/package/apps/**"],
          testTimeout: 60_000,
        },
      },
    ],
  },
});
