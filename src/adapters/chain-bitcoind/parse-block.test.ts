import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asTxid, concatBytes, fromHex, txidToDisplay } from "../../core/base/index.ts";
import { parseBlock } from "./parse-block.ts";

function bytes(hex: string): Uint8Array {
  const decoded = fromHex(hex);
  if (decoded === undefined) throw new Error("not hexadecimal");
  return decoded;
}

/** The first block of Bitcoin's main network, as every node carries it in its source (chainparams.cpp). */
const GENESIS_HEADER = bytes(
  `01000000${"00".repeat(32)}3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c`,
);
const GENESIS_COINBASE = bytes(
  `01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000`,
);
const GENESIS = concatBytes(GENESIS_HEADER, Uint8Array.of(1), GENESIS_COINBASE);

/** A transaction with two inputs, of which one has a witness of three elements and the other none. */
const WITH_WITNESS = concatBytes(
  bytes("02000000000102"),
  bytes(`${"11".repeat(32)}0000000000fdffffff${"22".repeat(32)}01000000020102fdffffff`),
  bytes("01e803000000000000160014"),
  bytes("33".repeat(20)),
  bytes("03000101fd0001"),
  new Uint8Array(256).fill(7),
  bytes("00"),
  bytes("00000000"),
);

function block(...transactions: Uint8Array[]): Uint8Array {
  const many = transactions.length >= 0xfd;
  const count = many
    ? Uint8Array.of(0xfd, transactions.length & 0xff, transactions.length >> 8)
    : Uint8Array.of(transactions.length);
  return concatBytes(GENESIS_HEADER, count, ...transactions);
}

function parsed(raw: Uint8Array) {
  const result = parseBlock(raw);
  if (!result.ok) throw new Error(`malformed at ${result.error.at}`);
  return result.value;
}

describe("parseBlock", () => {
  it("reads the first block of the main network", () => {
    const { hash, previousHash, time, transactions } = parsed(GENESIS);
    expect(txidToDisplay(asTxid(hash))).toBe("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    expect(previousHash).toEqual(new Uint8Array(32));
    expect(time).toBe(1_231_006_505);
    expect(transactions).toEqual([GENESIS_COINBASE]);
  });

  it("separates transactions with and without witness", () => {
    const all = [GENESIS_COINBASE, WITH_WITNESS, GENESIS_COINBASE, WITH_WITNESS, WITH_WITNESS];
    expect(parsed(block(...all)).transactions).toEqual(all);
  });

  it("reads a count of more than one byte", () => {
    const all = Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? GENESIS_COINBASE : WITH_WITNESS));
    expect(parsed(block(...all)).transactions).toEqual(all);
  });

  it("gives copies, so that a transaction kept does not keep the block", () => {
    const raw = block(WITH_WITNESS);
    const [transaction] = parsed(raw).transactions;
    expect(transaction?.buffer).not.toBe(raw.buffer);
    expect(transaction?.buffer.byteLength).toBe(WITH_WITNESS.length);
  });

  it("reads a block that is a part of a larger buffer", () => {
    const raw = concatBytes(Uint8Array.of(9, 9, 9), GENESIS, Uint8Array.of(9));
    expect(parsed(raw.subarray(3, 3 + GENESIS.length))).toEqual(parsed(GENESIS));
  });

  it("refuses a block cut anywhere, or with a byte too many", () => {
    const raw = block(GENESIS_COINBASE, WITH_WITNESS);
    for (let length = 0; length < raw.length; length++) {
      expect(parseBlock(raw.subarray(0, length))).toMatchObject({ ok: false, error: { type: "malformed_block" } });
    }
    expect(parseBlock(concatBytes(raw, Uint8Array.of(0)))).toEqual({
      ok: false,
      error: { type: "malformed_block", at: raw.length },
    });
  });

  it("says at which transaction a block stops being one", () => {
    const raw = block(GENESIS_COINBASE, WITH_WITNESS);
    const error = { type: "malformed_block", at: 81 + GENESIS_COINBASE.length };
    expect(parseBlock(raw.subarray(0, raw.length - 1))).toEqual({ ok: false, error });
  });

  it("does no work for counts that promise more than there is", () => {
    for (const count of ["fdffff", "feffffffff", "ffffffffffffffffff", "ff0000000000000001"]) {
      expect(parseBlock(concatBytes(GENESIS_HEADER, bytes(count))).ok).toBe(false);
      expect(parseBlock(concatBytes(GENESIS_HEADER, bytes(`01 02000000 ${count}`.replaceAll(" ", "")))).ok).toBe(false);
    }
  });

  it("takes any bytes without throwing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (tail) => {
        const result = parseBlock(concatBytes(GENESIS_HEADER, tail));
        if (result.ok) expect(concatBytes(...result.value.transactions).length).toBeLessThan(tail.length);
        else expect(result.error.at).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
