export { type MemoryNetwork, memoryNetwork } from "./network.ts";
