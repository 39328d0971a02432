import { concatBytes, err, fromHex, ok, type Result, toHex } from "../base/index.ts";
import { sha256 } from "../crypto/index.ts";
import { OP, OPCODE_WORDS, SMALL_INT, SMALL_INTS } from "./opcodes.ts";
import { type Place, type SourceProblem, type Word, wordsOf } from "./source-words.ts";

/** Byte code made of a source text. */
export type Assembly = {
  readonly code: Uint8Array;
  /** The variables that the text names, by their keys. */
  readonly variables: ReadonlyMap<string, number>;
  /** The functions that the text names, by their hashes (hexadecimal). */
  readonly functions: ReadonlyMap<string, string>;
  /** The word of the source that made each instruction, by the byte at which that begins, ascending. For a macro's words, where it is used. */
  readonly places: readonly { readonly position: number; readonly place: Place }[];
  /** What is allowed and hardly meant. */
  readonly warnings: readonly SourceProblem[];
};

/** Longest source and longest expansion of it, in characters and words: macros within macros could double without end. */
const GREATEST_SOURCE = 1 << 20;
const GREATEST_EXPANSION = 1 << 16;

/** Words that are opcodes besides the opcodes' own names. Those without a meaning of their own are undefined opcodes of older machines. */
const OTHER_WORDS: Readonly<Record<string, number>> = {
  int0: OP.nop,
  ddup: OP.dupTwo,
  verify_account_sig: 42,
  id2balance: 91,
  pub2addr: 92,
  total_coins: 93,
  slash: 95,
  ram: 97,
  id2pub: 98,
  id2addr: 98,
  oracle: 99,
};
const OPCODES = new Map<string, number>([...OPCODE_WORDS, ...Object.entries(OTHER_WORDS)]);

function uint(tag: number, number: number, bytes: number): Uint8Array {
  return Uint8Array.of(tag, ...Array.from({ length: bytes }, (_, i) => Math.floor(number / 256 ** (bytes - 1 - i))));
}

/** The push of a binary. */
export function binaryPush(bytes: Uint8Array): Uint8Array {
  return concatBytes(uint(OP.binary, bytes.length, 4), bytes);
}

/** The shortest push of an int. */
export function intPush(number: number): Uint8Array {
  if (number < SMALL_INTS) return Uint8Array.of(SMALL_INT + number);
  if (number < 2 ** 8) return uint(OP.int1, number, 1);
  return number < 2 ** 16 ? uint(OP.int2, number, 2) : uint(OP.int, number, 4);
}

/** The key of a variable; the reference has no two-byte form here. */
function keyPush(key: number): Uint8Array {
  return key < 2 ** 8 ? intPush(key) : uint(OP.int, key, 4);
}

class Refused extends Error {
  readonly place: Place;
  constructor(place: Place, problem: string) {
    super(problem);
    this.place = place;
  }
}

function refuse({ place }: Word, problem: string): never {
  throw new Refused(place, problem);
}

/** The name after `macro` or `:`. */
function nameAfter(opening: Word, name: Word | undefined): Word {
  if (name === undefined || name.bytes !== undefined) return refuse(opening, `${opening.text} takes a name`);
  return name;
}

/** Index of the next `;`. */
function endOf(words: readonly Word[], from: number, opening: Word, what: string): number {
  for (let i = from; i < words.length; i++) if (words[i]?.text === ";") return i;
  return refuse(opening, `${what} is not closed with ;`);
}

function expand(words: readonly Word[], macros: ReadonlyMap<string, readonly Word[]>): Word[] {
  const expanded: Word[] = [];
  for (const word of words) {
    const macro = macros.get(word.text);
    // An error within a macro is shown where the macro is used.
    if (macro === undefined) expanded.push(word);
    else for (const inner of macro) expanded.push({ ...inner, place: word.place });
    if (expanded.length > GREATEST_EXPANSION) refuse(word, `the macros make more than ${GREATEST_EXPANSION} words`);
  }
  return expanded;
}

/** The words with macros put in their place. A macro sees the macros before it. */
function withoutMacros(words: readonly Word[]): { readonly words: Word[]; readonly names: ReadonlySet<string> } {
  const macros = new Map<string, Word[]>();
  const rest: Word[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as Word;
    if (word.text !== "macro") {
      rest.push(word);
      continue;
    }
    const name = nameAfter(word, words[i + 1]);
    const end = endOf(words, i + 2, word, "the macro");
    if (macros.has(name.text)) refuse(name, `there are two macros ${name.text}`);
    macros.set(name.text, expand(words.slice(i + 2, end), macros));
    i = end;
  }
  return { words: expand(rest, macros), names: new Set(macros.keys()) };
}

type Names = {
  readonly functions: Map<string, Uint8Array>;
  readonly variables: Map<string, number>;
  readonly warnings: SourceProblem[];
};

function readInteger(word: Word | undefined, after: Word): number {
  if (word === undefined) return refuse(after, `${after.text} takes a number`);
  if (!/^[+-]?\d{1,1000}$/.test(word.text)) return refuse(word, `${word.text} is not a whole number`);
  return Number(word.text);
}

const GREATEST_INT = 2 ** 32 - 1;

/** `int`, `int0`, `int1`, `int2` and `int4` with their number. */
function intOf(word: Word, operand: Word, { warnings }: Names): Uint8Array {
  const number = readInteger(operand, word);
  if (word.text === "int" || word.text === "int0") {
    const greatest = word.text === "int" ? GREATEST_INT : SMALL_INTS - 1;
    if (number < 0 || number > greatest) refuse(operand, `${word.text} takes 0 to ${greatest}, not ${operand.text}`);
    return intPush(number);
  }
  const bytes = Number(word.text.at(-1));
  const range = 256 ** bytes;
  const cut = Number(((BigInt(operand.text) % BigInt(range)) + BigInt(range)) % BigInt(range));
  const problem = `${operand.text} does not fit into ${bytes} bytes and becomes ${cut}`;
  if (number < 0 || number >= range) warnings.push({ place: operand.place, problem });
  const opcode = bytes === 1 ? OP.int1 : bytes === 2 ? OP.int2 : OP.int;
  return uint(opcode, cut, bytes);
}

function binaryOf(word: Word, lengthWord: Word, content: Word): Uint8Array {
  const length = readInteger(lengthWord, word);
  const { text } = content;
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    refuse(content, `${text} is not base64, with its padding`);
  }
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (bytes.length !== length) refuse(lengthWord, `the binary has ${bytes.length} bytes, not ${lengthWord.text}`);
  return binaryPush(bytes);
}

/** What begins with `#`: bytes as they are, in hexadecimal. The disassembler writes with it what has no words. */
function rawBytes(word: Word): Uint8Array {
  return fromHex(word.text.slice(1)) ?? refuse(word, `${word.text} is not # and an even number of hexadecimal digits`);
}

/** The key of a variable; a new name takes the next key. */
function variableOf(word: Word, { variables, warnings }: Names): number {
  const known = variables.get(word.text);
  if (known !== undefined) return known;
  if (!/^[A-Ya-y]/.test(word.text)) {
    refuse(
      word,
      `${JSON.stringify(word.text)} is no opcode and no function, and a variable begins with a letter other than Z`,
    );
  }
  if (word.text.endsWith("\r")) {
    const problem = `${JSON.stringify(word.text)} is a variable: end the lines with LF alone, since a carriage return belongs to the word`;
    warnings.push({ place: word.place, problem });
  }
  const key = variables.size + 1;
  variables.set(word.text, key);
  return key;
}

const INT_WORDS = new Set(["int", "int0", "int1", "int2", "int4"]);

/** Byte code of some words; `placed` is called for each that made some. */
function codeOf(words: readonly Word[], names: Names, placed: (position: number, place: Place) => void): Uint8Array {
  const parts: Uint8Array[] = [];
  let position = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as Word;
    placed(position, word.place);
    const [next, afterNext] = [words[i + 1], words[i + 2]];
    const opcode = OPCODES.get(word.text);
    const hash = names.functions.get(word.text);
    if (word.bytes !== undefined) parts.push(binaryPush(word.bytes));
    else if (INT_WORDS.has(word.text) && next !== undefined) {
      parts.push(intOf(word, next, names));
      i += 1;
    } else if (word.text === "binary" && next !== undefined && afterNext !== undefined) {
      parts.push(binaryOf(word, next, afterNext));
      i += 2;
    } else if (word.text.startsWith("#")) parts.push(rawBytes(word));
    else if (opcode !== undefined) parts.push(Uint8Array.of(opcode));
    else if (hash !== undefined) parts.push(binaryPush(hash));
    else parts.push(keyPush(variableOf(word, names)));
    position += parts.at(-1)?.length ?? 0;
  }
  return concatBytes(...parts);
}

/** The hash of each function that the words define. A function sees the functions before it. */
function nameFunctions(words: readonly Word[], names: Names): void {
  const uses: { readonly word: Word; readonly within: string }[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as Word;
    if (word.text !== ":" || i + 1 === words.length) continue;
    const name = nameAfter(word, words[i + 1]);
    const end = endOf(words, i + 2, word, "the function");
    const body = words.slice(i + 2, end);
    uses.push(...body.map((used) => ({ word: used, within: name.text })));
    const hash = sha256(codeOf(body, names, () => {}));
    if (names.functions.has(name.text)) refuse(name, `there are two functions ${name.text}`);
    names.functions.set(name.text, hash);
    i = end;
  }
  for (const { word, within } of uses) {
    // Its name was taken for a variable when the hash was made.
    if (!names.functions.has(word.text) || !names.variables.has(word.text)) continue;
    const problem = `${word.text} is defined after ${within}, which uses it: the hash of ${within} is not the one it will have`;
    names.warnings.push({ place: word.place, problem });
  }
}

/** The words without the names after `:`, which make no code. */
function withoutNames(words: readonly Word[]): Word[] {
  const kept: Word[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as Word;
    kept.push(word);
    if (word.text === ":") i++;
  }
  return kept;
}

function distinct(warnings: readonly SourceProblem[]): SourceProblem[] {
  const seen = new Map(warnings.map((w) => [`${w.place.line}:${w.place.column} ${w.problem}`, w]));
  return [...seen.values()];
}

function assembleOrThrow(source: string): Assembly {
  if (source.length > GREATEST_SOURCE) {
    throw new Refused({ line: 1, column: 1 }, `the text has more than ${GREATEST_SOURCE} characters`);
  }
  const found = wordsOf(source);
  if (!found.ok) throw new Refused(found.error.place, found.error.problem);
  const { words, names: macros } = withoutMacros(found.value);
  const names: Names = { functions: new Map(), variables: new Map(), warnings: [] };
  nameFunctions(words, names);
  const clash = words.find(({ text }) => macros.has(text) && names.functions.has(text));
  if (clash !== undefined) refuse(clash, `${clash.text} is a macro and a function`);
  const places: { readonly position: number; readonly place: Place }[] = [];
  const code = codeOf(withoutNames(words), names, (position, place) => places.push({ position, place }));
  const functions = new Map([...names.functions].map(([name, hash]) => [name, toHex(hash)]));
  return { code, variables: names.variables, functions, places, warnings: distinct(names.warnings) };
}

/**
 * Byte code of a source text in the Forth-like notation of the reference assembler, byte for byte as it makes it: also where it is odd
 * (`int(x)1` is one word; a carriage return belongs to a word; a word that is nothing else is a variable). Besides, `#6e6f` stands for
 * those bytes.
 */
export function assemble(source: string): Result<Assembly, SourceProblem> {
  try {
    return ok(assembleOrThrow(source));
  } catch (cause) {
    if (cause instanceof Refused) return err({ place: cause.place, problem: cause.message });
    throw cause;
  }
}
