import { openBroker } from "pocketmq";
import scenario from "../scenario.cjs";

process.stdout.write(`${JSON.stringify(await scenario(openBroker, process.argv[2]))}\n`);
