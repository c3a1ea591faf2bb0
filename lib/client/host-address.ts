import { networkInterfaces } from "node:os";

/** The first IPv4 address by which others reach this host; it tells client ids and message ids of several hosts apart. */
export function findHostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  return addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}
