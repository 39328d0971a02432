import { grouped } from "./format.ts";

/** The part of a stream that words go to. `hasColors` is there on terminals only, and knows NO_COLOR. */
export type Output = {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
  hasColors?(): boolean;
};

const CODES = { bold: 1, dim: 2, red: 31, green: 32 } as const;

/** Colours and weights where the stream shows them, else the text as it is. */
export function painter(output: Output): (style: keyof typeof CODES, text: string) => string {
  const colourful = output.isTTY === true && output.hasColors?.() === true;
  return (style, text) => (colourful ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text);
}

/** Whether a line can be drawn over. */
function redraws(output: Output): boolean {
  const { TERM } = process.env;
  return output.isTTY === true && TERM !== "dumb";
}

const BAR_CELLS = 30;

export type Progress = {
  /** `note` is shown after the numbers. */
  update(done: number, note: string): void;
  /** Ends the line where it stands. An update afterwards does nothing. */
  end(): void;
};

/** How far a long step is: one line that is drawn over on a terminal, else a line for every tenth. */
export function progress(output: Output, options: { readonly indent: string; readonly total: number }): Progress {
  const { indent, total } = options;
  const paint = painter(output);
  const overwriting = redraws(output);
  let shown = -1;
  let open = false;
  let ended = false;

  function line(done: number, note: string): string {
    const percent = Math.floor((100 * done) / total);
    const numbers = `${percent.toString().padStart(3)} %  ${grouped(done)} of ${grouped(total)}`;
    if (!overwriting) return `${indent}${numbers}, ${note}`;
    // A terminal that does not know its width says 0.
    const columns = output.columns || 80;
    const room = columns - 1 - indent.length - numbers.length - note.length - 6;
    const cells = Math.max(0, Math.min(BAR_CELLS, room));
    const filled = Math.floor((cells * done) / total);
    const bar = `${paint("green", "#".repeat(filled))}${"-".repeat(cells - filled)}`;
    // A line that wraps could not be drawn over, so what does not fit is left out.
    if (room < 0) return `${indent}${numbers}`.slice(0, columns - 1);
    return cells < 5 ? `${indent}${numbers}, ${note}` : `${indent}[${bar}] ${numbers}, ${note}`;
  }

  return {
    update(done, note) {
      const mark = Math.floor(((overwriting ? 100 : 10) * done) / total);
      if (ended || mark === shown) return;
      shown = mark;
      open = overwriting;
      output.write(overwriting ? `\r${line(done, note)}\u001b[K` : `${line(done, note)}\n`);
    },
    end() {
      if (open) output.write("\n");
      open = false;
      ended = true;
    },
  };
}
