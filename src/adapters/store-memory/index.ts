export { type CommitFault, type MemoryStore, memoryStore } from "./memory-store.ts";
