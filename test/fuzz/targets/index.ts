import type { Target } from "../target.ts";
import { BITCOIN } from "./bitcoin.ts";
import { CHAIN_NODE } from "./chain-node.ts";
import { CONTRACT_CHANNEL } from "./contract-channel.ts";
import { CRYPTO } from "./crypto.ts";
import { EMBEDDED_CHAIN } from "./embedded-chain.ts";
import { NOISE } from "./noise.ts";
import { SETTINGS } from "./settings.ts";
import { STEP } from "./step.ts";
import { STORED } from "./stored.ts";
import { VM } from "./vm.ts";
import { WIRE } from "./wire.ts";

/** Everything that is fuzzed. */
export const TARGETS: readonly Target[] = [
  ...WIRE,
  ...NOISE,
  ...CRYPTO,
  ...BITCOIN,
  ...CHAIN_NODE,
  ...EMBEDDED_CHAIN,
  ...STORED,
  ...CONTRACT_CHANNEL,
  ...VM,
  ...SETTINGS,
  ...STEP,
];
