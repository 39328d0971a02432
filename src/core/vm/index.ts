export { type Assembly, assemble, binaryPush, intPush } from "./assemble.ts";
export {
  type ContractResult,
  describeNoContractResult,
  GRANULARITY,
  type NoContractResult,
  readContractResult,
} from "./contract-result.ts";
export { disassemble, instructionText, type Line } from "./disassemble.ts";
export { describeFailure, type Failure, type Reason } from "./failure.ts";
export { type GasReport, type GasRow, gasReport } from "./gas-report.ts";
export type { Version } from "./opcodes.ts";
export { type Limits, ledgerProfile, type Profile, referenceProfile } from "./profile.ts";
export { type Finished, type RunInput, run } from "./run.ts";
export type { Place, SourceProblem } from "./source-words.ts";
export { type Step, trace } from "./trace.ts";
export { binaryValue, listOf, memoryOf, type Value } from "./value.ts";
export { type PlainValue, plainValue, plainValueTo, valueText } from "./value-text.ts";
