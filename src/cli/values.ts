import { InvalidArgumentError } from "commander";
import { asNodeId, fromHex, type NodeId, type PeerAddress } from "../node/index.ts";

/** `host:port`, `[::1]:port` or `:port`. Commander prints what is thrown, and ends with the code of bad usage. */
export function readAddress(text: string): PeerAddress {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const [, ipv6, host, digits] = found ?? [];
  if (digits === undefined) throw new InvalidArgumentError("Give it as host:port, for example 127.0.0.1:9745.");
  return { host: ipv6 ?? (host || "127.0.0.1"), port: readPort(digits) };
}

/** `NODEID@host:port`: who a peer is, and where. */
export function readPeer(text: string): { readonly nodeId: NodeId; readonly address: PeerAddress } {
  const [, id, address] = /^(0[23][0-9a-fA-F]{64})@(.+)$/.exec(text) ?? [];
  const bytes = id === undefined ? undefined : fromHex(id);
  if (bytes === undefined || address === undefined) {
    throw new InvalidArgumentError("Give it as its node id of 66 hexadecimal digits, @, and host:port.");
  }
  return { nodeId: asNodeId(bytes), address: readAddress(address) };
}

export function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new InvalidArgumentError("A port is a number from 0 to 65535; 0 takes a free one.");
  return port;
}

/** A URL without credentials, as they would stand in messages. */
export function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new InvalidArgumentError("Give it as http://host:port.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new InvalidArgumentError("Give user and password with --rpc-user and SLUICE_RPC_PASSWORD, not in the URL.");
  }
  return url.href;
}

/** A whole number from `least` on. */
export function readNatural(least: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least)) throw new InvalidArgumentError(`Give a whole number from ${least} on.`);
    return value;
  };
}

/** A positive number of seconds, as milliseconds. */
export function readSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= 0.01 && seconds <= 86_400)) throw new InvalidArgumentError("Give seconds, from 0.01 to 86400.");
  return Math.round(seconds * 1000);
}

export function writtenAddress({ host, port }: PeerAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
