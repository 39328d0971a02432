import { assertNever } from "../../base/index.ts";
import { GRANULARITY } from "../../vm/index.ts";
import { endOfGame, type GameTerms, movesInAll, type Terms } from "./terms.ts";

/** One way in which a contract can end, for display. */
export type PossibleEnd = {
  readonly when: string;
  /** What the beneficiary gets of the stakes; the other party gets the rest. */
  readonly beneficiaryGets: string;
};

function percent(amount: number): string {
  return `${(100 * amount) / GRANULARITY} % of the stakes`;
}

const ALL = "all stakes";
const NOTHING = "nothing";

function endsOfGame(terms: GameTerms): PossibleEnd[] {
  const end = endOfGame(terms);
  const draw = percent(terms.draw);
  return [
    { when: `player one has won more of the ${terms.rounds} rounds`, beneficiaryGets: ALL },
    { when: `player two has won more of the ${terms.rounds} rounds`, beneficiaryGets: NOTHING },
    { when: "both have won as many rounds", beneficiaryGets: draw },
    {
      when: `player two has not moved below the move's deadline (${terms.firstDeadline}, and ${terms.moveTime} later for each of the ${movesInAll(terms)} moves), and that is claimed below height ${end}`,
      beneficiaryGets: ALL,
    },
    { when: `player one has not, and that is claimed below height ${end}`, beneficiaryGets: NOTHING },
    { when: `height ${end} is reached without any of it`, beneficiaryGets: draw },
  ];
}

/** All ways in which a contract with these terms can end. */
export function possibleEnds(terms: Terms): readonly PossibleEnd[] {
  switch (terms.type) {
    case "hashlock":
      return [{ when: "the secret is shown", beneficiaryGets: ALL }];
    case "hashlock_with_expiry":
      return [
        { when: `the secret is shown below height ${terms.expiry}`, beneficiaryGets: ALL },
        { when: `height ${terms.expiry} is reached without it`, beneficiaryGets: NOTHING },
      ];
    case "escrow":
      return [
        { when: `the arbiter decides below height ${terms.expiry}`, beneficiaryGets: "what the arbiter says" },
        { when: `height ${terms.expiry} is reached without that`, beneficiaryGets: percent(terms.otherwise) },
      ];
    case "stream":
      return [
        { when: "the payee ends the stream", beneficiaryGets: "the total that both signed" },
        {
          when: `height ${terms.expiry} is reached`,
          beneficiaryGets: "the highest total of the payer that was shown below that height, or nothing",
        },
      ];
    case "game":
      return endsOfGame(terms);
    default:
      return assertNever(terms);
  }
}
