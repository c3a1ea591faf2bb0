import type { RemotingCommand } from "../../lib/wire/remoting-command.js";

export class History {
  readonly steps: Readonly<Record<string, unknown>>;
  constructor(addresses: Readonly<Record<"nameserver" | "broker", string>>);
  add(step: string, outcome: RemotingCommand | readonly RemotingCommand[] | string | object): void;
}
