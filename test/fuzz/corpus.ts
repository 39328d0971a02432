// What is kept of each target, in test/fuzz/corpus/NAME: inputs.txt, of which each line reaches something that no shorter one does,
// and crashes.txt with every input that ever broke something. A line is an input in base64, "-" for the empty one; what stands after a
// blank says what it is.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

function read(file: string): Uint8Array[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line) => {
    const [input = ""] = line.split(" ");
    if (input === "" || input === "#") return [];
    return [input === "-" ? new Uint8Array(0) : new Uint8Array(Buffer.from(input, "base64"))];
  });
}

function lineOf(input: Uint8Array, note = ""): string {
  const text = input.length === 0 ? "-" : Buffer.from(input).toString("base64");
  return note === "" ? text : `${text} # ${note.replaceAll(/\s+/g, " ").slice(0, 160)}`;
}

/** The kept inputs and crashes of all targets, in the tree. */
export class Corpus {
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Targets of which something is kept. */
  names(): string[] {
    return existsSync(this.folder) ? readdirSync(this.folder).sort() : [];
  }

  inputs(target: string): Uint8Array[] {
    return read(join(this.folder, target, "inputs.txt"));
  }

  crashes(target: string): Uint8Array[] {
    return read(join(this.folder, target, "crashes.txt"));
  }

  save(target: string, inputs: readonly Uint8Array[]): void {
    mkdirSync(join(this.folder, target), { recursive: true });
    const lines = inputs.map((input) => lineOf(input)).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    writeFileSync(join(this.folder, target, "inputs.txt"), lines.length === 0 ? "" : `${lines.join("\n")}\n`);
  }

  addCrash(target: string, input: Uint8Array, note: string): void {
    mkdirSync(join(this.folder, target), { recursive: true });
    const file = join(this.folder, target, "crashes.txt");
    const line = lineOf(input, note);
    const [bytes = ""] = line.split(" ");
    const before = existsSync(file) ? readFileSync(file, "utf8") : "";
    if (before.split("\n").some((known) => known.split(" ")[0] === bytes)) return;
    writeFileSync(file, `${before}${line}\n`);
  }
}
