import { err, ok, type Result } from "../base/index.ts";

/** A place in a source text; both count from 1. Columns count UTF-16 units. */
export type Place = { readonly line: number; readonly column: number };

/** A word of the source, or a text in quotes, which has bytes. */
export type Word = { readonly text: string; readonly bytes: Uint8Array | undefined; readonly place: Place };

/** What is wrong with a source text, and where. */
export type SourceProblem = { readonly place: Place; readonly problem: string };

type Character = { readonly text: string; readonly place: Place };

const STANDS_ALONE = new Set(["(", ")", "[", "]", ":", ";", ","]);
// A carriage return is no space, as in the reference: with lines that end in CR LF it becomes part of the last word.
const SPACES = new Set([" ", "\t", "\n"]);

function charactersOf(source: string): Character[] {
  let line = 1;
  let column = 1;
  return Array.from(source, (text) => {
    const place = { line, column };
    if (text === "\n") {
      line++;
      column = 1;
    } else column += text.length;
    return { text, place };
  });
}

/** Comments: `(` to the next `)`, and `%` to the end of the line. What they leave closes up: `int(x)1` is one word. */
function withoutComments(characters: readonly Character[]): Result<Character[], SourceProblem> {
  const kept: Character[] = [];
  let end: string | undefined;
  let begun: Character | undefined;
  for (const character of characters) {
    const { text } = character;
    if (end !== undefined) {
      if (text === end) end = undefined;
    } else if (text === "(" || text === "%") {
      end = text === "(" ? ")" : "\n";
      begun = character;
    } else kept.push(character);
  }
  if (end === ")" && begun !== undefined)
    return err({ place: begun.place, problem: "the comment is not closed with )" });
  return ok(kept);
}

/** A space on each side of the characters that are words by themselves, in texts too. */
function spacedOut(characters: readonly Character[]): Character[] {
  return characters.flatMap((character) => {
    if (!STANDS_ALONE.has(character.text)) return [character];
    const space = { text: " ", place: character.place };
    return [space, character, space];
  });
}

/** Cuts a source text into words. */
export function wordsOf(source: string): Result<Word[], SourceProblem> {
  const kept = withoutComments(charactersOf(source));
  if (!kept.ok) return kept;
  const characters = spacedOut(kept.value);
  const words: Word[] = [];
  let word = "";
  let place: Place = { line: 1, column: 1 };
  const endWord = () => {
    if (word !== "") words.push({ text: word, bytes: undefined, place });
    word = "";
  };
  for (let i = 0; i < characters.length; i++) {
    const { text, place: here } = characters[i] as Character;
    // A text begins wherever these three characters stand, also at the end of a word.
    if (text === "." && characters[i + 1]?.text === '"' && characters[i + 2]?.text === " ") {
      endWord();
      let close = i + 3;
      while (close < characters.length && characters[close]?.text !== '"') close++;
      if (close === characters.length) return err({ place: here, problem: 'the text is not closed with "' });
      const content = characters.slice(i + 3, close).map((character) => character.text);
      if (content.length === 0) return err({ place: here, problem: "a text can't be empty" });
      words.push({ text: '."', bytes: new TextEncoder().encode(content.join("")), place: here });
      i = close;
    } else if (SPACES.has(text)) endWord();
    else {
      if (word === "") place = here;
      word += text;
    }
  }
  endWord();
  return ok(words);
}
