import { describe, expect, it } from "vitest";
import { type Output, painter, progress } from "./terminal.ts";

function recorder(traits: Partial<Output>): Output & { text: string } {
  const output = {
    ...traits,
    text: "",
    write(text: string) {
      output.text += text;
    },
  };
  return output;
}

function runAll(output: Output, total: number): void {
  const bar = progress(output, { indent: "  ", total });
  for (let done = 0; done <= total; done++) bar.update(done, "9 per second");
  bar.end();
}

describe("progress", () => {
  it("prints a line for every tenth where nothing can be drawn over", () => {
    const output = recorder({});
    runAll(output, 1000);
    const lines = output.text.trimEnd().split("\n");
    expect(lines).toHaveLength(11);
    expect(lines[0]).toBe("    0 %  0 of 1,000, 9 per second");
    expect(lines[10]).toBe("  100 %  1,000 of 1,000, 9 per second");
    expect(output.text).not.toContain("\r");
  });

  it("draws over one line of a terminal, and ends it once", () => {
    const output = recorder({ isTTY: true, columns: 80 });
    runAll(output, 1000);
    expect(output.text.split("\r")).toHaveLength(102);
    expect(output.text.match(/\n/g)).toHaveLength(1);
    expect(output.text).toContain("[###############---------------]  50 %  500 of 1,000");
    expect(output.text.endsWith("1,000 of 1,000, 9 per second\u001b[K\n")).toBe(true);
  });

  it.each([1, 10, 30, 40, 79])("never wraps a terminal of %i columns", (columns) => {
    const output = recorder({ isTTY: true, columns });
    runAll(output, 1000);
    for (const drawn of output.text.split("\r")) {
      expect(drawn.replace("\u001b[K", "").trimEnd().length).toBeLessThan(columns);
    }
  });

  it("takes a width of 0 for unknown", () => {
    const output = recorder({ isTTY: true, columns: 0 });
    runAll(output, 10);
    expect(output.text).toContain("[######------------------------]  20 %");
  });

  it("is silent after its end", () => {
    const output = recorder({ isTTY: true, columns: 80 });
    const bar = progress(output, { indent: "", total: 10 });
    bar.update(1, "");
    bar.end();
    const { text } = output;
    bar.update(9, "");
    bar.end();
    expect(output.text).toBe(text);
  });
});

describe("painter", () => {
  it("paints on a terminal that has colours, and nowhere else", () => {
    expect(painter(recorder({ isTTY: true, hasColors: () => true }))("red", "x")).toBe("\u001b[31mx\u001b[0m");
    // What a terminal's hasColors says where NO_COLOR is set.
    expect(painter(recorder({ isTTY: true, hasColors: () => false }))("red", "x")).toBe("x");
    expect(painter(recorder({ hasColors: () => true }))("red", "x")).toBe("x");
  });
});
