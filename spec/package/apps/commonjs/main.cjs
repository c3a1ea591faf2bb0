const { openBroker } = require("pocketmq");
const scenario = require("../scenario.cjs");

scenario(openBroker, process.argv[2]).then((result) => process.stdout.write(`${JSON.stringify(result)}\n`));
