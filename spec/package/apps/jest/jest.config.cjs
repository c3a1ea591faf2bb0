module.exports = {
  testEnvironment: "node",
  testMatch: ["**/*.test.cjs"],
  transform: {},
  watchman: false,
  cache: false,
};
