import {
  describeNoContractResult,
  type Finished,
  type GasReport,
  GRANULARITY,
  instructionText,
  type PlainValue,
  plainValueTo,
  type RunInput,
  readContractResult,
  type Step,
  type Value,
  valueText,
} from "../../core/vm/index.ts";
import { toHex } from "../../node/index.ts";
import { grouped } from "../format.ts";

const WIDTH = 70;
/** Lists within lists, as far as JSON shows them. */
const DEEPEST = 64;
/** Characters of a value in one step of a trace in JSON. */
const STEP_VALUE_WIDTH = 200;

function plain(value: Value): PlainValue {
  return plainValueTo(value, DEEPEST);
}

function listed(values: readonly Value[]): string[] {
  return values.map((value) => `  ${valueText(value, WIDTH)}`);
}

function resultLine(finished: Finished): string {
  const read = readContractResult(finished.stack);
  if (!read.ok) return `no result of a contract, whose run would have failed: ${describeNoContractResult(read.error)}`;
  const { amount, nonce, delay, root } = read.value;
  const shownRoot = root === undefined ? "none" : toHex(root);
  return `as a contract's result: amount ${grouped(amount)} of ${grouped(GRANULARITY)}, nonce ${nonce}, delay ${delay}, root ${shownRoot}`;
}

/** A finished run in lines, for people. */
export function runLines(input: RunInput, finished: Finished): string[] {
  const { stack, secondStack, variables } = finished;
  const timeUsed = input.timeGas - finished.timeLeft;
  const lines = [stack.length === 0 ? "stack: empty" : "stack, the top first:", ...listed(stack)];
  if (secondStack.length > 0) lines.push("second stack, the top first:", ...listed(secondStack));
  if (variables.size > 0) {
    lines.push("variables:", ...[...variables].map(([key, value]) => `  ${key}: ${valueText(value, WIDTH)}`));
  }
  lines.push(
    resultLine(finished),
    `time gas:  ${grouped(timeUsed)} used of ${grouped(input.timeGas)}`,
    `space gas: ${grouped(finished.spacePeak)} at most of ${grouped(input.spaceGas)}, ${grouped(finished.spaceUsed)} at the end`,
    `made:      ${grouped(finished.createdBytes)} bytes of values, of ${grouped(input.profile.limits.createdBytes)}`,
  );
  return lines;
}

/** The same for programs. */
export function runFields(input: RunInput, finished: Finished): { readonly type: string } {
  const result = readContractResult(finished.stack);
  const fields = {
    type: "run",
    stack: finished.stack.map(plain),
    secondStack: finished.secondStack.map(plain),
    variables: Object.fromEntries([...finished.variables].map(([key, value]) => [String(key), plain(value)])),
    definitions: finished.definitions,
    timeUsed: input.timeGas - finished.timeLeft,
    timeLeft: finished.timeLeft,
    spaceUsed: finished.spaceUsed,
    spacePeak: finished.spacePeak,
    createdBytes: finished.createdBytes,
    contractResult: result.ok ? { ...result.value, root: result.value.root ?? null } : null,
    noContractResult: result.ok ? null : result.error,
  };
  return fields;
}

function programOf(input: RunInput, part: Step["part"]): Uint8Array {
  return part === "evidence" ? input.evidence : input.code;
}

/** The instruction that ran; the end of a function by its word, as it is the body that ends. */
function shownInstruction(input: RunInput, step: { readonly part: Step["part"]; readonly position: number }): string {
  const text = instructionText(programOf(input, step.part), step.position);
  return text.length > 32 ? `${text.slice(0, 31)}…` : text;
}

const TRACE_COLUMNS = ["", "byte", "instruction", "time", "left", "space", "used", "stack, the top first"] as const;
const TRACE_WIDTHS = [8, 6, 34, 6, 10, 8, 10] as const;

function traceRow(cells: readonly string[]): string {
  const padded = cells.map((cell, i) => {
    const width = TRACE_WIDTHS[i] ?? 0;
    return i === 0 || i === 2 ? cell.padEnd(width) : cell.padStart(width);
  });
  const [part, byte, instruction, time, left, space, used, stack] = padded;
  return `${part}${byte}  ${instruction}${time}${left}${space}${used}  ${stack}`.trimEnd();
}

export function traceHeading(): string {
  return traceRow(TRACE_COLUMNS);
}

function signed(change: number): string {
  return change > 0 ? `+${change}` : String(change);
}

/** One opcode that ran, in a line: what it cost, what was left, and the stack after it. */
export function traceLine(input: RunInput, step: Step): string {
  const hidden = step.stackSize - step.stackTop.length;
  const values = step.stackTop.map((value) => valueText(value, 20));
  const stack = hidden > 0 ? [...values, `and ${hidden} more`] : values;
  return traceRow([
    step.part,
    String(step.position),
    `${"  ".repeat(Math.min(step.callDepth, 4))}${shownInstruction(input, step)}`,
    String(step.time),
    String(step.timeLeft),
    signed(step.space),
    String(step.spaceUsed),
    stack.join("  "),
  ]);
}

export function stepFields(input: RunInput, step: Step): { readonly type: string } {
  const instruction = instructionText(programOf(input, step.part), step.position);
  const stackTop = step.stackTop.map((value) => valueText(value, STEP_VALUE_WIDTH));
  const fields = { type: "step", ...step, instruction, stackTop };
  return fields;
}

/** What each place of the programs cost, the dearest in time first. */
export function gasLines(input: RunInput, { rows, opcodes }: GasReport): string[] {
  const total = rows.reduce((sum, row) => sum + row.time, 0);
  const sorted = rows.toSorted((a, b) => b.time - a.time);
  const line = (cells: readonly [string, string, string, string, string, string, string]) => {
    const [part, byte, instruction, count, time, share, space] = cells;
    return `${part.padEnd(8)}${byte.padStart(6)}  ${instruction.padEnd(34)}${count.padStart(10)}${time.padStart(12)}${share.padStart(7)}${space.padStart(12)}`;
  };
  return [
    line(["", "byte", "instruction", "times", "time gas", "share", "space"]),
    ...sorted.map((row) => {
      const share = total === 0 ? "" : `${((100 * row.time) / total).toFixed(1)}%`;
      const shown = shownInstruction(input, row);
      return line([
        row.part,
        String(row.position),
        shown,
        grouped(row.count),
        grouped(row.time),
        share,
        signed(row.space),
      ]);
    }),
    line(["", "", "all", grouped(opcodes), grouped(total), "", signed(rows.reduce((sum, row) => sum + row.space, 0))]),
  ];
}

/** A ready-made contract in lines, for people. */
export function describedLines(described: {
  readonly terms: { readonly type: string };
  readonly ends: readonly { readonly when: string; readonly beneficiaryGets: string }[];
  readonly codeHash: Uint8Array;
  readonly timeGas: number;
  readonly spaceGas: number;
}): string[] {
  const { terms, ends, codeHash, timeGas, spaceGas } = described;
  const { type, ...rest } = terms;
  const shown = Object.entries(rest).map(([name, value]) => {
    const term = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    return `  ${`${term}:`.padEnd(16)} ${value instanceof Uint8Array ? toHex(value) : String(value)}`;
  });
  return [
    `a ready-made contract: ${type.replaceAll("_", " ")}`,
    ...shown,
    "what the beneficiary gets of the stakes:",
    ...ends.map(({ when, beneficiaryGets }) => `  ${beneficiaryGets}, if ${when}`),
    `gas: ${grouped(timeGas)} of time, ${grouped(spaceGas)} of space; code hash ${toHex(codeHash)}`,
  ];
}
