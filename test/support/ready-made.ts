// Ready-made contracts on the machine: accounts that sign, and runs at a height.
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { asChannelId } from "../../src/core/base/index.ts";
import { runContract, units } from "../../src/core/contract-channel/index.ts";
import { type ReadyMade, readyMade } from "../../src/core/contract-channel/ready-made/contracts.ts";
import type { Terms } from "../../src/core/contract-channel/ready-made/terms.ts";
import { assemble, type ContractResult, describeFailure } from "../../src/core/vm/index.ts";

const KEY_HEADER = Buffer.from("302e020100300506032b657004220420", "hex");

export type Account = { readonly id: Uint8Array; sign(message: Uint8Array): Uint8Array };

/** The account of a secret that is this byte 32 times. */
export function account(byte: number): Account {
  const key = createPrivateKey({
    key: Buffer.concat([KEY_HEADER, Buffer.alloc(32, byte)]),
    format: "der",
    type: "pkcs8",
  });
  const id = new Uint8Array(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32));
  return { id, sign: (message) => new Uint8Array(sign(null, message, key)) };
}

export function contractOf(terms: Terms): ReadyMade {
  const made = readyMade(terms);
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  return made.value;
}

/** Byte code of a source text. */
export function program(source: string): Uint8Array {
  const assembled = assemble(source);
  if (!assembled.ok) throw new Error(assembled.error.problem);
  return assembled.value.code;
}

export const CONTRACT_ID: Uint8Array = new Uint8Array(32).fill(0xc1);
export const CHANNEL_ID = asChannelId(new Uint8Array(32).fill(0xcc));

export type At = {
  readonly height: number;
  readonly evidence?: Uint8Array;
  readonly root?: Uint8Array | undefined;
  readonly contractId?: Uint8Array;
  readonly gas?: { readonly timeGas: number; readonly spaceGas: number };
};

/** What a run says, or why it failed. */
export function resultOf(contract: ReadyMade, at: At): ContractResult | string {
  const { leaf, program } = contract;
  const result = runContract({
    channelId: CHANNEL_ID,
    leaf: {
      ...leaf,
      ...at.gas,
      id: at.contractId ?? CONTRACT_ID,
      root: at.root ?? leaf.root,
      stakes: { initiator: units(100), responder: units(50) },
      beneficiary: "responder",
    },
    program,
    evidence: at.evidence ?? new Uint8Array(0),
    height: at.height,
  });
  if (result.ok) return result.value;
  return result.error.type === "machine" ? describeFailure(result.error.failure) : result.error.reason.type;
}
