import type { Scenario } from "../../src/testing/index.ts";
import { checkEnd, checkNews } from "./invariants.ts";
import { KINDS, weightsOf } from "./kinds.ts";
import { Market } from "./market.ts";
import { settingOf } from "./setting.ts";

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
    await market.settle();
    await checkEnd(market);
  },
};
