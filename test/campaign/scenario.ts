import type { Scenario } from "../../src/testing/index.ts";
import { checkEnd, checkNews } from "./invariants.ts";
import { KINDS, weightsOf } from "./kinds.ts";
import { Market } from "./market.ts";
import { lastWords } from "./mischief.ts";
import { settingOf } from "./setting.ts";
import { thief } from "./thief.ts";

/** What the campaign tries with each seed. */
export const CAMPAIGN: Scenario<Market> = {
  kinds: KINDS,
  plan: (seed) => {
    const setting = settingOf(seed);
    return { steps: setting.steps, weights: weightsOf(setting) };
  },
  begin: (seed, options) => new Market(settingOf(seed), options).begin(),
  afterStep: checkNews,
  end: async (market) => {
    const { cheater, setting } = market;
    market.calm();
    if (cheater !== undefined && setting.cheaterGoes) {
      if (!market.gone.has(cheater)) await lastWords(market, cheater);
      market.thieve ??= thief(market, cheater);
    }
    await market.settle();
    await checkEnd(market);
  },
};
