import { assertNever } from "../../base/index.ts";
import { GRANULARITY } from "../../vm/index.ts";
import { endOfGame, type GameTerms, movesInAll, type Terms } from "./terms.ts";

/** One way in which a contract can end, for display. */
export type PossibleEnd = {
  readonly when: string;
  /** What the beneficiary gets of the stakes; the other party gets the rest. */
  readonly beneficiaryGets: string;
};

const ALL = "all stakes";
const NOTHING = "nothing";

function share(amount: number): string {
  if (amount === 0) return NOTHING;
  return amount === GRANULARITY ? ALL : `${(100 * amount) / GRANULARITY} % of the stakes`;
}

function endsOfGame(terms: GameTerms): PossibleEnd[] {
  const end = endOfGame(terms);
  const draw = share(terms.draw);
  return [
    { when: `player one has won more of the ${terms.rounds} rounds`, beneficiaryGets: ALL },
    { when: `player two has won more of the ${terms.rounds} rounds`, beneficiaryGets: NOTHING },
    { when: "both have won as many rounds", beneficiaryGets: draw },
    {
      when: `player two has not moved below the move's deadline (${terms.firstDeadline} for the first of ${movesInAll(terms)}, and ${terms.moveTime} more for each after it), and that is claimed below height ${end}`,
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
      return [
        { when: "the secret is shown", beneficiaryGets: ALL },
        { when: "the ledger has recorded that nothing was given, 50 ticks before", beneficiaryGets: NOTHING },
      ];
    case "hashlock_with_expiry":
      return [
        { when: `the secret is shown below height ${terms.expiry}`, beneficiaryGets: ALL },
        { when: `height ${terms.expiry} is reached without it`, beneficiaryGets: NOTHING },
      ];
    case "escrow":
      return [
        { when: `the arbiter decides below height ${terms.expiry}`, beneficiaryGets: "what the arbiter says" },
        { when: `height ${terms.expiry} is reached without that`, beneficiaryGets: share(terms.otherwise) },
      ];
    case "stream":
      return [
        { when: "the payee ends the stream", beneficiaryGets: "the total that both signed" },
        {
          when: `height ${terms.expiry} is reached`,
          beneficiaryGets: "the highest total of the payer that was shown before, or nothing",
        },
      ];
    case "game":
      return endsOfGame(terms);
    default:
      return assertNever(terms);
  }
}
