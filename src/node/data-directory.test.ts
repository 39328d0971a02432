import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemRandom } from "../adapters/system/index.ts";
import { describeDataDirectoryError, openSeed, prepareDirectory } from "./data-directory.ts";

describe("a data directory", () => {
  const random = systemRandom();
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "sluice-directory-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("gets a phrase of 24 words that only its owner can read, and the same seed ever after", () => {
    expect(prepareDirectory(directory).ok).toBe(true);
    const first = openSeed(directory, true, random);
    expect(readFileSync(join(directory, "seed-phrase"), "utf8").trim().split(" ")).toHaveLength(24);
    expect(statSync(join(directory, "seed-phrase")).mode & 0o777).toBe(0o600);
    expect(openSeed(directory, false, random)).toEqual(first);
  });

  it("is refused where the store was used and the phrase is missing", () => {
    expect(openSeed(directory, false, random)).toMatchObject({ ok: false, error: { type: "seed_missing" } });
  });

  it("[B2-34] is refused where the phrase has lost its store, since keys would be used twice", () => {
    openSeed(directory, true, random);
    expect(prepareDirectory(directory)).toMatchObject({ ok: false, error: { type: "store_missing" } });
    writeFileSync(join(directory, "sluice.db"), "");
    expect(prepareDirectory(directory)).toMatchObject({ ok: false, error: { type: "store_missing" } });
    writeFileSync(join(directory, "sluice.db"), "something");
    expect(prepareDirectory(directory).ok).toBe(true);
  });

  it("[B2-35] names the file of a broken phrase, and none of its words", () => {
    writeFileSync(join(directory, "seed-phrase"), "abandon abandon zebra");
    const opened = openSeed(directory, false, random);
    if (opened.ok) throw new Error("a broken phrase was taken");
    const text = describeDataDirectoryError(opened.error);
    expect(text).toContain("seed-phrase");
    expect(text).not.toMatch(/abandon|zebra/);
  });
});
