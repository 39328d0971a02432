import { asPaymentHash, assertNever, invariant, ok, type Result } from "../../base/index.ts";
import { sha256 } from "../../crypto/index.ts";
import type { ContractProgram } from "../contract-run.ts";
import { uint32 } from "../fields.ts";
import { type ContractLeaf, factsHash, NO_ROOT } from "../leaf.ts";
import { gameRoot, newGame } from "./game.ts";
import { escrowSource, gameSource, hashlockExpirySource, hashlockSource, streamSource } from "./gen/sources.ts";
import { fill, type Parameters, type Template, templateOf, type Values, valuesIn, withValues } from "./template.ts";
import { type BadTerm, checkTerms, endOfGame, type Terms } from "./terms.ts";

/** A ready-made contract as it is put into a channel. */
export type ReadyMade = {
  readonly terms: Terms;
  /** The code, and what it is shown besides its root and ids: one fact, where it has no root and would not be told its id otherwise. */
  readonly program: ContractProgram;
  /** All of its leaf that does not depend on the channel. The gas is enough for every run that an honest party makes. */
  readonly leaf: Pick<ContractLeaf, "codeHash" | "key" | "root" | "timeGas" | "spaceGas" | "prove">;
  /**
   * The height from which on evidence changes nothing. Undefined: there is none. Until then a run without evidence waits, so a contract whose end
   * is further away than the channel's greatest delay is not safe to put into it.
   */
  readonly end: number | undefined;
};

type Kind = {
  readonly source: string;
  readonly parameters: Parameters;
  readonly timeGas: number;
  readonly spaceGas: number;
  readonly facts: readonly Uint8Array[];
};

const text = (word: string) => new TextEncoder().encode(word);

/** Seed 004 has 1,000 of both gases for every locked payment, which is enough for all but the game. Source: AP-4. */
const PAYMENT_GAS = { timeGas: 1_000, spaceGas: 1_000 };

const KINDS: Readonly<Record<Terms["type"], Kind>> = {
  hashlock: { source: hashlockSource, parameters: { Payment_hash: 32 }, ...PAYMENT_GAS, facts: [] },
  hashlock_with_expiry: {
    source: hashlockExpirySource,
    parameters: { Payment_hash: 32, Expiry: 4 },
    ...PAYMENT_GAS,
    facts: [],
  },
  escrow: {
    source: escrowSource,
    parameters: { Arbiter: 32, Expiry: 4, Otherwise: 4 },
    ...PAYMENT_GAS,
    facts: [text("escrow")],
  },
  stream: {
    source: streamSource,
    parameters: { Payer: 32, Payee: 32, Expiry: 4 },
    ...PAYMENT_GAS,
    facts: [text("stream")],
  },
  game: {
    source: gameSource,
    parameters: { One: 32, Two: 32, First_deadline: 4, Move_time: 4, Rounds: 4, Draw: 4 },
    ...{ timeGas: 1_200, spaceGas: 1_200 },
    facts: [],
  },
};
const TYPES: readonly Terms["type"][] = ["hashlock", "hashlock_with_expiry", "escrow", "stream", "game"];

/** Templates by kind, each made when it is needed first. */
const made = new Map<Terms["type"], Template>();

function templateFor(type: Terms["type"]): Template {
  const known = made.get(type);
  if (known !== undefined) return known;
  const { source, parameters } = KINDS[type];
  const template = templateOf(source, parameters);
  made.set(type, template);
  return template;
}

function valuesOf(terms: Terms): Values {
  switch (terms.type) {
    case "hashlock":
      return new Map([["Payment_hash", terms.paymentHash as Uint8Array]]);
    case "hashlock_with_expiry":
      return new Map([
        ["Payment_hash", terms.paymentHash as Uint8Array],
        ["Expiry", uint32(terms.expiry)],
      ]);
    case "escrow":
      return new Map([
        ["Arbiter", terms.arbiter],
        ["Expiry", uint32(terms.expiry)],
        ["Otherwise", uint32(terms.otherwise)],
      ]);
    case "stream":
      return new Map([
        ["Payer", terms.payer],
        ["Payee", terms.payee],
        ["Expiry", uint32(terms.expiry)],
      ]);
    case "game":
      return new Map([
        ["One", terms.one],
        ["Two", terms.two],
        ["First_deadline", uint32(terms.firstDeadline)],
        ["Move_time", uint32(terms.moveTime)],
        ["Rounds", uint32(terms.rounds)],
        ["Draw", uint32(terms.draw)],
      ]);
    default:
      return assertNever(terms);
  }
}

function termsOf(type: Terms["type"], values: Values): Terms {
  const bytes = (name: string) => {
    const value = values.get(name);
    invariant(value !== undefined, `the template has the parameter ${name}`);
    return value;
  };
  const int = (name: string) => new DataView(bytes(name).buffer).getUint32(0);
  switch (type) {
    case "hashlock":
      return { type, paymentHash: asPaymentHash(bytes("Payment_hash")) };
    case "hashlock_with_expiry":
      return { type, paymentHash: asPaymentHash(bytes("Payment_hash")), expiry: int("Expiry") };
    case "escrow":
      return { type, arbiter: bytes("Arbiter"), expiry: int("Expiry"), otherwise: int("Otherwise") };
    case "stream":
      return { type, payer: bytes("Payer"), payee: bytes("Payee"), expiry: int("Expiry") };
    case "game":
      return {
        type,
        one: bytes("One"),
        two: bytes("Two"),
        firstDeadline: int("First_deadline"),
        moveTime: int("Move_time"),
        rounds: int("Rounds"),
        draw: int("Draw"),
      };
    default:
      return assertNever(type);
  }
}

function endOf(terms: Terms): number | undefined {
  switch (terms.type) {
    case "hashlock":
      return undefined;
    case "game":
      return endOfGame(terms);
    default:
      return terms.expiry;
  }
}

/** The contract for some terms; an error where they are out of bounds. */
export function readyMade(terms: Terms): Result<ReadyMade, BadTerm> {
  const checked = checkTerms(terms);
  if (!checked.ok) return checked;
  const { timeGas, spaceGas, facts } = KINDS[terms.type];
  const code = fill(templateFor(terms.type), valuesOf(terms));
  const codeHash = sha256(code);
  const root = terms.type === "game" ? gameRoot(newGame(terms)) : NO_ROOT;
  const leaf = { codeHash, key: codeHash, root, timeGas, spaceGas, prove: factsHash(facts) };
  return ok({ terms, program: { code, facts }, leaf, end: endOf(terms) });
}

/** The terms of a code that is a ready-made contract's, or undefined. A game's root, which is not in its code, is to be compared besides. */
export function readTerms(code: Uint8Array): Terms | undefined {
  for (const type of TYPES) {
    const values = valuesIn(templateFor(type), code);
    if (values === undefined) continue;
    const terms = checkTerms(termsOf(type, values));
    return terms.ok ? terms.value : undefined;
  }
  return undefined;
}

/** The commented source that assembles to the code of a contract with these terms. */
export function sourceOf(terms: Terms): string {
  return withValues(KINDS[terms.type].source, valuesOf(terms));
}
