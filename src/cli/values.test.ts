import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import { readAddress, readPort, readSeconds, readUrl, writtenAddress } from "./values.ts";

describe("values of options", () => {
  it("reads addresses, and writes them the same way", () => {
    for (const text of ["127.0.0.1:9745", "node.example:0", "[::1]:65535"]) {
      expect(writtenAddress(readAddress(text))).toBe(text);
    }
    expect(readAddress(":9745")).toEqual({ host: "127.0.0.1", port: 9745 });
  });

  it.each(["", "9745", "host", "host:", "host:65536", "host:-1", "::1:9745", "[::1]", "a:b:1", "[x]:1"])(
    "refuses %j as an address",
    (text) => {
      expect(() => readAddress(text)).toThrow(InvalidArgumentError);
    },
  );

  it.each(["", "-1", "65536", "1e3", "0x10", " 1"])("refuses %j as a port", (text) => {
    expect(() => readPort(text)).toThrow(InvalidArgumentError);
  });

  it.each(["", "0", "-1", "1e9", "86401", "ten"])("refuses %j as seconds", (text) => {
    expect(() => readSeconds(text)).toThrow(InvalidArgumentError);
  });

  it("reads seconds as milliseconds", () => {
    expect([readSeconds("10"), readSeconds("0.25")]).toEqual([10_000, 250]);
  });

  it("refuses a URL with a password in it, and does not repeat it", () => {
    expect(readUrl("http://127.0.0.1:8332")).toBe("http://127.0.0.1:8332/");
    expect(() => readUrl("ftp://x")).toThrow(InvalidArgumentError);
    expect(() => readUrl("http://user:hunter2@x")).toThrow(/^Give user and password with --rpc-user/);
  });
});
