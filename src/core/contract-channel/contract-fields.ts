// Contracts as they travel in a transaction: leaf, proof, and what they are run on. Lengths are bounded before anything is read.

import type { ContractProgram } from "./contract-run.ts";
import { type FieldReader, type FieldWriter, fieldWriter } from "./fields.ts";
import { readLeaf, writeLeaf } from "./leaf.ts";
import type { ContractToPay, ShownContract } from "./transaction.ts";
import { readProof, writeProof } from "./tree.ts";

/** Bytes of a contract's code, and of one piece of evidence. */
export const MAX_PROGRAM_BYTES = 65_536;
export const MAX_FACTS = 16;
export const MAX_FACT_BYTES = 1024;

function writeProgram(fields: FieldWriter, { code, facts }: ContractProgram): void {
  fields.sized(code, 4).number(facts.length, 1);
  for (const fact of facts) fields.sized(fact, 2);
}

function readProgram(fields: FieldReader): ContractProgram {
  const code = fields.sized(4, MAX_PROGRAM_BYTES, "code");
  const count = fields.number(1, "number of facts");
  if (count > MAX_FACTS) fields.fail("number of facts");
  return { code, facts: Array.from({ length: count }, () => fields.sized(2, MAX_FACT_BYTES, "fact")) };
}

/** Leaf, proof, code (length of 4 bytes), number of facts (1), facts (lengths of 2), evidence (length of 4). */
export function encodeShownContract({ leaf, proof, program, evidence }: ShownContract): Uint8Array {
  const fields = fieldWriter();
  writeLeaf(fields, leaf);
  writeProof(fields, proof);
  writeProgram(fields, program);
  return fields.sized(evidence, 4).done();
}

export function readShownContract(fields: FieldReader): ShownContract {
  const leaf = readLeaf(fields);
  const proof = readProof(fields);
  const program = readProgram(fields);
  return { leaf, proof, program, evidence: fields.sized(4, MAX_PROGRAM_BYTES, "evidence") };
}

/** Leaf, proof, 0 or 1, and the program where it is 1. */
export function encodeToPay({ leaf, proof, program }: ContractToPay): Uint8Array {
  const fields = fieldWriter();
  writeLeaf(fields, leaf);
  writeProof(fields, proof);
  fields.number(program === undefined ? 0 : 1, 1);
  if (program !== undefined) writeProgram(fields, program);
  return fields.done();
}

export function readToPay(fields: FieldReader): ContractToPay {
  const leaf = readLeaf(fields);
  const proof = readProof(fields);
  const hasProgram = fields.number(1, "whether there is a program");
  if (hasProgram > 1) fields.fail("whether there is a program");
  return { leaf, proof, program: hasProgram === 1 ? readProgram(fields) : undefined };
}
