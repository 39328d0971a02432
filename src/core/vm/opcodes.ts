/** The version of the opcode set that a contract names. Each has what the one before has. */
export type Version = 0 | 1 | 2;

/** The opcodes. */
export const OP = {
  int: 0,
  binary: 2,
  int1: 3,
  int2: 4,
  print: 10,
  return: 11,
  nop: 12,
  fail: 13,
  drop: 20,
  dup: 21,
  swap: 22,
  tuck: 23,
  rot: 24,
  dupTwo: 25,
  tuckn: 26,
  pickn: 27,
  toSecondStack: 30,
  fromSecondStack: 31,
  copySecondStack: 32,
  hash: 40,
  verifySig: 41,
  add: 50,
  subtract: 51,
  multiply: 52,
  divide: 53,
  greater: 54,
  less: 55,
  power: 56,
  remainder: 57,
  equal: 58,
  equalTaking: 59,
  if: 70,
  else: 71,
  endIf: 72,
  not: 80,
  and: 81,
  or: 82,
  xor: 83,
  band: 84,
  bor: 85,
  bxor: 86,
  stackSize: 90,
  height: 94,
  gas: 96,
  manyVariables: 100,
  manyFunctions: 101,
  define: 110,
  functionEnd: 111,
  recurse: 112,
  call: 113,
  defineAndPush: 114,
  set: 120,
  fetch: 121,
  cons: 130,
  car: 131,
  nil: 132,
  append: 134,
  split: 135,
  reverse: 136,
  isList: 137,
} as const;

/** The words that the assembler has for them. */
export const OPCODE_WORDS: readonly (readonly [word: string, opcode: number])[] = [
  ["int", OP.int],
  ["binary", OP.binary],
  ["int1", OP.int1],
  ["int2", OP.int2],
  ["print", OP.print],
  ["return", OP.return],
  ["nop", OP.nop],
  ["fail", OP.fail],
  ["drop", OP.drop],
  ["dup", OP.dup],
  ["swap", OP.swap],
  ["tuck", OP.tuck],
  ["rot", OP.rot],
  ["2dup", OP.dupTwo],
  ["tuckn", OP.tuckn],
  ["pickn", OP.pickn],
  [">r", OP.toSecondStack],
  ["r>", OP.fromSecondStack],
  ["r@", OP.copySecondStack],
  ["hash", OP.hash],
  ["verify_sig", OP.verifySig],
  ["+", OP.add],
  ["-", OP.subtract],
  ["*", OP.multiply],
  ["/", OP.divide],
  [">", OP.greater],
  ["<", OP.less],
  ["^", OP.power],
  ["rem", OP.remainder],
  ["==", OP.equal],
  ["=2", OP.equalTaking],
  ["if", OP.if],
  ["else", OP.else],
  ["then", OP.endIf],
  ["not", OP.not],
  ["and", OP.and],
  ["or", OP.or],
  ["xor", OP.xor],
  ["band", OP.band],
  ["bor", OP.bor],
  ["bxor", OP.bxor],
  ["stack_size", OP.stackSize],
  ["height", OP.height],
  ["gas", OP.gas],
  ["many_vars", OP.manyVariables],
  ["many_funs", OP.manyFunctions],
  [":", OP.define],
  [";", OP.functionEnd],
  ["recurse", OP.recurse],
  ["call", OP.call],
  ["def", OP.defineAndPush],
  ["!", OP.set],
  ["@", OP.fetch],
  ["cons", OP.cons],
  ["car", OP.car],
  ["nil", OP.nil],
  ["++", OP.append],
  ["split", OP.split],
  ["reverse", OP.reverse],
  ["is_list", OP.isList],
];

/** The opcodes from here on push the ints 0 to 35. Version 2. */
export const SMALL_INT = 140;
export const SMALL_INTS = 36;

const NAMES = new Map(OPCODE_WORDS.map(([word, opcode]) => [opcode, word]));

/** What the assembler calls an opcode; undefined for one that is not defined. */
export function opcodeName(opcode: number): string | undefined {
  return isSmallInt(opcode) ? `int ${opcode - SMALL_INT}` : NAMES.get(opcode);
}

export function isSmallInt(opcode: number): boolean {
  return opcode >= SMALL_INT && opcode < SMALL_INT + SMALL_INTS;
}

/** The oldest version that has an opcode. */
export function sinceVersion(opcode: number): Version {
  if (opcode === OP.int1 || opcode === OP.int2 || opcode === OP.equalTaking || isSmallInt(opcode)) return 2;
  return opcode === OP.defineAndPush ? 1 : 0;
}
