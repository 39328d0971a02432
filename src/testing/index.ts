export { pick, type RandomNumbers, randomNumbers, subSeed } from "./random-numbers.ts";
export {
  Broken,
  generate,
  run,
  type Scenario,
  type Schedule,
  type Step,
  type StepKind,
  type Subject,
  shrink,
  type Verdict,
} from "./schedule.ts";
export type { CommitTrouble } from "./simulated-store.ts";
export type { MessageTap } from "./tapped-transport.ts";
export { plainText, Trace } from "./trace.ts";
export { type VirtualClock, virtualClock } from "./virtual-clock.ts";
export { World, type WorldOptions } from "./world.ts";
export { type Faults, type MessageTrouble, type Taps, WorldNode } from "./world-node.ts";
