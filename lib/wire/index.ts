/** RocketMQ's remoting protocol, spoken by a broker of this process. */
export { type ServeOptions, serve, type WireService } from "./serve.js";
